package edge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

const (
	withAuth = `<ossec_config><auth><purge>yes</purge><use_password>yes</use_password></auth></ossec_config>`
	attack   = "Dec 29 10:00:01 web-01 sshd[4242]: Failed password for %s from 203.0.113.9 port 4711 ssh2"
)

// newManager is the manager of the n-th tenant, with a secret of its own.
func newManager(t *testing.T, n int) *manager.Manager {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{"ossec.conf": withAuth, "authd.pass": secretOf(n) + "\n"} {
		file := filepath.Join(root, "var/ossec/etc", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := manager.Start(manager.Options{Root: root, Listen: fmt.Sprintf("127.10.%d.%d", 1+n/200, 1+n%200), KeyReload: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func secretOf(n int) string { return fmt.Sprintf("S3cret-of-tenant-%03d", n) }

// agents runs one agent per name through the edge and notes what happens to it.
type agents struct {
	mu    sync.Mutex
	steps map[string]map[string]int // by agent and step
}

func (a *agents) note(step agent.Step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.steps[step.Name] == nil {
		a.steps[step.Name] = map[string]int{}
	}
	a.steps[step.Name][step.Step]++
}

func (a *agents) count(step string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	total := 0
	for _, steps := range a.steps {
		total += steps[step]
	}
	return total
}

func (s *site) agentOptions(n, name int) agent.Options {
	return agent.Options{
		Name: fmt.Sprintf("host-%d-%d", n, name), EnrollAddress: s.port(n, 1), EventsAddress: s.port(n, 0),
		Password: wazuh.NewSecret(secretOf(n)), Event: fmt.Sprintf(attack, fmt.Sprintf("marker%d", n)), TimeScale: 60,
	}
}

// The spec's list for this mode: enroll and report at one address, each tenant
// at its own port; the other tenant's secret is no good.
func TestTwoTenantsOneAddress(t *testing.T) { haproxies.Each(t, testTwoTenantsOneAddress) }

func testTwoTenantsOneAddress(t *testing.T) {
	s := newSite(t)
	managers := []*manager.Manager{newManager(t, 0), newManager(t, 1)}
	for n, m := range managers {
		s.tenant(n, m.Addresses().Events, m.Addresses().Enroll)
	}
	s.apply()
	for n := range managers {
		made, err := agent.New(s.agentOptions(n, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := made.Once(t.Context()); err != nil {
			t.Fatalf("tenant %d: %v", n, err)
		}
	}
	for n, m := range managers {
		s.eventually("the event is an alert", func() bool { return m.State().Alerts >= 1 })
		rows := m.Agents()
		if len(rows) != 1 || rows[0]["name"] != fmt.Sprintf("host-%d-0", n) {
			t.Errorf("tenant %d knows the agents %v", n, rows)
		}
	}
	// A's address with B's secret, and the other way round.
	for n := range managers {
		wrong := s.agentOptions(n, 9)
		wrong.Password = wazuh.NewSecret(secretOf(1 - n))
		_, err := wazuh.Enroll(t.Context(), wazuh.EnrollOptions{Address: wrong.EnrollAddress, Request: wazuh.EnrollRequest{Name: wrong.Name, Password: wrong.Password}})
		if err == nil || !strings.Contains(err.Error(), "assword") {
			t.Errorf("tenant %d and the other's secret: %v; want it refused for the password", n, err)
		}
		if rows := managers[n].Agents(); len(rows) != 1 {
			t.Errorf("tenant %d has %d agents after it, want 1", n, len(rows))
		}
	}
	// Where each agent came from is known by its id, which both tenants have given out.
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, a := range s.edge.Agents("") {
		seen[a.Tenant+"/"+a.ID] = a.Source.String()
	}
	if len(seen) != 2 || seen["t0/001"] != "127.0.0.1" || seen["t1/001"] != "127.0.0.1" {
		t.Errorf("agents seen: %v", seen)
	}
}

// Agents of 50 tenants stay connected while 200 other tenants come, change, are
// suspended and go. Nobody held is reset, HAProxy stays the process it was, and its
// tables are exactly what the routes say.
func TestHeldAgentsNoticeNothing(t *testing.T) { haproxies.Each(t, testHeldAgentsNoticeNothing) }

func testHeldAgentsNoticeNothing(t *testing.T) { newSite(t).holds() }

// The same where the routes are objects of a real API server, which an edge with no
// more than its rights watches.
func TestHeldAgentsNoticeNothingOfTheAPIServer(t *testing.T) {
	_, admin, config := apiServer(t)
	s := newSite(t)
	s.stop()
	s.write = func() { s.writeRoutes(admin) }
	s.beginWith(config)
	s.holds()
	s.eventually("the API says of every route that it is carried", func() bool { return carriers(t, admin) == len(s.routes) })
}

// writeRoutes makes the API server's Routes those of the site: what is new is created,
// what differs is patched, and what is gone is deleted.
func (s *site) writeRoutes(admin client.Client) {
	s.Helper()
	var list v1alpha1.RouteList
	s.eventually("the kind is known", func() bool { return admin.List(s.Context(), &list) == nil })
	there := map[string]*v1alpha1.Route{}
	for i := range list.Items {
		there[list.Items[i].Name] = &list.Items[i]
	}
	for slug, route := range s.routes {
		have, want := there[slug], routeOf(route)
		delete(there, slug)
		var err error
		switch {
		case have == nil:
			err = admin.Create(s.Context(), want)
		case have.Spec.Hash() != want.Spec.Hash():
			before := have.DeepCopy()
			have.Spec = want.Spec
			err = admin.Patch(s.Context(), have, client.MergeFrom(before))
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	for _, gone := range there {
		if err := admin.Delete(s.Context(), gone); err != nil {
			s.Fatal(err)
		}
	}
}

// routeOf is the object that becomes a route of the edge's model.
func routeOf(route haproxy.Route) *v1alpha1.Route {
	spec := v1alpha1.RouteSpec{Region: "eu", Slot: route.Slot, Suspended: route.Suspended}
	for _, port := range route.Ports {
		spec.Ports = append(spec.Ports, v1alpha1.RoutePort{
			Name: port.Name, Port: port.Public, Target: v1alpha1.RouteTarget{IP: port.Target.Addr().String(), Port: int32(port.Target.Port())},
			Limits: v1alpha1.RouteLimits{Sessions: port.Limits.Sessions, Rate: port.Limits.Rate, PerSource: port.Limits.PerSource},
		})
	}
	return &v1alpha1.Route{ObjectMeta: metav1.ObjectMeta{Name: route.Tenant, Labels: map[string]string{naming.LabelRegion: spec.Region}}, Spec: spec}
}

// holds is that history.
func (s *site) holds() {
	const held, churned, each = 50, 200, 2
	t := s.T
	notes := &agents{steps: map[string]map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for n := range held {
		m := newManager(t, n)
		s.tenant(n, m.Addresses().Events, m.Addresses().Enroll)
	}
	s.apply()
	for n := range held {
		for i := range each {
			options := s.agentOptions(n, i)
			options.Report, options.TimeScale, options.Event = notes.note, 10, ""
			made, err := agent.New(options)
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() { made.Run(ctx) })
		}
	}
	s.eventually("all agents are connected", func() bool { return notes.count(agent.StepConnected) >= held*each })
	before := s.worker()
	other := newEcho(t, "127.11.0.1", "other")
	random := rand.New(rand.NewPCG(1, 2)) // the same history every time
	var live []int
	for n := held; n < held+churned; n++ {
		s.tenant(n, other.address(), other.address())
		live = append(live, n)
		if n%5 == 0 || n == held+churned-1 {
			s.apply()
		}
	}
	if _, answer, err := talk(t, "127.0.0.1", s.port(live[7], 0), frame("001")); err != nil || answer == "" {
		t.Errorf("an added tenant is not served: %v", err)
	}
	random.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	for i, n := range live {
		switch {
		case i < 60:
			s.tenant(n, other.address(), other.address(), func(r *haproxy.Route) { r.Ports[0].Limits.Sessions = 7 })
		case i < 120:
			s.tenant(n, other.address(), other.address(), func(r *haproxy.Route) { r.Suspended = true })
		}
		if i%10 == 0 {
			s.apply()
		}
	}
	s.apply()
	s.exact()
	for i, n := range live {
		delete(s.routes, fmt.Sprintf("t%d", n))
		if i%10 == 0 {
			s.apply()
		}
	}
	s.apply()
	s.exact()
	if err := s.edge.resync(t.Context(), s.wanted()); err != nil {
		t.Fatal(err)
	}
	s.exact()
	if after := s.worker(); after != before {
		t.Errorf("haproxy is process %s, and was %s", after, before)
	}
	for step, want := range map[string]int{agent.StepDisconnected: 0, agent.StepFailed: 0, agent.StepReenroll: 0, agent.StepConnected: held * each} {
		if got := notes.count(step); got != want {
			t.Errorf("%d times %q among the held agents, want %d", got, step, want)
		}
	}
	status := s.edge.Status()
	if len(status.Tenants) != held || status.Counts.Drift != 0 {
		t.Errorf("%d tenants and %d drifts at the end, want %d and 0", len(status.Tenants), status.Counts.Drift, held)
	}
	cancel()
	running.Wait()
}
