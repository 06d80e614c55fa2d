package edge

import (
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

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
			answer := make([]byte, len(message))
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

// prober connects again and again and notes how long the first answer takes.
type prober struct {
	stop    chan struct{}
	done    sync.WaitGroup
	took    []time.Duration
	refused int
}

func probe(address string) *prober {
	p := &prober{stop: make(chan struct{})}
	p.done.Go(func() {
		for {
			select {
			case <-p.stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			begin := time.Now()
			conn, err := session(address)
			if err != nil {
				p.refused++
				continue
			}
			p.took = append(p.took, time.Since(begin))
			_ = conn.Close()
		}
	})
	return p
}

func (p *prober) end() latencies {
	close(p.stop)
	p.done.Wait()
	return latencies{Calls: len(p.took), Failed: p.refused, P50: quantile(p.took, .5), P99: quantile(p.took, .99), Longest: quantile(p.took, 1)}
}

// latencies of new connections, in milliseconds.
type latencies struct {
	Calls   int     `json:"calls"`
	Failed  int     `json:"failed"`
	P50     float64 `json:"p50Ms"`
	P99     float64 `json:"p99Ms"`
	Longest float64 `json:"longestMs"`
}

func quantile(durations []time.Duration, q float64) float64 {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return float64(durations[min(int(q*float64(len(durations))), len(durations)-1)].Microseconds()) / 1000
}

func median(numbers []float64) float64 {
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}

// footprint counts a master's processes and their memory, in MB, shared pages divided.
func footprint(t *testing.T, master int) (processes int, megabytes float64) {
	t.Helper()
	for _, pid := range family(master) {
		processes++
		rollup, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		for line := range strings.Lines(string(rollup)) {
			if value, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
				megabytes += kb / 1000
			}
		}
	}
	return processes, megabytes
}

// throughput is of small messages, in rounds so that what else the machine does
// hits all alike.
type throughput struct {
	Direct      float64 `json:"directPerSecond"`
	Reference   float64 `json:"referencePerSecond"`
	Ours        float64 `json:"oursPerSecond"`
	ToReference float64 `json:"oursToReference"`
	ToDirect    float64 `json:"oursToDirect"`
}

func benchThroughput(t *testing.T, target string) (out throughput) {
	t.Run("throughput", func(t *testing.T) {
		s := newSite(t, ranged(100))
		s.routes["t0"] = routeFor(0, target)
		s.apply()
		r := newReference(t, 100, target)
		var direct, reference, ours, toReference, toDirect []float64
		for range 7 {
			d, f, o := pingPong(t, target), pingPong(t, r.port(0)), pingPong(t, s.port(0, 0))
			direct, reference, ours = append(direct, d), append(reference, f), append(ours, o)
			toReference, toDirect = append(toReference, o/f), append(toDirect, o/d)
		}
		out = throughput{Direct: median(direct), Reference: median(reference), Ours: median(ours), ToReference: median(toReference), ToDirect: median(toDirect)}
	})
	return out
}
