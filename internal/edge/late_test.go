package edge

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// hello is what a TLS client says first.
func hello(t *testing.T) []byte {
	t.Helper()
	client, server := net.Pipe()
	go func() { _ = tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	defer client.Close()
	defer server.Close()
	_ = server.SetReadDeadline(time.Now().Add(30 * time.Second))
	said := make([]byte, 4096)
	n, err := server.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	return said[:n]
}

// Enrollments by way of gateways share one server of HAProxy's. A tenant that is
// suspended, or leaves, loses its own, also one that a reload left in an old
// worker; everybody else's go on.
func TestCutEnrollmentsOfOneTenant(t *testing.T) { haproxies.Each(t, testCutEnrollmentsOfOneTenant) }

func testCutEnrollmentsOfOneTenant(t *testing.T) {
	s := newSite(t)
	gateway := newEcho(t, "127.10.0.1", "g")
	gated := func(r *haproxy.Route) { r.Ports[1].Proxy = true }
	for n := range 3 {
		s.tenant(n, gateway.address(), gateway.address(), gated)
	}
	s.apply()
	say := hello(t)
	open := func(n int) net.Conn {
		t.Helper()
		conn, answer, err := talk(t, fmt.Sprintf("127.0.0.%d", 20+n), s.port(n, 1), say)
		if err != nil || answer == "" {
			t.Fatalf("an enrollment at tenant %d is not served: %v", n, err)
		}
		return conn
	}
	old, oldNeighbour := open(0), open(2)
	s.stop()
	s.options.Config.Timeouts.Idle = 25 * time.Minute // another configuration, so another worker
	s.begin()
	suspended, removed, neighbour := open(0), open(1), open(2)
	s.tenant(0, gateway.address(), gateway.address(), gated, func(r *haproxy.Route) { r.Suspended = true })
	delete(s.routes, "t1")
	s.apply()
	for what, conn := range map[string]net.Conn{"the suspended tenant's": suspended, "its old worker's": old, "the removed tenant's": removed} {
		if !ended(t, conn) {
			t.Errorf("%s enrollment goes on", what)
		}
	}
	for what, conn := range map[string]net.Conn{"the neighbour's": neighbour, "the neighbour's in the old worker": oldNeighbour} {
		if !answers(t, conn) {
			t.Errorf("%s enrollment was cut too", what)
		}
	}
	s.exact()
}

// Who had connected and said nothing yet when the tenant was suspended, or left,
// reaches nobody with what it says later, however late.
func TestWhoSpeaksTooLate(t *testing.T) { haproxies.Each(t, testWhoSpeaksTooLate) }

func testWhoSpeaksTooLate(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Second = 10 * time.Millisecond })
	manager := newEcho(t, "127.10.0.1", "m")
	for n := range 3 {
		s.tenant(n, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[1].Proxy = n == 0 })
	}
	s.apply()
	words := [2][]byte{frame("001"), hello(t)}
	type quiet struct {
		tenant, leg int
		conn        net.Conn
	}
	var waiting []quiet
	for n := range 3 {
		for leg := range words {
			conn, err := net.Dial("tcp", s.port(n, leg))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			waiting = append(waiting, quiet{n, leg, conn})
		}
	}
	s.eventually("haproxy has accepted them all", func() bool {
		info, err := s.edge.runtime.info(t.Context())
		return err == nil && info["CurrConns"] >= "6" && len(info["CurrConns"]) == 1
	})
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[1].Proxy, r.Suspended = true, true })
	delete(s.routes, "t1")
	s.apply()
	s.eventually("what is cut a second time was", func() bool {
		left := 0
		s.edge.update(func() { left = len(s.edge.again) })
		return left == 0
	})
	for _, q := range waiting {
		_ = q.conn.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = q.conn.Write(words[q.leg]) // a reset is told by the reading
		n, err := q.conn.Read(make([]byte, 100))
		if served, wanted := n > 0, q.tenant == 2; served != wanted {
			t.Errorf("tenant %d, port %d: served %v, want %v (%v)", q.tenant, q.leg, served, wanted, err)
		}
	}
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Nor does who speaks once his port leads somewhere else, or to another's manager;
// and who had connected before a reload is in an old worker, with a map of its own.
func TestWhoSpeaksToSomebodyElse(t *testing.T) { haproxies.Each(t, testWhoSpeaksToSomebodyElse) }

func testWhoSpeaksToSomebodyElse(t *testing.T) {
	s := newSite(t)
	former, latter := newEcho(t, "127.10.0.1", "former"), newEcho(t, "127.10.0.2", "latter")
	for n := range 4 {
		s.tenant(n, former.address(), former.address())
	}
	s.apply()
	connect := func(n int) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", s.port(n, 0))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	accepted := func(count string) func() bool {
		return func() bool {
			info, err := s.edge.runtime.info(t.Context())
			return err == nil && info["CurrConns"] == count
		}
	}
	old := connect(3)
	s.eventually("haproxy has accepted who will be in the old worker", accepted("1"))
	s.stop()
	s.options.Config.Timeouts.Idle = 25 * time.Minute // another configuration, so another worker
	s.begin()
	moved, given, same := connect(0), connect(1), connect(2)
	s.eventually("haproxy has accepted them all", accepted("3"))
	s.tenant(0, latter.address(), former.address())
	heir := s.routes["t1"]
	heir.Tenant, heir.Slot = "heir", 40
	delete(s.routes, "t1")
	s.routes["heir"] = heir
	s.tenant(2, former.address(), former.address(), func(r *haproxy.Route) { r.Ports[0].Limits.Rate = 77 })
	delete(s.routes, "t3")
	s.apply()
	for what, q := range map[string]struct {
		conn   net.Conn
		served bool
	}{"whose port leads elsewhere": {moved, false}, "whose port is somebody else's": {given, false}, "whose tenant has another limit": {same, true}, "in the old worker": {old, false}} {
		_ = q.conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = q.conn.Write(frame("001")) // a reset is told by the reading
		answer := make([]byte, 100)
		n, err := q.conn.Read(answer)
		if served := n > 0; served != q.served {
			t.Errorf("%s: %q, served %v, want %v (%v)", what, answer[:n], served, q.served, err)
		}
	}
	s.exact()
}

// A ping is nine bytes, and answered as soon as they are there: nothing may wait for more.
func TestAPingIsNotHeldUp(t *testing.T) { haproxies.Each(t, testAPingIsNotHeldUp) }

func testAPingIsNotHeldUp(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Config.Timeouts.First = time.Hour })
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	conn, answer, err := talk(t, "127.0.0.1", s.port(0, 0), wazuh.AppendFrame(nil, []byte(wazuh.Ping)))
	if err != nil || answer == "" {
		t.Fatalf("a ping is not answered while nobody says more: %q, %v", answer, err)
	}
	if !answers(t, conn) {
		t.Error("the session does not go on")
	}
}

// A first frame may come byte by byte.
func TestTheFirstBytesComeOneByOne(t *testing.T) {
	haproxies.Each(t, testTheFirstBytesComeOneByOne)
}

func testTheFirstBytesComeOneByOne(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[1].Proxy = true })
	s.apply()
	for leg, words := range [][]byte{frame("007"), hello(t)} {
		conn, err := net.Dial("tcp", s.port(0, leg))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		for i := range 12 {
			if _, err := conn.Write(words[i : i+1]); err != nil {
				t.Fatal(err)
			}
			s.eventually("haproxy has looked at it", func() bool {
				sessions, err := s.edge.runtime.ask(t.Context(), "show sess")
				return err == nil && strings.Contains(sessions, fmt.Sprintf(",i=%d,", i+1))
			})
		}
		if _, err := conn.Write(words[12:]); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 100)); err != nil || n == 0 {
			t.Errorf("port %d is not served: %v", leg, err)
		}
	}
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if agents := s.edge.Agents("t0"); len(agents) != 1 || agents[0].ID != "007" {
		t.Errorf("the edge saw %+v, want agent 007", agents)
	}
}
