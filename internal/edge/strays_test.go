package edge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// A suspension was written down, and the edge was killed before it had cut anybody:
// the sessions end once an edge is back and told. So do enrollments that go by what
// the tenant's no longer go by.
func TestSessionsNobodyCarriesEnd(t *testing.T) { haproxies.Each(t, testSessionsNobodyCarriesEnd) }

func testSessionsNobodyCarriesEnd(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Check = 50 * time.Millisecond })
	manager := newEcho(t, "127.10.0.1", "m")
	gated := func(r *haproxy.Route) { r.Ports[1].Proxy = true }
	for n := range 3 {
		s.tenant(n, manager.address(), manager.address(), gated)
	}
	s.apply()
	open := func(n, which int, say []byte) net.Conn {
		t.Helper()
		conn, answer, err := talk(t, "127.0.0.9", s.port(n, which), say)
		if err != nil || answer == "" {
			t.Fatalf("tenant %d is not served: %v", n, err)
		}
		return conn
	}
	suspended, enrolls := open(0, 0, frame("001")), open(1, 1, hello(t))
	neighbour, enrollsToo := open(2, 0, frame("001")), open(2, 1, hello(t))
	s.stop()
	s.tenant(0, manager.address(), manager.address(), gated, func(r *haproxy.Route) { r.Suspended = true })
	var routes []haproxy.Route
	for _, route := range s.routes {
		routes = append(routes, route.WithDefaults())
	}
	if _, err := s.edge.files.save(routes); err != nil {
		t.Fatal(err)
	}
	s.begin()
	if !answers(t, suspended) {
		t.Error("a disk alone has ended a session")
	}
	s.tenant(1, manager.address(), manager.address()) // and enrolls at the manager itself from now on
	s.apply()
	for what, conn := range map[string]net.Conn{"the suspended tenant's session": suspended, "the enrollment by way of the gateway": enrolls} {
		if !ended(t, conn) {
			t.Errorf("%s goes on", what)
		}
	}
	for what, conn := range map[string]net.Conn{"session": neighbour, "enrollment": enrollsToo} {
		if !answers(t, conn) {
			t.Errorf("the neighbour's %s was cut too", what)
		}
	}
	s.exact()
}

// A host uses one port of its own towards two tenants, and one of them is
// suspended: its enrollment ends, and the other's goes on.
func TestOneSourceEnrollsAtTwoTenants(t *testing.T) {
	haproxies.Each(t, testOneSourceEnrollsAtTwoTenants)
}

func testOneSourceEnrollsAtTwoTenants(t *testing.T) {
	s := newSite(t)
	gateways := []*echo{newEcho(t, "127.10.0.1", "g0"), newEcho(t, "127.10.0.2", "g1")}
	gated := func(r *haproxy.Route) { r.Ports[1].Proxy = true }
	for n, gateway := range gateways {
		s.tenant(n, gateway.address(), gateway.address(), gated)
	}
	s.apply()
	var conns []net.Conn
	source := ""
	for n := range gateways {
		conn := enrollFrom(t, source, s.port(n, 1))
		source = conn.LocalAddr().String()
		conns = append(conns, conn)
	}
	s.tenant(0, gateways[0].address(), gateways[0].address(), gated, func(r *haproxy.Route) { r.Suspended = true })
	s.apply()
	if !ended(t, conns[0]) {
		t.Error("the suspended tenant's enrollment goes on")
	}
	if !answers(t, conns[1]) {
		t.Error("the other tenant's enrollment from the same port was cut too")
	}
}

// An edge of another version started the worker that serves: its tables have other
// names. After the update a suspension ends the tenant's sessions there too, an
// agent that is revoked keeps nobody from health, and everybody else's go on.
func TestAWorkerOfAnotherVersion(t *testing.T) { haproxies.Each(t, testAWorkerOfAnotherVersion) }

func testAWorkerOfAnotherVersion(t *testing.T) {
	s := newSite(t)
	managers := []*echo{newEcho(t, "127.10.0.1", "m0"), newEcho(t, "127.10.0.2", "m1"), newEcho(t, "127.10.0.3", "m2"), newEcho(t, "127.10.0.4", "m3")}
	for n, manager := range managers {
		s.tenant(n, manager.address(), manager.address())
	}
	s.apply()
	s.stop()
	s.former(managers)
	var conns []net.Conn
	for n := range 3 {
		conn, answer, err := talk(t, "127.0.0.9", s.port(n, 0), frame("007"))
		if err != nil || answer == "" {
			t.Fatalf("tenant %d is not served by the former version: %v", n, err)
		}
		conns = append(conns, conn)
	}
	late, err := net.Dial("tcp", s.port(3, 0)) // speaks when its tenant is gone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = late.Close() })
	s.begin()
	s.apply()
	if workers, err := s.edge.oldWorkers(t.Context()); err != nil || len(workers) != 1 || !workers[0].foreign {
		t.Errorf("right after the reload there are old workers %+v (%v)", workers, err)
	}
	s.revoke(1, "007", managers[1])
	s.tenant(0, managers[0].address(), managers[0].address(), func(r *haproxy.Route) { r.Suspended = true })
	delete(s.routes, "t3")
	s.apply()
	if !ended(t, conns[0]) {
		t.Error("the suspended tenant's session in the former version's worker goes on")
	}
	_, _ = late.Write(frame("008")) // a reset is told by the reading
	over := make(chan bool, 1)
	go func() { over <- ended(t, late) }()
	s.eventually("who speaks late to a tenant that has left is cut by the next comparison, if not before", func() bool {
		if err := s.edge.Check(t.Context()); err != nil {
			t.Error(err)
		}
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
	if left := s.edge.closedTargets(); !left[netip.MustParseAddrPort(managers[3].address())] || left[netip.MustParseAddrPort(managers[1].address())] {
		t.Errorf("later comparisons look for sessions that lead to %v", left)
	}
	for n := 1; n < 3; n++ {
		if !answers(t, conns[n]) {
			t.Errorf("tenant %d was cut too", n)
		}
	}
	if err := s.edge.Check(t.Context()); err != nil {
		t.Errorf("the comparison fails: %v", err)
	}
	if err := s.edge.cutAgents(t.Context(), s.edge.routes()); err != nil {
		t.Errorf("the cut of a revoked agent fails: %v", err)
	}
	if old := s.edge.Status().OldWorkers; len(old) != 1 || !old[0].Foreign {
		t.Errorf("the status tells of old workers %+v", old)
	}
	s.exact()
}

// former has HAProxy serve as an edge of another version would have it: by a map
// of another shape, and with servers and tables of other names.
func (s *site) former(managers []*echo) {
	s.Helper()
	routes := ""
	for n, manager := range managers {
		routes += fmt.Sprintf("%d %s\n", firstPort+2*n, manager.address())
	}
	config := fmt.Sprintf(`global
    description soctalk-edge-000000000000
    stats socket %[1]s mode 600 level admin expose-fd listeners
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
frontend edge
    bind %[2]s:%[3]d-%[4]d
    tcp-request connection set-var(sess.to) dst_port,map(%[5]s)
    tcp-request connection track-sc0 src table st_agent
    tcp-request connection set-dst var(sess.to),field(1,:)
    tcp-request connection set-dst-port var(sess.to),field(2,:)
    tcp-request inspect-delay 20s
    tcp-request content accept if { req.len gt 0 }
    default_backend all
backend st_agent
    stick-table type string len 64 size 100 store conn_cur
backend all
    server any 0.0.0.0
`, s.edge.config.File(haproxy.FileSocket), s.address, firstPort, lastPort, s.edge.config.File(haproxy.FileRoutes))
	for name, text := range map[string]string{haproxy.FileConfig: config, haproxy.FileRoutes: routes} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			s.Fatal(err)
		}
	}
	if err := s.edge.process.reload(s.Context(), "soctalk-edge-000000000000"); err != nil {
		s.Fatal(err)
	}
	s.eventually("the worker before it has ended", func() bool {
		workers, err := s.edge.oldWorkers(s.Context())
		return err == nil && len(workers) == 0
	})
}

// enrollFrom begins an enrollment from a port that may be in use already.
func enrollFrom(t *testing.T, source, address string) net.Conn {
	t.Helper()
	conn, err := reusing(source).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(hello(t)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 100)); err != nil || n == 0 {
		t.Fatalf("the enrollment is not served: %v", err)
	}
	return conn
}

// reusing dials from a source's port although another connection has it; empty
// means from any.
func reusing(source string) *net.Dialer {
	dialer := &net.Dialer{Timeout: 30 * time.Second, Control: func(_, _ string, raw syscall.RawConn) (err error) {
		control := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
		return errors.Join(err, control)
	}}
	if source != "" {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source))
	} else {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}
	}
	return dialer
}
