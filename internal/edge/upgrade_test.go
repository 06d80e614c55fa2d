package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// HAProxy's program is replaced and `edge reload` given, as a package manager
// does it: from the oldest release through each later one, and from the newest back
// to the oldest. Agents are held from before and from each release, and others
// connect all the time. Nobody is cut, nobody refused; the new process runs the new
// program. In the end a suspension finds the tenant's sessions in the workers of all
// releases, and nobody else's.
func TestUpgradeOfHAProxyCutsNobody(t *testing.T) {
	const callers, perRelease = 4, 50
	haproxies.Need(t)
	releases := haproxies.All(t)
	program := filepath.Join(t.TempDir(), "haproxy")
	install(t, releases[0].Path, program)
	s := newSite(t, func(o *Options) { o.Program = program })
	manager := newEcho(t, "127.10.0.1", "m")
	for n := range 3 {
		s.tenant(n, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[0].Limits = haproxy.Limits{Sessions: 5000, Rate: 500_000} })
	}
	s.apply()
	held := [2][]net.Conn{hold(t, s, 0, perRelease), hold(t, s, 2, perRelease)}
	load := startCalling(t, callers, s.port(1, 0))
	for n, release := range append(slices.Clone(releases[1:]), releases[0]) {
		before := s.worker()
		install(t, release.Path, program)
		if err := Reload(t.Context(), s.dir); err != nil {
			t.Fatalf("to %s: %v", release.Version, err)
		}
		after := s.worker()
		if after == before {
			t.Fatalf("to %s: the same process serves", release.Version)
		}
		if running, there := inode(t, "/proc/"+after+"/exe"), inode(t, program); running != there {
			t.Errorf("to %s: the new process runs another program than the one installed", release.Version)
		}
		if info, err := s.edge.runtime.info(t.Context()); err != nil || info["Version"] != release.Version {
			t.Errorf("HAProxy %q serves, %v; want %s", info["Version"], err, release.Version)
		}
		s.eventually("the edge has noticed", func() bool { return s.edge.Status().Worker == after && s.edge.Status().InStep })
		s.tenant(3+n, manager.address(), manager.address())
		s.apply() // and goes on with its work
		held[0] = append(held[0], hold(t, s, 0, perRelease)...)
		held[1] = append(held[1], hold(t, s, 2, perRelease)...)
		t.Logf("to %-18s %s", release.Version, load.told())
	}
	load.end()
	for i, conn := range slices.Concat(held[0], held[1]) {
		if !answers(t, conn) {
			t.Errorf("agent %d was cut", i)
		}
	}
	s.exact()
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Suspended = true })
	s.apply()
	for i, conn := range held[0] {
		if !ended(t, conn) {
			t.Errorf("agent %d of the suspended tenant goes on", i)
		}
	}
	for i, conn := range held[1] {
		if !answers(t, conn) {
			t.Errorf("agent %d of another tenant was cut with the suspended one's", i)
		}
	}
	t.Logf("%d agents held; %s", len(held[0])+len(held[1]), load.told())
	if len(load.all()) < 100 {
		t.Errorf("only %d agents connected meanwhile; that proves little", len(load.all()))
	}
}

// A reload that HAProxy refuses, as after an edit by hand, is told with HAProxy's
// own words, and the old worker serves on; a reload after the repair succeeds. 2.6
// does not say a word: there the edge waits until its patience ends.
func TestARefusedReloadEndsNobody(t *testing.T) { haproxies.Each(t, testARefusedReloadEndsNobody) }

func testARefusedReloadEndsNobody(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	agent := hold(t, s, 0, 1)[0]
	info, err := s.edge.runtime.info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.dir, haproxy.FileConfig)
	good := read(t, file)
	if err := os.WriteFile(file, []byte(good+"    no-such-keyword\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err = Reload(ctx, s.dir)
	silent := strings.HasPrefix(info["Version"], "2.")
	if err == nil || !silent && !strings.Contains(err.Error(), "no-such-keyword") {
		t.Errorf("HAProxy %s: the refusal is told as: %v", info["Version"], err)
	}
	if s.worker() != info["Pid"] || !answers(t, agent) {
		t.Error("the old worker does not serve any more")
	}
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Reload(t.Context(), s.dir); err != nil {
		t.Errorf("a reload after the repair: %v", err)
	}
	if s.worker() == info["Pid"] || !answers(t, agent) {
		t.Error("no new worker serves, or the agent was cut")
	}
	if told := complaints(t, s.dir); len(told) == 0 {
		t.Error("HAProxy's log does not say what was wrong")
	}
	if err := os.Truncate(filepath.Join(s.dir, fileLog), 0); err != nil { // the site's end wants it clean
		t.Fatal(err)
	}
}

// hold has agents of a tenant connect and stay.
func hold(t *testing.T, s *site, tenant, count int) []net.Conn {
	t.Helper()
	var conns []net.Conn
	for range count {
		conn, answer, err := talk(t, "127.0.0.1", s.port(tenant, 0), frame("001"))
		if err != nil || answer == "" {
			t.Fatalf("hold a session: %v", err)
		}
		conns = append(conns, conn)
	}
	return conns
}

// calling is agents that connect one after another, each as soon as the one
// before it was served.
type calling struct {
	stop  atomic.Bool
	group sync.WaitGroup
	mu    sync.Mutex
	took  []time.Duration
	since int // where the next report begins
}

func startCalling(t *testing.T, callers int, address string) *calling {
	c := &calling{}
	for range callers {
		c.group.Go(func() {
			for !c.stop.Load() {
				begin := time.Now()
				if err := call(address); err != nil {
					t.Errorf("a new agent, after %d: %v", len(c.all()), err)
					return
				}
				c.mu.Lock()
				c.took = append(c.took, time.Since(begin))
				c.mu.Unlock()
			}
		})
	}
	t.Cleanup(c.end)
	return c
}

func (c *calling) end() { c.stop.Store(true); c.group.Wait() }

func (c *calling) all() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.took)
}

// told is how those fared who connected since the last report; after the end, all.
func (c *calling) told() string {
	all := c.all()
	part := all[c.since:]
	c.since = len(all)
	if c.stop.Load() {
		part = all
	}
	return fmt.Sprintf("%d connected, p50 %.1f ms, p99 %.1f ms, longest %.1f ms", len(part), quantile(part, .5), quantile(part, .99), quantile(part, 1))
}

// call connects, speaks, hears, and hangs up.
func call(address string) error {
	conn, err := net.DialTimeout("tcp", address, 30*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write(frame("007")); err != nil {
		return fmt.Errorf("speak: %w", err)
	}
	if _, err := io.ReadAtLeast(conn, make([]byte, 200), 1); err != nil {
		return fmt.Errorf("hear: %w", err)
	}
	return nil
}

// install puts a copy in a program's place, under a new inode.
func install(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	fresh := to + ".new"
	if err := os.WriteFile(fresh, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, to); err != nil {
		t.Fatal(err)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}
