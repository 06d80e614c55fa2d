package manager

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

func TestPing(t *testing.T) {
	s := newSite(t)
	conn := s.rawDial()
	frames := wazuh.NewFrameReader(conn)
	for range 2 { // the connection stays
		if _, err := conn.Write(wazuh.AppendFrame(nil, []byte(wazuh.Ping))); err != nil {
			t.Fatal(err)
		}
		if pong, err := frames.Next(); err != nil || string(pong) != wazuh.Pong {
			t.Fatalf("got %q, %v", pong, err)
		}
	}
}

// A key works from remoted's next look at client.keys on, not from its enrollment on.
func TestKeyWorksAfterReload(t *testing.T) {
	s := newSite(t)
	s.clock.advance(3 * time.Second)
	key, _ := s.enroll(wazuh.EnrollRequest{Name: "web-01"})
	if _, err := s.dial(key); !errors.Is(err, wazuh.ErrNoAnswer) {
		t.Fatalf("at once: %v", err)
	}
	s.clock.advance(6 * time.Second)
	if _, err := s.dial(key); !errors.Is(err, wazuh.ErrNoAnswer) {
		t.Fatalf("after 9 s: %v", err)
	}
	s.clock.advance(time.Second)
	s.connect(key)
}

func TestClosesWithoutAWord(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	wrong, unknown := key, key
	wrong.Raw = wazuh.NewSecret(strings.Repeat("0", 64))
	unknown.ID = "099"
	for what, k := range map[string]wazuh.Key{"wrong key": wrong, "unknown id": unknown} {
		if _, err := s.dial(k); !errors.Is(err, wazuh.ErrNoAnswer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, payload := range []string{"!001", "!00x!#AES:", "hello", "#AES:0123456789abcdef", "!001!", "!001!#AES:0123456789abcdef"} {
		conn := s.rawDial()
		_, _ = conn.Write(wazuh.AppendFrame(nil, []byte(payload)))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || !closed(err) {
			t.Errorf("%q: read %d, %v", payload, n, err)
		}
	}
}

func closed(err error) bool {
	return errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset")
}

// An agent registered with one address is found by it, and sends no id.
func TestFoundByAddress(t *testing.T) {
	s := newSite(t)
	key, _ := s.enroll(wazuh.EnrollRequest{Name: "web-01", IP: wazuh.SourceIP})
	elsewhere, _ := s.enroll(wazuh.EnrollRequest{Name: "web-02", IP: "192.0.2.1"})
	s.clock.advance(10 * time.Second)
	if !key.FoundByAddress() {
		t.Fatalf("key for %s", key.IP)
	}
	s.connect(key)
	if _, err := s.dial(elsewhere); !errors.Is(err, wazuh.ErrNoAnswer) {
		t.Errorf("from another address: %v", err)
	}
}

func TestStates(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	expect := func(want string) {
		t.Helper()
		if got := s.status(key.ID); got != want {
			t.Errorf("status %q, want %q", got, want)
		}
	}
	expect(wazuh.StatusNeverConnected)
	session := s.connect(key)
	expect(wazuh.StatusPending)
	s.keepAlive(session)
	expect(wazuh.StatusActive)
	s.clock.advance(15 * time.Minute)
	expect(wazuh.StatusActive)
	s.clock.advance(time.Second)
	expect(wazuh.StatusDisconnected)
	s.keepAlive(session)
	expect(wazuh.StatusActive)
	if err := session.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("disconnected by the goodbye", func() bool { return s.status(key.ID) == wazuh.StatusDisconnected })
}

func (s *site) keepAlive(session *wazuh.Session) {
	s.Helper()
	if err := session.KeepAlive(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// Of two connections with one id, the older keeps it while it was heard within a minute.
func TestOvertake(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	old := s.connect(key)
	s.keepAlive(old)
	s.clock.advance(time.Minute)
	if _, err := s.dial(key); !errors.Is(err, wazuh.ErrNoAnswer) {
		t.Errorf("after a minute: %v", err)
	}
	s.clock.advance(time.Second)
	s.keepAlive(s.connect(key))
	select {
	case <-old.Done():
	case <-time.After(30 * time.Second):
		t.Error("the old connection is still open")
	}
}

// Closing the old connection frees the id at once: why an edge must close both its legs together.
func TestClosedConnectionFreesItsID(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	_ = s.connect(key).Close()
	s.eventually("the id is free", func() bool { _, err := s.dial(key); return err == nil })
}

// Deleting an agent doesn't cut its connection; its next message after the reload does.
func TestRemovedAgent(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	session := s.connect(key)
	s.keepAlive(session)
	gone, err := s.api().DeleteAgents(t.Context(), key.ID)
	if diff := cmp.Diff([]string{key.ID}, gone); diff != "" || err != nil {
		t.Fatalf("(-want +got):\n%s%v", diff, err)
	}
	s.keepAlive(session)
	s.clock.advance(10 * time.Second)
	if session.Err() != nil {
		t.Errorf("cut before it said anything: %v", session.Err())
	}
	if err := session.KeepAlive(t.Context()); err == nil {
		t.Error("a removed agent is still heard")
	}
	if again, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01", KeyHash: key.Hash()}); reason != "" || again.ID != "002" {
		t.Errorf("the host comes back: got %v %q", again, reason)
	}
}

func TestVersionTooHigh(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	_, err := wazuh.Dial(t.Context(), s.m.Addresses().Events, wazuh.SessionOptions{Key: key, Version: "v5.0.0"})
	var refused *wazuh.SessionRefused
	if !errors.As(err, &refused) || refused.Message != wazuh.ReasonVersionTooHigh {
		t.Errorf("got %v", err)
	}
}

// The shared configuration is pushed until the agent reports its sum.
func TestSharedConfig(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.write(sharedDir+"/default/agent.conf", "<agent_config>\n"+strings.Repeat("<!-- x -->\n", 500)+"</agent_config>\n")
	})
	session := s.connect(s.agent("web-01"))
	s.keepAlive(session)
	s.eventually("configuration arrived", func() bool { return session.MergedSum() != "" })
	want, err := s.m.sharedConfig(nil)
	if err != nil || session.MergedSum() != want.sum || !strings.HasPrefix(string(want.content), "#default\n!") {
		t.Errorf("sum %q, want %q, %v", session.MergedSum(), want.sum, err)
	}
	s.keepAlive(session)
	if r := s.m.rows()[0]; r.MergedSum != want.sum || r.IP != "192.0.2.10" || r.Version != "Wazuh v4.14.7" {
		t.Errorf("row %+v", r)
	}
}

// A keep-alive without its newline is neither acknowledged nor punished.
func TestBadKeepAlive(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	conn := s.rawDial()
	seal, _ := wazuh.NewAgentSealer(key, wazuh.SealOptions{})
	open, _ := wazuh.NewOpener(key, nil)
	frames := wazuh.NewFrameReader(conn)
	for _, msg := range []string{"#!-Linux |web-01", "#!-agent startup "} {
		frame, err := seal.AppendFrame(nil, []byte(msg))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(frame)
	}
	payload, err := frames.Next()
	if err != nil {
		t.Fatal(err)
	}
	if msg, counter, err := open.Open(nil, payload); string(msg) != wazuh.AckMessage || counter.Local != 1 || err != nil {
		t.Errorf("got %q %v %v; want one ack, for the startup", msg, counter, err)
	}
}

func canary(marker string) wazuh.Event {
	return wazuh.Event{
		Queue: wazuh.QueueLocalFile, Location: "/var/log/auth.log",
		Text: fmt.Sprintf("Dec 29 10:00:01 web-01 sshd[4242]: Failed password for %s from 203.0.113.9 port 4711 ssh2", marker),
	}
}

func TestAlerts(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	session := s.connect(key)
	s.keepAlive(session)
	silent := canary("hidden")
	silent.Location = "keepalive"
	for _, e := range []wazuh.Event{canary("marker-1"), {Queue: '1', Location: "x", Text: "marker-1"}, silent} {
		if err := session.SendEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	s.keepAlive(session) // events come before this
	found := s.m.alerts.search("marker-1")
	if len(found) != 1 || len(s.m.alerts.search("hidden")) != 0 {
		t.Fatalf("found %v", found)
	}
	got := found[0]
	if got.Rule.ID != "5760" || got.Rule.Level != 5 || got.Data["dstuser"] != "marker-1" || got.Location != "/var/log/auth.log" {
		t.Errorf("alert %+v", got)
	}
	if diff := cmp.Diff(AlertAgent{ID: key.ID, Name: "web-01", IP: "192.0.2.10"}, got.Agent); diff != "" {
		t.Errorf("agent (-want +got):\n%s", diff)
	}
	lines, err := s.m.root.read(alertsFile)
	if err != nil || !strings.Contains(string(lines), "marker-1") {
		t.Errorf("alerts.json: %q %v", lines, err)
	}
}

func TestRemotedFaults(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	for _, f := range []Fault{FaultAckMissing, FaultAckWrong, FaultRemotedDown} {
		_ = s.m.SetFault(f, true)
		session, err := wazuh.Dial(t.Context(), s.m.Addresses().Events, wazuh.SessionOptions{Key: key, Handshake: 200 * time.Millisecond})
		if err == nil {
			_ = session.Close()
			t.Errorf("%s: connected", f)
		}
		_ = s.m.SetFault(f, false)
		s.eventually("the id is free", func() bool { return s.m.State().Connections == 0 })
	}
	s.connect(key)
}
