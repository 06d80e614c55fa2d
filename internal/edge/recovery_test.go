package edge

import (
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// ended is true once a session is cut from the far end.
func ended(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err := io.Copy(io.Discard, conn)
	return err == nil || isReset(err)
}

// answers is true while a session still carries bytes both ways.
func answers(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, "more"); err != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 100))
	return err == nil && n > 0
}

func TestSuspendAndRemoveCutLiveSessions(t *testing.T) {
	haproxies.Each(t, testSuspendAndRemoveCutLiveSessions)
}

func testSuspendAndRemoveCutLiveSessions(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	var conns [4]net.Conn
	for n := range conns {
		s.tenant(n, manager.address(), manager.address())
	}
	// A pair the range did not foresee has a slot the configuration does not hold.
	odd := haproxy.SlotFor(firstPort, firstPort+9, firstPort+12)
	s.tenant(3, manager.address(), manager.address(), func(r *haproxy.Route) { r.Slot = odd })
	s.apply()
	for n := range conns {
		conn, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001"))
		if err != nil || answer == "" {
			t.Fatalf("tenant %d is not served: %v", n, err)
		}
		conns[n] = conn
	}
	suspend := func(r *haproxy.Route) { r.Suspended = true }
	s.tenant(0, manager.address(), manager.address(), suspend)
	s.tenant(3, manager.address(), manager.address(), suspend, func(r *haproxy.Route) { r.Slot = odd })
	delete(s.routes, "t1")
	s.apply()
	for _, n := range []int{0, 1, 3} {
		if !ended(t, conns[n]) {
			t.Errorf("the session of tenant %d goes on", n)
		}
		if _, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001")); !isReset(err) {
			t.Errorf("tenant %d is served after its end: %q, %v", n, answer, err)
		}
	}
	if !answers(t, conns[2]) {
		t.Error("the session of a tenant that was left alone is cut")
	}
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	if _, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001")); err != nil || answer == "" {
		t.Errorf("a resumed tenant is not served: %v", err)
	}
}

func TestARefusedRouteChangesNothing(t *testing.T) {
	haproxies.Each(t, testARefusedRouteChangesNothing)
}

func testARefusedRouteChangesNothing(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	s.tenant(0, s.port(0, 0), manager.address())
	s.tenant(1, manager.address(), manager.address(), func(r *haproxy.Route) { r.Slot = 0 })
	s.apply()
	if !strings.Contains(s.refused("t0"), "the edge itself") || !strings.Contains(s.refused("t1"), `slot 0 belongs to tenant "t0"`) {
		t.Errorf("refused: %q and %q", s.refused("t0"), s.refused("t1"))
	}
	if _, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001")); err != nil || answer == "" {
		t.Errorf("the tenant lost what it had: %v", err)
	}
	s.eventually("the source is told", func() bool {
		s.source.mu.Lock()
		defer s.source.mu.Unlock()
		word, told := s.source.words["t0"]
		return told && !word.Ready && strings.Contains(word.Message, "itself")
	})
}

// HAProxy is killed: it comes back from the files, although one of them was
// spoilt, and nobody asked the source.
func TestHAProxyKilledWithACorruptMap(t *testing.T) {
	haproxies.Each(t, testHAProxyKilledWithACorruptMap)
}

func testHAProxyKilledWithACorruptMap(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	if _, _, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001")); err != nil {
		t.Fatal(err)
	}
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.worker()
	want := read(t, s.dir, haproxy.FileRoutes)
	if err := os.WriteFile(filepath.Join(s.dir, haproxy.FileRoutes), []byte("15140\nrubbish \x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	master, err := s.edge.process.masterPID()
	if err != nil {
		t.Fatal(err)
	}
	worker, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(master, syscall.SIGKILL)
	_ = syscall.Kill(worker, syscall.SIGKILL)
	s.eventually("another haproxy serves", func() bool {
		_, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001"))
		return err == nil && answer != "" && s.worker() != before
	})
	s.eventually("the file is as it was", func() bool { return read(t, s.dir, haproxy.FileRoutes) == want })
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if total := s.edge.Status().Tenants[0].Counters[haproxy.PortEvents].Total; total < 2 {
		t.Errorf("%d connections are counted over both processes, want 2 at least", total)
	}
}

// The edge is killed: HAProxy goes on, and the next edge takes it over with what is on disk.
func TestTheEdgeComesBack(t *testing.T) { haproxies.Each(t, testTheEdgeComesBack) }

func testTheEdgeComesBack(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	conn, _, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001"))
	if err != nil {
		t.Fatal(err)
	}
	before := s.worker()
	s.stop()
	if !answers(t, conn) {
		t.Fatal("the session ended with the edge")
	}
	// While the edge is away somebody changes the running process.
	if err := s.edge.runtime.do(t.Context(), []string{"del map " + s.edge.config.File(haproxy.FileRoutes) + " 15140"}); err != nil {
		t.Fatal(err)
	}
	s.begin() // the source says nothing yet
	s.exact()
	if s.worker() != before || !answers(t, conn) {
		t.Error("haproxy was restarted, or a session cut")
	}
	if counts := s.edge.Status().Counts; counts.Drift != 1 || counts.Starts != 0 {
		t.Errorf("counts: %+v, want one drift and no start", counts)
	}
}

// Another version of HAProxy, or another configuration, takes the sockets over:
// sessions stay in the old worker, and a suspension reaches them there.
func TestReloadKeepsSessionsAndSuspendFindsThem(t *testing.T) {
	haproxies.Each(t, testReloadKeepsSessionsAndSuspendFindsThem)
}

func testReloadKeepsSessionsAndSuspendFindsThem(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	for n := range 2 {
		s.tenant(n, manager.address(), manager.address())
	}
	s.apply()
	var conns [2]net.Conn
	for n := range conns {
		conn, _, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001"))
		if err != nil {
			t.Fatal(err)
		}
		conns[n] = conn
	}
	before := s.worker()
	s.stop()
	s.options.Config.Timeouts.Idle = 25 * time.Minute
	s.begin()
	if s.worker() == before {
		t.Error("the new configuration is not in force")
	}
	for n, conn := range conns {
		if !answers(t, conn) {
			t.Errorf("the reload cut the session of tenant %d", n)
		}
	}
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Suspended = true })
	s.apply()
	if !ended(t, conns[0]) {
		t.Error("the suspended tenant's session in the old worker goes on")
	}
	if !answers(t, conns[1]) {
		t.Error("another tenant's session in the old worker was cut")
	}
	s.exact()
}

// Much drift is repaired as a whole: versions of the map are exchanged at once.
func TestResyncOfManyLines(t *testing.T) { haproxies.Each(t, testResyncOfManyLines) }

func testResyncOfManyLines(t *testing.T) {
	s := newSite(t)
	for n := range 300 {
		s.tenant(n, "127.10.0.1:1514", "127.10.0.1:1515")
	}
	s.apply()
	if err := s.edge.runtime.do(t.Context(), []string{"clear map " + s.edge.config.File(haproxy.FileRoutes), "clear acl " + s.edge.config.File(haproxy.FileAllow)}); err != nil {
		t.Fatal(err)
	}
	if err := s.edge.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.exact()
	if counts := s.edge.Status().Counts; counts.Resyncs != 1 {
		t.Errorf("%d resyncs, want 1", counts.Resyncs)
	}
}

// The model on disk is spoilt: what HAProxy has is served until the source has told.
func TestASpoiltModelEndsNobody(t *testing.T) { haproxies.Each(t, testASpoiltModelEndsNobody) }

func testASpoiltModelEndsNobody(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	s.stop()
	if err := os.WriteFile(filepath.Join(s.dir, fileRoutes), []byte(`{"routes":[{"ten`), 0o600); err != nil {
		t.Fatal(err)
	}
	want := read(t, s.dir, haproxy.FileRoutes)
	s.awaits = func(status Status) bool { return strings.Contains(status.Error, fileRoutes) }
	s.begin()
	if err := s.edge.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001")); err != nil || answer == "" {
		t.Errorf("the tenant is not served: %v", err)
	}
	if got := read(t, s.dir, haproxy.FileRoutes); got != want {
		t.Errorf("the route map became %q", got)
	}
	s.tenant(1, manager.address(), manager.address())
	s.apply()
	s.exact()
}

// A manager is away: its agents are turned away, also when nothing answers at
// all, and are served as soon as it is back. HAProxy takes nobody for dead.
func TestAManagerThatIsAway(t *testing.T) { haproxies.Each(t, testAManagerThatIsAway) }

func testAManagerThatIsAway(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Config.Timeouts.Connect = 200 * time.Millisecond })
	socket, target := bound(t, [4]byte{127, 10, 0, 1}) // nobody else takes its port meanwhile
	s.tenant(0, target, target)
	s.tenant(1, deaf(t), target)
	s.apply()
	for n, what := range []string{"a manager that is down", "a machine that does not answer"} {
		begin := time.Now()
		if !ended(t, dialSaying(t, s.port(n, 0), frame("001"))) {
			t.Errorf("%s: the agent is kept waiting", what)
		}
		t.Logf("%s: the agent is turned away after %s", what, time.Since(begin).Round(time.Millisecond))
	}
	back := listening(t, socket)
	agent := dialSaying(t, s.port(0, 0), frame("001"))
	conn, err := back.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("here again")); err != nil {
		t.Fatal(err)
	}
	_ = agent.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadFull(agent, make([]byte, 10)); err != nil {
		t.Errorf("the manager is back, and its agent not served: %v", err)
	}
}

// deaf is an address where connections are neither accepted nor refused: a
// listener whose queue is full.
func deaf(t *testing.T) string {
	t.Helper()
	socket, address := bound(t, [4]byte{127, 10, 0, 2})
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	for { // until the queue is full
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

// bound is a socket that has a port and does not listen: who connects is refused.
func bound(t *testing.T, ip [4]byte) (socket int, address string) {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: ip}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	return socket, netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(port)).String()
}

// listening has a bound socket listen.
func listening(t *testing.T, socket int) net.Listener {
	t.Helper()
	if err := syscall.Listen(socket, 16); err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(socket)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(copied), "listener")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}
