package agent_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	password = "T3nant-Secret"
	conf     = `<ossec_config><auth><purge>yes</purge><use_password>yes</use_password></auth></ossec_config>`
	line     = "Dec 29 10:00:01 web-01 sshd[4242]: Failed password for marker from 203.0.113.9 port 4711 ssh2"

	// fast turns the agent's minutes into fractions of a second.
	fast = 2000
)

// world is a manager and what an agent reported.
type world struct {
	*testing.T
	m    *manager.Manager
	dir  string
	opts agent.Options

	mu    sync.Mutex
	steps []agent.Step
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	w.write("ossec.conf", conf)
	w.write("authd.pass", password+"\n")
	m, err := manager.Start(manager.Options{Root: w.dir, KeyReload: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	w.m = m
	w.opts = agent.Options{
		Name: "web-01", EnrollAddress: m.Addresses().Enroll, EventsAddress: m.Addresses().Events,
		Password: wazuh.NewSecret(password), TimeScale: fast, Event: line, Report: w.note,
	}
	return w
}

func (w *world) write(name, content string) {
	w.Helper()
	path := filepath.Join(w.dir, "var/ossec/etc", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
}

func (w *world) note(s agent.Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, s)
}

// count returns how many steps of a kind there were; a reason narrows it.
func (w *world) count(step, reason string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, s := range w.steps {
		if s.Step == step && strings.Contains(s.Reason, reason) {
			n++
		}
	}
	return n
}

func (w *world) names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for _, s := range w.steps {
		names = append(names, strings.TrimSpace(s.Step+" "+s.ID))
	}
	return names
}

func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("never: %s; steps %v", what, w.names())
		}
	}
}

// run lets the agent live until the test ends it.
func (w *world) run() (stop func()) {
	w.Helper()
	a, err := agent.New(w.opts)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() { defer close(done); a.Run(ctx) }()
	stop = func() { cancel(); <-done }
	w.Cleanup(stop)
	return stop
}

func (w *world) api() *wazuh.API {
	w.Helper()
	return apiOf(w.T, w.m)
}

func TestOnce(t *testing.T) {
	w := newWorld(t)
	w.opts.KeyDir = filepath.Join(t.TempDir(), "agent")
	w.opts.Count = 2
	for range 2 { // the second time with the key of the first
		a, err := agent.New(w.opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	session := []string{"connected 001", "event-sent 001", "event-sent 001", "delivered 001", "stopped 001"}
	want := append(append([]string{"enrolled 001"}, session...), session...)
	if diff := cmp.Diff(want, w.names()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if s := w.m.State(); s.Alerts != 4 || s.Agents != 1 {
		t.Errorf("state %+v", s)
	}
	info, err := os.Stat(filepath.Join(w.opts.KeyDir, "client.keys"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("client.keys: %v %v", info, err)
	}
}

func TestOnceRefused(t *testing.T) {
	w := newWorld(t)
	w.opts.Password = wazuh.NewSecret("wrong")
	a, err := agent.New(w.opts)
	if err != nil {
		t.Fatal(err)
	}
	var refused *wazuh.Refused
	if err := a.Once(t.Context()); !errors.As(err, &refused) || !refused.WrongPassword() {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"refused"}, w.names()); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// The life of a host: it loses its connection, comes back with its key, and says goodbye.
func TestRun(t *testing.T) {
	w := newWorld(t)
	stop := w.run()
	w.eventually("active", func() bool { return active(w) == 1 })
	a, err := w.api().ListAgents(t.Context(), wazuh.AgentFilter{})
	if err != nil || a[0].Name != "web-01" {
		t.Errorf("list: %v %v", a, err)
	}
	_ = w.m.SetFault(manager.FaultRemotedDown, true)
	w.restartAll()
	w.eventually("disconnected", func() bool { return w.count(agent.StepDisconnected, "") == 1 })
	w.eventually("a try to enroll again", func() bool { return w.count(agent.StepRefused, "Duplicate agent name") >= 1 })
	_ = w.m.SetFault(manager.FaultRemotedDown, false)
	w.eventually("connected again", func() bool { return w.count(agent.StepConnected, "") == 2 })
	stop()
	if w.count(agent.StepStopped, "") != 1 || w.count(agent.StepEnrolled, "") != 1 || w.count(agent.StepEventSent, "") != 1 {
		t.Errorf("steps %v", w.names())
	}
	w.eventually("said goodbye", func() bool { return active(w) == 0 })
}

// A deleted agent comes back under a new id while its secret is good...
func TestDeletedAgentComesBack(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.eventually("active", func() bool { return active(w) == 1 })
	if _, err := w.api().DeleteAgents(t.Context(), "001"); err != nil {
		t.Fatal(err)
	}
	w.eventually("enrolled again", func() bool { return w.count(agent.StepEnrolled, "") == 2 })
	w.eventually("active again", func() bool { return active(w) == 1 })
	agents, err := w.api().ListAgents(t.Context(), wazuh.AgentFilter{})
	if err != nil || len(agents) != 1 || agents[0].ID != "002" {
		t.Errorf("agents %v %v", agents, err)
	}
}

// ... and knocks for ever, in vain, when the secret was rotated first.
func TestDeletedAgentStaysOut(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.eventually("active", func() bool { return active(w) == 1 })
	w.write("authd.pass", "An0ther-Secret\n")
	if err := w.m.RestartAuthd(); err != nil {
		t.Fatal(err)
	}
	if w.count(agent.StepDisconnected, "") != 0 {
		t.Error("rotating the secret cost a session")
	}
	if _, err := w.api().DeleteAgents(t.Context(), "001"); err != nil {
		t.Fatal(err)
	}
	w.eventually("refused twice", func() bool { return w.count(agent.StepRefused, "Invalid password") >= 2 })
	if n := w.m.State().Agents; n != 0 {
		t.Errorf("%d agents", n)
	}
}

func TestFleet(t *testing.T) {
	w := newWorld(t)
	w.opts.Count = 3
	sum, err := agent.RunFleet(t.Context(), agent.FleetOptions{Agent: w.opts, Agents: 20, Parallel: 4, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"enrolled": 20, "connected": 20, "event-sent": 60, "delivered": 20, "stopped": 20}
	if diff := cmp.Diff(want, sum.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s\n%v", diff, sum.Errors)
	}
	if s := w.m.State(); s.Alerts != 60 || s.Agents != 20 {
		t.Errorf("state %+v", s)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "client.keys"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := agent.Options{Name: "web-01", EnrollAddress: "127.0.0.1:1", EventsAddress: "127.0.0.1:1"}
	for what, change := range map[string]func(*agent.Options){
		"bad name":   func(o *agent.Options) { o.Name = "a b" },
		"no address": func(o *agent.Options) { o.EventsAddress = "" },
		"bad scale":  func(o *agent.Options) { o.TimeScale = -1 },
		"bad key":    func(o *agent.Options) { o.KeyDir = dir },
	} {
		o := good
		change(&o)
		if _, err := agent.New(o); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}
