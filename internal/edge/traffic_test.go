package edge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

func TestAPortLeadsToItsTenantAndNowhereElse(t *testing.T) {
	haproxies.Each(t, testAPortLeadsToItsTenantAndNowhereElse)
}

func testAPortLeadsToItsTenantAndNowhereElse(t *testing.T) {
	s := newSite(t)
	one, two := newEcho(t, "127.10.0.1", "one"), newEcho(t, "127.10.0.2", "two")
	s.tenant(0, one.address(), one.address())
	s.tenant(1, two.address(), two.address())
	s.apply()
	for n, want := range []string{"one", "two"} {
		if _, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001")); err != nil || !strings.HasPrefix(answer, want+":") {
			t.Errorf("tenant %d: answer %q, %v; want it from %s", n, answer, err, want)
		}
	}
	conn, answer, _ := talk(t, "127.0.0.1", s.port(0, 0), frame("001"))
	if answer != "one:"+string(frame("001")) {
		t.Errorf("bytes were changed on the way: %q", answer)
	}
	// Both legs close together, whichever side begins.
	open, _ := one.count()
	_ = conn.Close()
	s.eventually("the manager's leg closes with the agent's", func() bool { now, _ := one.count(); return now < open })
	conn, _, _ = talk(t, "127.0.0.1", s.port(1, 0), frame("001"))
	two.hangUp()
	if _, err := conn.Read(make([]byte, 10)); !errors.Is(err, io.EOF) && !isReset(err) {
		t.Errorf("the agent's leg outlives the manager's: %v", err)
	}
	if _, answer, err := talk(t, "127.0.0.1", s.port(2, 0), frame("001")); !isReset(err) {
		t.Errorf("a port nobody holds gave %q, %v; want a reset", answer, err)
	}
	s.exact()
}

func TestWhoMayCome(t *testing.T) { haproxies.Each(t, testWhoMayCome) }

func testWhoMayCome(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	networks := func(texts ...string) func(*haproxy.Route) {
		return func(r *haproxy.Route) {
			for _, text := range texts {
				r.Allowed = append(r.Allowed, netip.MustParsePrefix(text))
			}
		}
	}
	s.tenant(0, manager.address(), manager.address(), networks("127.1.0.0/16", "127.2.3.4/32"))
	s.tenant(7, manager.address(), manager.address(), networks("127.2.0.0/16", "2001:db8::/48"))
	s.tenant(100, manager.address(), manager.address())
	s.apply()
	type visit struct {
		tenant int
		source string
		served bool
	}
	expect := func(c visit) {
		t.Helper()
		_, answer, err := talk(t, c.source, s.port(c.tenant, 0), frame("001"))
		if served := err == nil && strings.HasPrefix(answer, "m:"); served != c.served || (!served && !isReset(err)) {
			t.Errorf("tenant %d from %s: %q, %v; want served=%v", c.tenant, c.source, answer, err, c.served)
		}
	}
	for _, c := range []visit{
		{0, "127.1.2.3", true}, {0, "127.2.3.4", true}, {0, "127.2.3.5", false}, {0, "127.0.0.1", false},
		{7, "127.2.3.5", true}, {7, "127.1.2.3", false}, {100, "127.200.0.1", true},
	} {
		expect(c)
	}
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if denied := s.edge.ledger.Sum["t0/events"].Rejected[0]; denied != 2 {
		t.Errorf("denied counts %d, want 2", denied)
	}
	// Agents' ids and sources, read from the first frame, of those who were let in.
	var sources []string
	for _, agent := range s.edge.Agents("") {
		if agent.Tenant == "t0" && agent.ID == "001" {
			sources = append(sources, agent.Source.String())
		}
	}
	if got := strings.Join(sources, " "); !strings.Contains(got, "127.1.2.3") || !strings.Contains(got, "127.2.3.4") || len(sources) != 2 {
		t.Errorf("sources of agent 001 of t0: %q", got)
	}
	// Open to everybody, or to some only: either becomes the other while it serves.
	s.tenant(100, manager.address(), manager.address(), networks("127.1.0.0/16"))
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	for _, c := range []visit{{100, "127.200.0.1", false}, {100, "127.1.2.3", true}, {0, "127.0.0.1", true}, {7, "127.1.2.3", false}} {
		expect(c)
	}
}

func TestLimitsAndFirstBytes(t *testing.T) { haproxies.Each(t, testLimitsAndFirstBytes) }

func testLimitsAndFirstBytes(t *testing.T) {
	// Long enough for who speaks at once on a busy machine; one visitor says nothing, and waits that long.
	s := newSite(t, func(o *Options) { o.Config.Timeouts.First = 2 * time.Second })
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) {
		r.Ports[0].Limits = haproxy.Limits{Sessions: 2, Rate: 100}
		r.Ports[1].Limits = haproxy.Limits{Sessions: 100, Rate: 100, PerSource: 3}
	})
	s.tenant(1, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[0].Limits = haproxy.Limits{Sessions: 100, Rate: 2} })
	s.apply()
	want := map[string]int64{}
	expect := func(n, which int, source string, say []byte, served bool, reason string) net.Conn {
		t.Helper()
		conn, answer, err := talk(t, source, s.port(n, which), say)
		if got := err == nil && answer != ""; got != served {
			t.Errorf("tenant %d port %d from %s: %q, %v; want served=%v", n, which, source, answer, err, served)
		}
		if !served {
			want[reason]++
		}
		return conn
	}
	first := expect(0, 0, "127.0.0.1", frame("001"), true, "")
	expect(0, 0, "127.0.0.1", frame("002"), true, "")
	expect(0, 0, "127.0.0.1", frame("003"), false, "cap")
	_ = first.Close()
	s.eventually("a session that ends makes room", func() bool {
		_, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("003"))
		if err != nil {
			want["cap"]++
		}
		return err == nil && answer != ""
	})
	for i := range 3 {
		expect(1, 0, "127.0.0.1", frame("001"), i < 2, "rate")
	}
	// On enrollment nothing but a ClientHello reaches the manager, and a source has its pace.
	for range 3 {
		expect(0, 1, "127.0.0.5", []byte("GET / HTTP/1.0\r\n\r\n"), false, "protocol")
	}
	expect(0, 1, "127.0.0.5", nil, false, "source")
	expect(0, 1, "127.0.0.6", nil, false, "silent")
	s.eventually("the table says why", func() bool {
		if err := s.edge.count(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, key := range []string{"t0/events", "t0/enrollment", "t1/events"} {
			for i, reason := range haproxy.Reasons() {
				got[reason] += s.edge.ledger.Sum[key].Rejected[i]
			}
		}
		for reason, count := range want {
			if got[reason] != count {
				return false
			}
		}
		return true
	})
}

// A route of the wrong shape, or one that leads back, ends the connection; it never goes round.
func TestAWrongRouteCannotLoop(t *testing.T) { haproxies.Each(t, testAWrongRouteCannotLoop) }

func testAWrongRouteCannotLoop(t *testing.T) {
	s := newSite(t)
	s.tenant(0, "127.10.0.1:1514", "127.10.0.1:1515")
	s.apply()
	file := s.edge.config.File(haproxy.FileRoutes)
	for _, value := range []string{
		"s0/O/999.10.0.1/1514/ev_0/9/999/0", "s0/O/127.10.0.300/1514/ev_0/9/999/0", "s0/O/::zz/1514/ev_0/9/999/0", "s0/O/1:2/1514/ev_0/9/999/0",
		"s0/O/" + s.address + "/15140/ev_0/9/999/0", "s0/O/" + s.address + "/15142/ev_0/9/999/0", "s0/O//15140/ev_0/9/999/0", "x", "s0/O/127.10.0.1/99999/ev_0/9/999/0",
		"s0/A/" + s.address + "/15142/ev_0/9/999/5", "s0/O/127.10.0.1/1514/ev_99/9/999/0", "s1/O/127.10.0.1/1514/en/9/999/0",
	} {
		if err := s.edge.runtime.do(t.Context(), []string{"set map " + file + " 15140 " + value}); err != nil {
			t.Fatal(err)
		}
		if _, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001")); answer != "" || !isReset(err) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: answer %q, %v; want the connection's end", value, answer, err)
		}
	}
	info, err := s.edge.runtime.info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if total := info["CumConns"]; len(total) > 3 {
		t.Errorf("%s connections came of a few: one went round", total)
	}
	// The comparison puts it right and counts it.
	before := s.edge.Status().Counts.Drift
	if err := s.edge.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.exact()
	if s.edge.Status().Counts.Drift != before+1 {
		t.Error("drift was not counted")
	}
}
