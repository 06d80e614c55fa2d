package edge

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// reference is the per-port configuration in a real HAProxy, reloaded for each change.
type reference struct {
	*testing.T
	dir, address string
	routes       []haproxy.Route
	config       haproxy.Config
	pid          int // of the master, which stays the same
}

func newReference(t *testing.T, tenants int, target string) *reference {
	t.Helper()
	program := haproxies.Need(t)
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{T: t, dir: dir, address: ownAddress(t)}
	r.config = haproxy.Config{Addresses: []netip.Addr{netip.MustParseAddr(r.address)}, First: firstPort, Last: firstPort + 9999, Dir: dir, MaxFiles: 65536}
	for n := range tenants {
		r.routes = append(r.routes, routeFor(n, target))
	}
	r.write()
	command := exec.Command(program, "-W", "-S", filepath.Join(dir, haproxy.FileMaster), "-p", filepath.Join(dir, haproxy.FilePID), "-f", filepath.Join(dir, "haproxy.cfg"))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	r.pid = command.Process.Pid
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		_ = os.RemoveAll(dir)
	})
	r.await(func() bool { return r.answers(tenants - 1) })
	return r
}

// routeFor is a tenant as most are, with a gateway; it has room for a benchmark's
// sessions.
func routeFor(n int, target string) haproxy.Route {
	to := netip.MustParseAddrPort(target)
	limits := haproxy.Limits{Sessions: 20_000, Rate: 1_000_000}
	return haproxy.Route{Tenant: "t" + strconv.Itoa(n), Slot: int32(n), Ports: []haproxy.Port{
		{Name: haproxy.PortEvents, Public: int32(firstPort + 2*n), Target: to, Limits: limits},
		{Name: haproxy.PortEnrollment, Public: int32(firstPort + 2*n + 1), Target: to, Limits: limits, Proxy: true},
	}}
}

func (r *reference) write() {
	r.Helper()
	text, err := haproxy.RenderFor("haproxy", r.config, r.routes)
	if err != nil {
		r.Fatal(err)
	}
	global := "global\n    maxconn " + strconv.Itoa(9000-len(r.routes)) + "\n    stats socket " + filepath.Join(r.dir, haproxy.FileSocket) + " mode 600 level admin expose-fd listeners\n"
	if err := os.WriteFile(filepath.Join(r.dir, "haproxy.cfg"), []byte(global+string(text)), 0o600); err != nil {
		r.Fatal(err)
	}
}

func (r *reference) port(n int) string {
	return net.JoinHostPort(r.address, strconv.Itoa(firstPort+2*n))
}

// add is what an operator of that configuration does: write, reload, wait for the port.
func (r *reference) add() time.Duration {
	n := len(r.routes)
	r.settle()
	begin := time.Now()
	r.routes = append(r.routes, routeFor(n, r.routes[0].Ports[0].Target.String()))
	r.reload(func() bool { return r.answers(n) })
	return time.Since(begin)
}

// remove takes the last tenant away, which is over when its port is closed.
func (r *reference) remove() time.Duration {
	n := len(r.routes) - 1
	r.settle()
	begin := time.Now()
	r.routes = r.routes[:n]
	r.reload(func() bool { return !r.answers(n) })
	return time.Since(begin)
}

func (r *reference) reload(over func() bool) {
	r.Helper()
	r.write()
	if err := syscall.Kill(r.pid, syscall.SIGUSR2); err != nil {
		r.Fatal(err)
	}
	r.await(over)
}

// answers is true when the tenant's port is open.
func (r *reference) answers(n int) bool {
	conn, err := net.Dial("tcp", r.port(n))
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

func (r *reference) await(over func() bool) {
	r.Helper()
	for range 3 {
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if over() {
				return
			}
		}
		// A signal that arrives while the last reload is still going on is lost.
		if err := syscall.Kill(r.pid, syscall.SIGUSR2); err != nil {
			r.Fatal(err)
		}
	}
	r.Fatal("the reference does not come up")
}

// settle waits until the master listens for the next reload.
func (r *reference) settle() { time.Sleep(time.Second) }
