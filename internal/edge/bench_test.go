package edge

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// The comparison of `make bench-edge`: our edge, the per-port configuration that
// is reloaded for each change, and a direct connection, in one run with one load.
// It measures; it fails only when something does not work.

// figures are what is written to bin/bench-edge.json.
type figures struct {
	Adds       []addFigures       `json:"adds"`
	Idle       map[string]float64 `json:"bytesPerIdleConnection"`
	Throughput map[string]float64 `json:"messagesPerSecond"`
	Seconds    float64            `json:"seconds"`
}

type addFigures struct {
	Tenants        int     `json:"tenants"`
	OursMs         float64 `json:"oursMedianMs"`
	OursP99Ms      float64 `json:"oursP99Ms"`
	OursWireMs     float64 `json:"oursWireMedianMs"`
	ReferenceMs    float64 `json:"referenceMedianMs"`
	Ratio          float64 `json:"ratio"`
	OursMB         float64 `json:"oursMBAfterAdds"`
	ReferenceMB    float64 `json:"referenceMBAfterAdds"`
	OursProcs      int     `json:"oursProcesses"`
	ReferenceProcs int     `json:"referenceProcesses"`
	ReferenceAdds  int     `json:"referenceAdds"`
}

func TestBenchEdge(t *testing.T) {
	out := os.Getenv("SOCTALK_BENCH_EDGE")
	if out == "" {
		t.Skip("make bench-edge runs this")
	}
	begin := time.Now()
	result := figures{Idle: map[string]float64{}, Throughput: map[string]float64{}}
	for _, tenants := range []int{100, 1000, 5000} {
		result.Adds = append(result.Adds, benchAdds(t, tenants))
		row := result.Adds[len(result.Adds)-1]
		fmt.Printf("add at %5d tenants: ours %.2f ms (p99 %.2f; on the wire %.2f), reference %.0f ms: %.0fx; memory %.0f / %.0f MB, processes %d / %d after %d / %d adds\n",
			row.Tenants, row.OursMs, row.OursP99Ms, row.OursWireMs, row.ReferenceMs, row.Ratio, row.OursMB, row.ReferenceMB, row.OursProcs, row.ReferenceProcs, oursAdds, row.ReferenceAdds)
	}
	benchTraffic(t, &result)
	result.Seconds = time.Since(begin).Seconds()
	fmt.Printf("memory of HAProxy per idle connection: ours %.1f kB, reference %.1f kB\n", result.Idle["ours"]/1000, result.Idle["reference"]/1000)
	fmt.Printf("1 kB messages per second: direct %.0f, reference %.0f, ours %.0f: %.2f of reference, %.2f of direct\n", result.Throughput["direct"],
		result.Throughput["reference"], result.Throughput["ours"], result.Throughput["ours"]/result.Throughput["reference"], result.Throughput["ours"]/result.Throughput["direct"])
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	oursAdds      = 100
	referenceAdds = 5
)

// ranged is an edge with room for that many tenants and the ones to be added.
func ranged(tenants int) func(*Options) {
	return func(o *Options) { o.Config.Last = int32(firstPort + 2*min(tenants+oursAdds, 5000) - 1) }
}

func benchAdds(t *testing.T, tenants int) addFigures {
	held := min(tenants, 5000-oursAdds) // the range of the facts has 5,000 pairs
	row := addFigures{Tenants: tenants, ReferenceAdds: referenceAdds}
	manager := newEcho(t, "127.10.0.1", "m")
	t.Run(fmt.Sprintf("ours-%d", tenants), func(t *testing.T) {
		s := newSite(t, ranged(tenants))
		for n := range held {
			s.tenant(n, manager.address(), manager.address())
		}
		s.apply()
		var whole, wire []time.Duration
		for i := range oursAdds {
			n := held + i
			s.tenant(n, manager.address(), manager.address())
			begin := time.Now()
			s.source.updates <- s.update()
			for {
				conn, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001"))
				if err == nil && answer != "" {
					break
				}
				if conn != nil {
					_ = conn.Close()
				}
				time.Sleep(time.Millisecond)
			}
			whole = append(whole, time.Since(begin))
			// The same change at the socket alone: taken away and put back.
			route := map[string]haproxy.Route{"x": s.routes[fmt.Sprintf("t%d", n)].WithDefaults()}
			s.eventually("the change is over", func() bool { return s.edge.Status().InStep })
			s.edge.acting.Lock()
			gone := difference(s.edge.config, tablesOf([]haproxy.Route{route["x"]}), newTables())
			back := compare(s.edge.config, nil, route)
			err := s.edge.runtime.do(t.Context(), slices.Concat(gone.route, gone.after))
			begin = time.Now()
			if err == nil {
				err = s.edge.carryOut(t.Context(), back)
			}
			wire = append(wire, time.Since(begin))
			s.edge.acting.Unlock()
			if err != nil {
				t.Fatal(err)
			}
		}
		row.OursMs, row.OursP99Ms, row.OursWireMs = quantile(whole, .5), quantile(whole, .99), quantile(wire, .5)
		master, err := s.edge.process.masterPID()
		if err != nil {
			t.Fatal(err)
		}
		row.OursProcs, row.OursMB = footprint(t, master)
	})
	t.Run(fmt.Sprintf("reference-%d", tenants), func(t *testing.T) {
		r := newReference(t, held, manager)
		var whole []time.Duration
		for i := range referenceAdds {
			// Agents of every generation stay, as they do for weeks.
			if _, answer, err := talk(t, "127.0.0.1", r.port(0), frame("001")); err != nil || answer == "" {
				t.Fatalf("the reference does not serve: %v", err)
			}
			r.settle()
			begin := time.Now()
			r.add(held+i, manager)
			whole = append(whole, time.Since(begin))
		}
		row.ReferenceMs = quantile(whole, .5)
		row.ReferenceProcs, row.ReferenceMB = footprint(t, r.master())
	})
	row.Ratio = row.ReferenceMs / row.OursMs
	return row
}

func (s *site) update() Update {
	update := Update{Hashes: map[string]string{}}
	for _, route := range s.routes {
		update.Routes = append(update.Routes, route)
	}
	return update
}

// reference is the spec's per-port configuration in a real HAProxy, reloaded for each change.
type reference struct {
	*testing.T
	dir, address string
	routes       []haproxy.Route
	config       haproxy.Config
	pid          int // of the master, which stays the same
}

func newReference(t *testing.T, tenants int, manager *echo) *reference {
	t.Helper()
	program := needHAProxy(t)
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{T: t, dir: dir, address: ownAddress(t)}
	r.config = haproxy.Config{Addresses: []netip.Addr{netip.MustParseAddr(r.address)}, First: firstPort, Last: firstPort + 9999, Dir: dir, MaxFiles: 65536}
	for n := range tenants {
		r.routes = append(r.routes, routeFor(n, manager))
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
	r.await(tenants - 1)
	return r
}

func routeFor(n int, manager *echo) haproxy.Route {
	target := netip.MustParseAddrPort(manager.address())
	return haproxy.Route{Tenant: "t" + strconv.Itoa(n), Slot: int32(n), Ports: []haproxy.Port{
		{Name: haproxy.PortEvents, Public: int32(firstPort + 2*n), Target: target}, {Name: haproxy.PortEnrollment, Public: int32(firstPort + 2*n + 1), Target: target},
	}}
}

func (r *reference) write() {
	r.Helper()
	text, err := haproxy.RenderFor("haproxy", r.config, r.routes)
	if err != nil {
		r.Fatal(err)
	}
	global := "global\n    maxconn 4000\n    stats socket " + filepath.Join(r.dir, haproxy.FileSocket) + " mode 600 level admin expose-fd listeners\n"
	if err := os.WriteFile(filepath.Join(r.dir, "haproxy.cfg"), []byte(global+string(text)), 0o600); err != nil {
		r.Fatal(err)
	}
}

func (r *reference) port(n int) string {
	return net.JoinHostPort(r.address, strconv.Itoa(firstPort+2*n))
}

func (r *reference) master() int { return r.pid }

// add is what an operator of that configuration does: write, reload, wait for the port.
func (r *reference) add(n int, manager *echo) {
	r.routes = append(r.routes, routeFor(n, manager))
	r.write()
	if err := syscall.Kill(r.master(), syscall.SIGUSR2); err != nil {
		r.Fatal(err)
	}
	r.await(n)
}

func (r *reference) await(n int) {
	r.Helper()
	if !r.comesUp(n, 20*time.Second) {
		// A signal that arrives while the last reload is still going on is lost.
		if err := syscall.Kill(r.master(), syscall.SIGUSR2); err != nil || !r.comesUp(n, 20*time.Second) {
			r.Fatalf("the reference does not come up: %v", err)
		}
	}
}

func (r *reference) comesUp(n int, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("tcp", r.port(n)); err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

// settle waits until the master listens for the next reload.
func (r *reference) settle() {
	time.Sleep(time.Second)
}

// benchTraffic compares what each connection costs.
func benchTraffic(t *testing.T, result *figures) {
	manager := newEcho(t, "127.10.0.1", "")
	s := newSite(t, ranged(100), func(o *Options) { o.Config.MaxFiles = 12000 })
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Ports[0].Limits = haproxy.Limits{Sessions: 9000, Rate: 90000} })
	s.apply()
	r := newReference(t, 100, manager)
	r.routes[0].Ports[0].Limits = haproxy.Limits{Sessions: 9000}
	r.write()
	r.settle()
	if err := syscall.Kill(r.master(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	r.settle() // and the old worker, which has no session, ends
	master, err := s.edge.process.masterPID()
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]struct {
		address string
		master  int
	}{"ours": {s.port(0, 0), master}, "reference": {r.port(0), r.master()}} {
		const count = 1500
		hold(t, target.address, 200) // what is allocated once is not a connection's
		_, before := footprint(t, target.master)
		hold(t, target.address, count)
		_, after := footprint(t, target.master)
		result.Idle[name] = (after - before) * 1e6 / count
	}
	for range 3 {
		for name, address := range map[string]string{"direct": manager.address(), "reference": r.port(0), "ours": s.port(0, 0)} {
			result.Throughput[name] = max(result.Throughput[name], pingPong(t, address))
		}
	}
}

// hold opens idle sessions that stay until the test ends.
func hold(t *testing.T, address string, count int) {
	t.Helper()
	for range count {
		if _, answer, err := talk(t, "127.0.0.1", address, frame("001")); err != nil || answer == "" {
			t.Fatalf("hold a session: %v", err)
		}
	}
}

// pingPong counts messages of 1 kB that come back, over 32 connections for two seconds.
func pingPong(t *testing.T, address string) float64 {
	t.Helper()
	var total int64
	var mu sync.Mutex
	var all sync.WaitGroup
	message := append(frame("001"), make([]byte, 1024-len(frame("001")))...)
	end := time.Now().Add(2 * time.Second)
	for range 32 {
		all.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(end.Add(10 * time.Second))
			answer := make([]byte, len(message)+1)
			own := int64(0)
			for time.Now().Before(end) {
				if _, err := conn.Write(message); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(conn, answer); err != nil {
					t.Error(err)
					return
				}
				own++
			}
			mu.Lock()
			total += own
			mu.Unlock()
		})
	}
	all.Wait()
	return float64(total) / 2
}

// footprint counts a master's processes and their memory, in MB, shared pages divided.
func footprint(t *testing.T, master int) (processes int, megabytes float64) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid := filepath.Base(filepath.Dir(file))
		if pid != strconv.Itoa(master) && fields[1] != strconv.Itoa(master) {
			continue
		}
		processes++
		rollup, _ := os.ReadFile("/proc/" + pid + "/smaps_rollup")
		for line := range strings.Lines(string(rollup)) {
			if value, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
				megabytes += kb / 1000
			}
		}
	}
	return processes, megabytes
}

func quantile(durations []time.Duration, q float64) float64 {
	slices.Sort(durations)
	return float64(durations[min(int(q*float64(len(durations))), len(durations)-1)].Microseconds()) / 1000
}
