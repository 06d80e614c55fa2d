package edge

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cpuFigures are HAProxy's own CPU time for one message and for one connection.
// The per-port configuration asks nobody who he is and counts nothing; the edge
// does all of it. "Bare" is the per-port configuration with what is common to
// both, namely that the first bytes are waited for.
type cpuFigures struct {
	Message     cpuFigure `json:"perMessage"`
	Connection  cpuFigure `json:"perConnection"`
	Connections int       `json:"connections"`
}

type cpuFigure struct {
	ReferenceMicros float64 `json:"referenceMicros"`
	OursMicros      float64 `json:"oursMicros"`
	Ratio           float64 `json:"ratio"`
}

// cpu is the time a master's processes have run, by the scheduler's count.
func cpu(t *testing.T, master int) (ran time.Duration) {
	t.Helper()
	for _, pid := range family(master) {
		threads, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
		for _, thread := range threads {
			text, err := os.ReadFile(thread)
			if err != nil {
				t.Fatal(err)
			}
			nanoseconds, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			ran += time.Duration(nanoseconds)
		}
	}
	return ran
}

// micros are HAProxy's for each of what work does.
func micros(t *testing.T, master int, work func() float64) float64 {
	t.Helper()
	before := cpu(t, master)
	count := work()
	return float64((cpu(t, master) - before).Nanoseconds()) / 1000 / count
}

// connect opens, speaks and closes sessions one after the other, four at a time.
func connect(t *testing.T, address string, count int) float64 {
	t.Helper()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range count / 4 {
				conn, err := session(address)
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.(*net.TCPConn).SetLinger(0) // leaves no port in TIME_WAIT behind
				_ = conn.Close()
			}
		})
	}
	all.Wait()
	return float64(count / 4 * 4)
}

// compared runs the same load on both, in rounds, and takes medians.
func compared(t *testing.T, rounds int, reference, ours func() float64) cpuFigure {
	t.Helper()
	var them, us, ratios []float64
	for range rounds {
		r, o := reference(), ours()
		them, us, ratios = append(them, r), append(us, o), append(ratios, o/r)
	}
	return cpuFigure{ReferenceMicros: median(them), OursMicros: median(us), Ratio: median(ratios)}
}

func benchCPU(t *testing.T, target string) (out cpuFigures) {
	out.Connections = 4000
	t.Run("cpu", func(t *testing.T) {
		s := newSite(t, ranged(100))
		s.routes["t0"] = routeFor(0, target)
		s.apply()
		master, err := s.edge.process.masterPID()
		if err != nil {
			t.Fatal(err)
		}
		r := newReference(t, 100, target)
		out.Message = compared(t, 5,
			func() float64 { return micros(t, r.pid, func() float64 { return 2 * pingPong(t, r.port(0)) }) },
			func() float64 { return micros(t, master, func() float64 { return 2 * pingPong(t, s.port(0, 0)) }) })
		out.Connection = compared(t, 7,
			func() float64 {
				return micros(t, r.pid, func() float64 { return connect(t, r.port(0), out.Connections) })
			},
			func() float64 {
				return micros(t, master, func() float64 { return connect(t, s.port(0, 0), out.Connections) })
			})
	})
	return out
}
