package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
)

// host is a simulated agent that lives on its own: it reconnects, and enrolls again
// when it is cut off, as wazuh-agentd does, twenty times as fast.
type host struct {
	mu    sync.Mutex
	steps []agent.Step
}

func (h *host) count(step string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, s := range h.steps {
		if s.Step == step {
			n++
		}
	}
	return n
}

// last is the latest step of one kind.
func (h *host) last(step string) agent.Step {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range slices.Backward(h.steps) {
		if s.Step == step {
			return s
		}
	}
	return agent.Step{}
}

// startHost runs an agent until the test ends.
func startHost(t *testing.T, l *lab.Lab, slug, name string) *host {
	t.Helper()
	return startHostOf(t, l, slug, name, "")
}

// startHostOf is startHost for an agent of some version.
func startHostOf(t *testing.T, l *lab.Lab, slug, name, version string) *host {
	t.Helper()
	h := &host{}
	tenant := get(t, l, slug)
	at := func(port string) string {
		return fmt.Sprintf("%s:%d", tenant.Status.Address, naming.PortNumber(port))
	}
	a, err := agent.New(agent.Options{
		Name: name, Version: version, Password: enrollmentSecret(t, l, slug), TimeScale: 20,
		EnrollAddress: at(naming.PortEnrollment), EventsAddress: at(naming.PortEvents),
		Report: func(s agent.Step) { h.mu.Lock(); defer h.mu.Unlock(); h.steps = append(h.steps, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// startHosts runs agents and waits until the manager calls all of them active.
func startHosts(t *testing.T, l *lab.Lab, slug string, names ...string) map[string]*host {
	t.Helper()
	hosts := map[string]*host{}
	for _, name := range names {
		hosts[name] = startHost(t, l, slug, name)
	}
	eventually(t, fmt.Sprintf("%d agents are active", len(names)), func(ctx context.Context) (bool, error) {
		rows, err := databaseOf(ctx, l, slug)
		for _, name := range names {
			if rows[name].Status != "active" {
				return false, errors.Join(err, fmt.Errorf("%s is %q", name, rows[name].Status))
			}
		}
		return true, err
	})
	return hosts
}

// databaseOf is a manager's agent database by name, as its control port tells.
func databaseOf(ctx context.Context, l *lab.Lab, slug string) (map[string]struct{ ID, Name, Status string }, error) {
	var rows []struct{ ID, Name, Status string }
	err := control(ctx, l, http.MethodGet, slug, "/agents", &rows)
	byName := map[string]struct{ ID, Name, Status string }{}
	for _, row := range rows {
		byName[row.Name] = row
	}
	return byName, err
}

type listedAgent struct{ ID, Name, State string }

func listed(t *testing.T, l *lab.Lab, slug string) []listedAgent {
	t.Helper()
	var agents []listedAgent
	if err := json.Unmarshal([]byte(succeed(t, l, "agents", "list", slug, "-o", "json")), &agents); err != nil {
		t.Fatal(err)
	}
	return agents
}

// saysOf waits until the condition of a revocation is as wanted; until then its
// message is the trouble.
func saysOf(t *testing.T, l *lab.Lab, slug, name, what string, want func(metav1.Condition) bool) {
	t.Helper()
	eventually(t, what, func(context.Context) (bool, error) {
		ready := meta.FindStatusCondition(revocation(t, l, slug, name).Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case ready == nil:
			return false, errors.New("no condition yet")
		case !want(*ready):
			return false, errors.New(ready.Reason + ": " + ready.Message)
		}
		return true, nil
	})
}

func revocation(t *testing.T, l *lab.Lab, slug, name string) v1alpha1.Revocation {
	t.Helper()
	var r v1alpha1.Revocation
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// A revoked agent that keeps trying is refused for as long as it tries, also under
// another name; its neighbours notice nothing; and when the ban is lifted, it is
// back by itself.
func TestARevokedAgentStaysOut(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "revoking", v1alpha1.TenantSpec{})
	becomesReady(t, l, "revoking")
	hosts := startHosts(t, l, "revoking", "stolen", "neighbour-1", "neighbour-2")
	id := hosts["stolen"].last(agent.StepEnrolled).ID
	oldKey := keyOf(t, l, "revoking", id)
	lost := map[string]int{}
	for name, h := range hosts {
		lost[name] = h.count(agent.StepDisconnected)
	}

	succeed(t, l, "agents", "revoke", "revoking", "STOLEN", "--why", "stolen, ticket 4711", "--yes", "--wait", "--timeout", "90s")
	name := naming.Revocation("stolen", id)
	r := revocation(t, l, "revoking", name)
	if r.Spec.Why != "stolen, ticket 4711" || r.Spec.By == "" || r.Status.KeyHash != oldKey.Hash() {
		t.Errorf("revocation %+v, status %+v", r.Spec, r.Status)
	}
	for _, step := range []string{"is registered, active", "Deny: the gateway obeys", "Deregister: ", "Cut: the manager refused a message"} {
		if !slices.ContainsFunc(r.Status.Evidence, func(line string) bool { return strings.Contains(line, step) }) {
			t.Errorf("no evidence of %q: %q", step, r.Status.Evidence)
		}
	}
	for _, a := range listed(t, l, "revoking") {
		if a.Name == "stolen" {
			t.Errorf("still listed: %+v", a)
		}
	}
	eventually(t, "three attempts were refused and counted", func(ctx context.Context) (bool, error) {
		counted := revocation(t, l, "revoking", name).Status.RefusedAttempts
		if told := hosts["stolen"].count(agent.StepRefused); told < 3 || counted < 3 {
			return false, fmt.Errorf("the host was refused %d times, %d are counted", told, counted)
		}
		return true, nil
	})
	if refused := hosts["stolen"].last(agent.StepRefused); !strings.Contains(refused.Reason, "Invalid password") {
		t.Errorf("the host was told %q", refused.Reason)
	}
	_, err := enrollAs(t, l, "revoking", wazuh.EnrollRequest{Password: enrollmentSecret(t, l, "revoking"), Name: "renamed", KeyHash: oldKey.Hash()})
	isRefused(t, "the host under another name", err)

	// Who is gone cannot be revoked once more.
	if code, _, talk := run(t, l, "agents", "revoke", "revoking", "stolen", "--why", "again", "--yes"); code != 3 {
		t.Errorf("an agent that is not there any more: exit code %d, %s", code, talk)
	}
	for name, h := range hosts {
		if name != "stolen" && h.count(agent.StepDisconnected) != lost[name] {
			t.Errorf("%s lost its session", name)
		}
	}
	succeed(t, l, "agents", "unrevoke", "revoking", "stolen")
	eventually(t, "the host enrolled again by itself", func(context.Context) (bool, error) {
		return hosts["stolen"].count(agent.StepEnrolled) == 2, nil
	})
	eventually(t, "it is active again", func(ctx context.Context) (bool, error) {
		rows, err := databaseOf(ctx, l, "revoking")
		return rows["stolen"].Status == "active" && rows["stolen"].ID != id, err
	})
}

// keyOf reads an agent's key from the simulator's API.
func keyOf(t *testing.T, l *lab.Lab, slug, id string) wazuh.Key {
	t.Helper()
	key, err := managerAPI(t, l, slug).AgentKey(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Agents are revoked by a selector, and those that do not fit stay.
func TestManyAreRevokedBySelector(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "closing", v1alpha1.TenantSpec{})
	becomesReady(t, l, "closing")
	hosts := startHosts(t, l, "closing", "berlin-1", "berlin-2", "berlin-3", "paris-1")
	if code, _, talk := run(t, l, "agents", "revoke", "closing", "-l", "name=berlin-*", "--why", "office closed"); code != 2 || !strings.Contains(talk, "nobody is there") {
		t.Errorf("without --yes: exit code %d, %s", code, talk)
	}
	if out := succeed(t, l, "agents", "revoke", "closing", "-l", "name=rome-*", "--why", "none", "--yes", "-o", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("a selector that fits nobody: %s", out)
	}
	out := succeed(t, l, "agents", "revoke", "closing", "-l", "name=berlin-*", "--why", "office closed", "--yes", "--wait", "--timeout", "90s", "-o", "json")
	var views []struct{ AgentName, Ready, Reason string }
	if err := json.Unmarshal([]byte(out), &views); err != nil || len(views) != 3 {
		t.Fatalf("%v: %s", err, out)
	}
	for _, view := range views {
		if view.Ready != "True" || view.Reason != v1alpha1.ReasonRevoked || !strings.HasPrefix(view.AgentName, "berlin-") {
			t.Errorf("%+v", view)
		}
	}
	left := listed(t, l, "closing")
	if len(left) != 1 || left[0].Name != "paris-1" || left[0].State != "active" || hosts["paris-1"].count(agent.StepDisconnected) > 0 {
		t.Errorf("left: %+v", left)
	}
	if table := succeed(t, l, "agents", "revocations", "closing"); strings.Count(table, "Revoked") != 3 {
		t.Errorf("revocations:\n%s", table)
	}
}

// The operator is stopped whenever a revocation goes on, and started again: it ends
// all the same, and what was seen before is still on record.
func TestARevocationGoesOnWhereItStopped(t *testing.T) {
	l := installation(t)
	create(t, l, "halting", v1alpha1.TenantSpec{})
	becomesReady(t, l, "halting")
	hosts := startHosts(t, l, "halting", "halted")
	id := hosts["halted"].last(agent.StepEnrolled).ID
	r := &v1alpha1.Revocation{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace("halting"), Name: naming.Revocation("halted", id)},
		Spec:       v1alpha1.RevocationSpec{AgentID: id, AgentName: "halted", Why: "test"},
	}
	if err := l.Client.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var evidence []string
	for seen := 0; ; seen = len(evidence) {
		eventually(t, "the next step", func(ctx context.Context) (bool, error) {
			now := revocation(t, l, "halting", r.Name)
			if len(now.Status.Evidence) == seen && now.Status.Step != v1alpha1.RevocationDone {
				return false, nil
			}
			for i, line := range evidence {
				if now.Status.Evidence[i] != line {
					t.Errorf("evidence %d changed from %q to %q", i, line, now.Status.Evidence[i])
				}
			}
			evidence = now.Status.Evidence
			r.Status = now.Status
			return true, nil
		})
		if err := errors.Join(l.StopOperator(), l.StartOperator(t.Context())); err != nil {
			t.Fatal(err)
		}
		if r.Status.Step == v1alpha1.RevocationDone {
			break
		}
	}
	saysOf(t, l, "halting", r.Name, "it is revoked", func(ready metav1.Condition) bool { return ready.Reason == v1alpha1.ReasonRevoked })
	if len(evidence) != 4 {
		t.Errorf("want one line for what was known, and one for each step: %q", evidence)
	}
	eventually(t, "its attempts are refused", func(context.Context) (bool, error) {
		return hosts["halted"].count(agent.StepRefused) >= 2, nil
	})
}

// A manager that does not delete is asked until it does, and the reason is shown.
func TestARevocationWaitsForTheManager(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "undeleted", v1alpha1.TenantSpec{})
	becomesReady(t, l, "undeleted")
	startHosts(t, l, "undeleted", "tough")
	switchFault(t, l, "undeleted", "delete-1726", true)
	succeed(t, l, "agents", "revoke", "undeleted", "tough", "--why", "test", "--yes")
	var list v1alpha1.RevocationList
	eventually(t, "the trouble is told", func(ctx context.Context) (bool, error) {
		if err := l.Client.List(ctx, &list); err != nil {
			return false, err
		}
		for _, r := range list.Items {
			ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReady)
			if r.Namespace == naming.Namespace("undeleted") && ready != nil && ready.Reason == v1alpha1.ReasonRetrying {
				return strings.Contains(ready.Message, "1726") && r.Status.Step == v1alpha1.RevocationDeregister, nil
			}
		}
		return false, nil
	})
	switchFault(t, l, "undeleted", "delete-1726", false)
	eventually(t, "the agent is gone", func(ctx context.Context) (bool, error) {
		rows, err := databaseOf(ctx, l, "undeleted")
		return err == nil && len(rows) == 0, err
	})
}

// With enrollment direct a ban cannot hold. The agent is deregistered, its host comes
// back by itself, and the revocation says so instead of calling it done.
func TestARevocationIsHonestWithoutTheGateway(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "unguarded", v1alpha1.TenantSpec{Enrollment: v1alpha1.EnrollmentDirect})
	becomesReady(t, l, "unguarded")
	hosts := startHosts(t, l, "unguarded", "boomerang")
	id := hosts["boomerang"].last(agent.StepEnrolled).ID
	code, _, talk := run(t, l, "agents", "revoke", "unguarded", id, "--why", "test", "--yes", "--wait", "--timeout", "90s")
	if code != 4 || !strings.Contains(talk, "nothing refuses its host") {
		t.Errorf("exit code %d: %s", code, talk)
	}
	eventually(t, "the host came back", func(context.Context) (bool, error) {
		return hosts["boomerang"].count(agent.StepEnrolled) == 2, nil
	})
	name := naming.Revocation("boomerang", id)
	saysOf(t, l, "unguarded", name, "the revocation says under which id", func(ready metav1.Condition) bool {
		return ready.Reason == v1alpha1.ReasonNotGuarded && strings.Contains(ready.Message, "registered as "+hosts["boomerang"].last(agent.StepEnrolled).ID)
	})
}

// An agent the manager never knew is not called revoked.
func TestAnUnknownAgentIsNotCalledRevoked(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "haunted", v1alpha1.TenantSpec{})
	becomesReady(t, l, "haunted")
	r := &v1alpha1.Revocation{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace("haunted"), Name: "ghost"},
		Spec:       v1alpha1.RevocationSpec{AgentID: "042", AgentName: "ghost"},
	}
	if err := l.Client.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	saysOf(t, l, "haunted", "ghost", "it says what it does not know", func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionUnknown && ready.Reason == v1alpha1.ReasonAgentUnknown && strings.Contains(ready.Message, "manage_agents -r 042")
	})
	_, err := enroll(t, l, "haunted", "Ghost", enrollmentSecret(t, l, "haunted"))
	isRefused(t, "the name of the ghost", err)
}
