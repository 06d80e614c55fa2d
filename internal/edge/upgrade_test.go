package edge

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// HAProxy's program is replaced and `edge reload` given, three times, as a
// package manager does it: agents are held, and others connect all the time.
// Nobody is cut, nobody refused; the new process runs the new program.
func TestUpgradeOfHAProxyCutsNobody(t *testing.T) {
	const held, callers, upgrades = 200, 4, 3
	program := filepath.Join(t.TempDir(), "haproxy")
	install(t, needHAProxy(t), program)
	s := newSite(t, func(o *Options) { o.Program = program })
	manager := newEcho(t, "127.10.0.1", "m")
	for n := range 2 {
		s.tenant(n, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[0].Limits = haproxy.Limits{Sessions: 5000, Rate: 500_000} })
	}
	s.apply()
	var agents []net.Conn
	for range held {
		conn, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001"))
		if err != nil || answer == "" {
			t.Fatalf("hold a session: %v", err)
		}
		agents = append(agents, conn)
	}
	var stop atomic.Bool
	var calling sync.WaitGroup
	calls := make([][]time.Duration, callers)
	for i := range callers {
		calling.Go(func() {
			for !stop.Load() {
				begin := time.Now()
				if err := call(s.port(1, 0)); err != nil {
					t.Errorf("a new agent, call %d: %v", len(calls[i]), err)
					return
				}
				calls[i] = append(calls[i], time.Since(begin))
			}
		})
	}
	for n := range upgrades {
		before := s.worker()
		install(t, program, program)
		if err := Reload(t.Context(), s.dir); err != nil {
			t.Fatal(err)
		}
		after := s.worker()
		if after == before {
			t.Fatalf("upgrade %d: the same process serves", n)
		}
		if running, there := inode(t, "/proc/"+after+"/exe"), inode(t, program); running != there {
			t.Errorf("upgrade %d: the new process runs another program than the one installed", n)
		}
		s.eventually("the edge has noticed", func() bool { return s.edge.Status().Worker == after && s.edge.Status().InStep })
		s.tenant(2+n, manager.address(), manager.address())
		s.apply() // and goes on with its work
	}
	stop.Store(true)
	calling.Wait()
	for i, conn := range agents {
		if !answers(t, conn) {
			t.Errorf("agent %d was cut", i)
		}
	}
	s.exact()
	all := slices.Concat(calls...)
	if len(all) < 100 {
		t.Errorf("only %d agents connected meanwhile; that proves little", len(all))
	}
	t.Logf("%d agents held; %d connected during %d upgrades, p50 %.1f ms, p99 %.1f ms, longest %.1f ms",
		held, len(all), upgrades, quantile(all, .5), quantile(all, .99), quantile(all, 1))
}

// call connects, speaks, hears, and hangs up.
func call(address string) error {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
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
