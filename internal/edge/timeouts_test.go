package edge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// mute is a manager that accepts, and then neither speaks nor hangs up.
func mute(t *testing.T, address string) (target string, accepted <-chan net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 16)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			conns <- conn
		}
	}()
	return listener.Addr().String(), conns
}

// clientHello is the beginning of one, as far as HAProxy looks.
var clientHello = append([]byte{0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3}, make([]byte, 39)...)

// next is the manager's leg of the latest session.
func next(t *testing.T, accepted <-chan net.Conn) net.Conn {
	t.Helper()
	select {
	case conn := <-accepted:
		return conn
	case <-time.After(20 * time.Second):
		t.Fatal("nothing reaches the manager")
		return nil
	}
}

// bothEnd is true once neither leg is left.
func bothEnd(t *testing.T, agent, manager net.Conn) bool {
	t.Helper()
	for _, conn := range []net.Conn{agent, manager} {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		for {
			_, err := conn.Read(make([]byte, 100))
			if err == nil {
				continue
			}
			if !errors.Is(err, io.EOF) && !isReset(err) {
				return false
			}
			break
		}
	}
	return true
}

func dialSaying(t *testing.T, address string, say []byte) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(say); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// Who connects to the events port and says nothing never reaches the manager,
// and is gone after the time for the first bytes.
func TestSilentClientsAreDropped(t *testing.T) { haproxies.Each(t, testSilentClientsAreDropped) }

func testSilentClientsAreDropped(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Config.Timeouts.First = 300 * time.Millisecond })
	target, accepted := mute(t, "127.10.0.1")
	s.tenant(0, target, target)
	s.apply()
	for which, port := range []string{haproxy.PortEvents, haproxy.PortEnrollment} {
		for _, say := range []string{"", []string{"\x10\x00", "\x16\x03"}[which]} { // nothing, or too little to judge
			begin := time.Now()
			if !ended(t, dialSaying(t, s.port(0, which), []byte(say))) {
				t.Errorf("%s: somebody silent stays", port)
			}
			if took := time.Since(begin); took < 200*time.Millisecond {
				t.Errorf("%s: dropped after %s already", port, took)
			}
		}
	}
	select {
	case <-accepted:
		t.Error("the manager was bothered")
	default:
	}
	s.eventually("they are counted", func() bool {
		if err := s.edge.count(t.Context()); err != nil {
			t.Fatal(err)
		}
		silent := int64(0)
		for _, sum := range s.edge.ledger.Sum {
			silent += sum.Rejected[5] + sum.Rejected[6]
		}
		return silent == 4
	})
}

// One leg never outlives the other for long, although the far end does not hang up.
func TestBothLegsEndTogether(t *testing.T) { haproxies.Each(t, testBothLegsEndTogether) }

func testBothLegsEndTogether(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Config.Timeouts.Fin = 300 * time.Millisecond })
	target, accepted := mute(t, "127.10.0.1")
	s.tenant(0, target, target)
	s.apply()
	for which, say := range [][]byte{frame("001"), clientHello} {
		agent := dialSaying(t, s.port(0, which), say)
		manager := next(t, accepted)
		if err := agent.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if !bothEnd(t, agent, manager) {
			t.Errorf("port %d: the agent hung up, and a leg is left", which)
		}
		agent = dialSaying(t, s.port(0, which), say)
		manager = next(t, accepted)
		if err := manager.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if !bothEnd(t, agent, manager) {
			t.Errorf("port %d: the manager hung up, and a leg is left", which)
		}
		agent = dialSaying(t, s.port(0, which), say)
		manager = next(t, accepted)
		if err := agent.SetLinger(0); err != nil { // the agent's machine crashed: a reset
			t.Fatal(err)
		}
		_ = agent.Close()
		_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, manager); err != nil && !isReset(err) {
			t.Errorf("port %d: the agent was reset, and the manager's leg is left: %v", which, err)
		}
	}
}

// An idle events session ends in its time; one on the enrollment port much
// earlier, since it holds the tenant's turn, and the next in the queue gets it.
func TestIdleSessionsEnd(t *testing.T) { haproxies.Each(t, testIdleSessionsEnd) }

func testIdleSessionsEnd(t *testing.T) {
	s := newSite(t, func(o *Options) {
		o.Config.Timeouts.Enrollment, o.Config.Timeouts.Gateway = 300*time.Millisecond, 300*time.Millisecond
	})
	target, accepted := mute(t, "127.10.0.1")
	s.tenant(0, target, target)
	s.tenant(1, target, target, func(r *haproxy.Route) { r.Ports[1].Proxy = true })
	s.apply()
	events := dialSaying(t, s.port(0, 0), frame("001"))
	eventsLeg := next(t, accepted)
	for n, what := range []string{"at the manager", "at the gateway"} {
		first := dialSaying(t, s.port(n, 1), clientHello)
		firstLeg := next(t, accepted)
		second := dialSaying(t, s.port(n, 1), clientHello)
		if !bothEnd(t, first, firstLeg) {
			t.Errorf("a silent enrollment %s goes on", what)
		}
		if !bothEnd(t, second, next(t, accepted)) {
			t.Errorf("the next in the queue %s gets no turn", what)
		}
	}
	if _, err := eventsLeg.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	_ = events.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(events, make([]byte, 10)); err != nil {
		t.Errorf("the events session ended with the enrollments: %v", err)
	}
	s.stop()
	s.options.Config.Timeouts.Idle = 300 * time.Millisecond
	s.begin()
	events = dialSaying(t, s.port(0, 0), frame("001"))
	if !bothEnd(t, events, next(t, accepted)) {
		t.Error("an idle events session goes on")
	}
}

// A machine that vanished is noticed by the kernel: keep-alive runs on both legs
// of a session, after 30 s of silence.
func TestKeepAliveRunsOnBothLegs(t *testing.T) { haproxies.Each(t, testKeepAliveRunsOnBothLegs) }

func testKeepAliveRunsOnBothLegs(t *testing.T) {
	s := newSite(t)
	target, accepted := mute(t, "127.10.0.1")
	s.tenant(0, target, target)
	s.apply()
	agent := dialSaying(t, s.port(0, 0), frame("001"))
	next(t, accepted)
	manager := netip.MustParseAddrPort(target)
	legs := map[string]string{
		"agent":   hexAddr(netip.MustParseAddrPort(s.port(0, 0))) + " " + hexAddr(netip.MustParseAddrPort(agent.LocalAddr().String())),
		"manager": " " + hexAddr(manager),
	}
	for whose, pattern := range legs {
		found := false
		for line := range strings.Lines(read(t, "/proc/net/tcp")) {
			fields := strings.Fields(line)
			if len(fields) < 7 || fields[3] != "01" || !strings.HasSuffix(fields[1]+" "+fields[2], pattern) {
				continue
			}
			found = true
			timer, when, _ := strings.Cut(fields[5], ":")
			jiffies, err := strconv.ParseInt(when, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			if timer != "02" || jiffies > 30*100 {
				t.Errorf("leg of the %s: timer %s ends in %d hundredths of a second; want keep-alive (02) within 3000", whose, timer, jiffies)
			}
		}
		if !found {
			t.Errorf("the leg of the %s is not among the machine's sockets", whose)
		}
	}
}

// hexAddr is an address as /proc/net/tcp writes it on this machine.
func hexAddr(address netip.AddrPort) string {
	ip := address.Addr().As4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], address.Port())
}

// The third port of a tenant with Wazuh 5 carries TLS and nothing else, for as
// long as an events session, and is cut with its tenant.
func TestTheThirdPortOfWazuh5(t *testing.T) { haproxies.Each(t, testTheThirdPortOfWazuh5) }

func testTheThirdPortOfWazuh5(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Config.Timeouts.Enrollment = 300 * time.Millisecond })
	target, accepted := mute(t, "127.10.0.1")
	third := int32(lastPort)
	with := func(r *haproxy.Route) {
		r.Ports = append(r.Ports, haproxy.Port{Name: haproxy.PortHTTPS, Public: third, Target: netip.MustParseAddrPort(target)})
	}
	s.tenant(0, "127.10.0.2:1514", "127.10.0.2:1515", with)
	s.apply()
	public := net.JoinHostPort(s.address, strconv.Itoa(int(third)))
	if !ended(t, dialSaying(t, public, []byte("GET / HTTP/1.0\r\n\r\n"))) {
		t.Error("something that is not TLS is let through")
	}
	agent := dialSaying(t, public, clientHello)
	leg := next(t, accepted)
	if _, err := io.ReadFull(leg, make([]byte, len(clientHello))); err != nil {
		t.Fatalf("the manager hears nothing: %v", err)
	}
	time.Sleep(600 * time.Millisecond) // twice what ends an enrollment
	if _, err := leg.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_ = agent.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := agent.Read(make([]byte, 1)); err != nil {
		t.Errorf("the session ended like an enrollment: %v", err)
	}
	s.tenant(0, "127.10.0.2:1514", "127.10.0.2:1515", with, func(r *haproxy.Route) { r.Suspended = true })
	s.apply()
	if !bothEnd(t, agent, leg) {
		t.Error("the session outlives its tenant's suspension")
	}
	s.exact()
}

// An agent may wait for its turn longer than an enrollment may be silent: the
// wait is not its silence. HAProxy 3 counts the agent's leg from its last byte,
// which was before the wait.
func TestTheTurnIsNotSpentInTheQueue(t *testing.T) {
	haproxies.Each(t, testTheTurnIsNotSpentInTheQueue)
}

func testTheTurnIsNotSpentInTheQueue(t *testing.T) {
	const silence = time.Second
	s := newSite(t, func(o *Options) { o.Config.Timeouts.Enrollment = silence })
	target, accepted := mute(t, "127.10.0.1")
	s.tenant(0, target, target)
	s.apply()
	first := dialSaying(t, s.port(0, 1), clientHello)
	firstLeg := next(t, accepted)
	second := dialSaying(t, s.port(0, 1), clientHello)
	for begin := time.Now(); time.Since(begin) < 2*silence; time.Sleep(silence / 20) {
		if _, err := firstLeg.Write([]byte("a slow handshake")); err != nil {
			t.Fatalf("an enrollment that is not silent ended: %v", err)
		}
	}
	select {
	case <-accepted:
		t.Fatal("two enrollments at once")
	default:
	}
	_ = first.Close()
	_ = firstLeg.Close()
	secondLeg := next(t, accepted)
	time.Sleep(silence / 4) // how long this manager takes for its answer
	if _, err := secondLeg.Write([]byte("its turn")); err != nil {
		t.Fatal(err)
	}
	_ = second.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(second, make([]byte, 8)); err != nil {
		t.Errorf("who had waited hears nothing: %v", err)
	}
	if _, err := second.Write([]byte("my request")); err != nil {
		t.Errorf("who had waited may not speak: %v", err)
	}
	_ = secondLeg.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(secondLeg, make([]byte, len(clientHello)+10)); err != nil {
		t.Errorf("who had waited is not heard: %v", err)
	}
}
