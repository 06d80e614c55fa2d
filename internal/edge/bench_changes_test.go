package edge

import (
	"fmt"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

const (
	sourceChanges    = 50  // additions and removals from the source's word to the first byte
	socketChanges    = 300 // the same at HAProxy's socket alone
	referenceChanges = 4
)

// spread of a cost, in milliseconds.
type spread struct {
	P50 float64 `json:"p50Ms"`
	P99 float64 `json:"p99Ms"`
}

func spreadOf(durations []time.Duration) spread {
	return spread{P50: quantile(durations, .5), P99: quantile(durations, .99)}
}

// changeFigures are the cost of one change among that many tenants.
type changeFigures struct {
	Tenants         int     `json:"tenants"`
	AddSocket       spread  `json:"addAtTheSocket"`
	DeleteSocket    spread  `json:"deleteAtTheSocket"`
	AddWire         spread  `json:"addToTheFirstByte"`
	DeleteWire      spread  `json:"deleteToTheFirstReset"`
	ResyncMs        float64 `json:"resyncMs"`
	RestartMs       float64 `json:"haproxyRestartMs"`
	MB              float64 `json:"haproxyMB"`
	Processes       int     `json:"processes"`
	ReferenceAdd    spread  `json:"referenceAdd"`
	ReferenceDelete spread  `json:"referenceDelete"`
	Ratio           float64 `json:"referenceAddToOurs"`
	// Direct is with tenants who have a server more each, for enrollment at their
	// managers.
	Direct *changeFigures `json:"direct,omitempty"`
}

// peopled is a site that serves so many tenants.
func peopled(t *testing.T, tenants int, route func(n int) haproxy.Route, change ...func(*Options)) *site {
	s := newSite(t, change...)
	for n := range tenants {
		route := route(n)
		s.routes[route.Tenant] = route
	}
	s.apply()
	return s
}

// gated are tenants as most are, direct those without a gateway.
func gated(target string) func(n int) haproxy.Route {
	return func(n int) haproxy.Route { return routeFor(n, target) }
}

func direct(target string) func(n int) haproxy.Route {
	return func(n int) haproxy.Route {
		route := routeFor(n, target)
		route.Ports[1].Proxy = false
		return route
	}
}

// ranged is an edge with room for that many tenants and 20 more, and for 5,000 at most.
func ranged(tenants int) func(*Options) {
	return func(o *Options) {
		o.Config.Last = int32(firstPort + 2*min(tenants+20, 5000) - 1)
		o.Config.MaxFiles = 20_000
	}
}

func benchChanges(t *testing.T, tenants int, target string) changeFigures {
	held := min(tenants, 5000-20)
	row := changeFigures{Tenants: tenants}
	t.Run(fmt.Sprintf("ours-%d", tenants), func(t *testing.T) { benchOurs(t, held, gated(target), &row) })
	if tenants >= 5000 {
		row.Direct = &changeFigures{Tenants: tenants}
		t.Run(fmt.Sprintf("direct-%d", tenants), func(t *testing.T) { benchOurs(t, held, direct(target), row.Direct) })
	}
	t.Run(fmt.Sprintf("reference-%d", tenants), func(t *testing.T) {
		r := newReference(t, held, target)
		var adds, deletes []time.Duration
		for range referenceChanges {
			adds = append(adds, r.add())
			deletes = append(deletes, r.remove())
		}
		row.ReferenceAdd, row.ReferenceDelete = spreadOf(adds), spreadOf(deletes)
	})
	row.Ratio = row.ReferenceAdd.P50 / row.AddWire.P50
	return row
}

func benchOurs(t *testing.T, held int, route func(n int) haproxy.Route, row *changeFigures) {
	s := peopled(t, held, route, ranged(held))
	var addWire, deleteWire []time.Duration
	extra := route(held)
	served := func() bool {
		conn, err := session(s.port(held, 0))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	for range sourceChanges {
		addWire = append(addWire, s.tells(adding(extra), served))
		deleteWire = append(deleteWire, s.tells(removing(extra), func() bool { return !served() }))
	}
	row.AddWire, row.DeleteWire = spreadOf(addWire), spreadOf(deleteWire)
	s.socketChanges(extra, row)
	row.ResyncMs = s.resyncs()
	master, err := s.edge.process.masterPID()
	if err != nil {
		t.Fatal(err)
	}
	row.Processes, row.MB = footprint(t, master)
	s.exact()
	s.stop()
	s.killHAProxy()
	begin := time.Now()
	s.startHAProxy()
	s.eventually("it serves", func() bool { _, err := session(s.port(held-1, 0)); return err == nil })
	row.RestartMs = float64(time.Since(begin).Microseconds()) / 1000
}

// resyncs is the median time, in milliseconds, in which lists and map are replaced.
func (s *site) resyncs() float64 {
	s.Helper()
	var took []time.Duration
	for range 5 {
		begin := time.Now()
		if err := s.edge.resync(s.Context(), s.wanted()); err != nil {
			s.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	return quantile(took, .5)
}

// socketChanges measures what HAProxy is told for a change, and nothing else.
func (s *site) socketChanges(extra haproxy.Route, row *changeFigures) {
	s.Helper()
	s.edge.acting.Lock()
	defer s.edge.acting.Unlock()
	with := map[string]haproxy.Route{extra.Tenant: extra.WithDefaults()}
	var adds, deletes []time.Duration
	for range socketChanges {
		begin := time.Now()
		if err := s.edge.carryOut(s.Context(), compare(s.edge.config, nil, with)); err != nil {
			s.Fatal(err)
		}
		adds = append(adds, time.Since(begin))
		begin = time.Now()
		if err := s.edge.carryOut(s.Context(), compare(s.edge.config, with, nil)); err != nil {
			s.Fatal(err)
		}
		deletes = append(deletes, time.Since(begin))
	}
	row.AddSocket, row.DeleteSocket = spreadOf(adds), spreadOf(deletes)
}

// tells is the time from the source's word until something is so on the wire.
func (s *site) tells(update Update, so func() bool) time.Duration {
	s.Helper()
	begin := time.Now()
	s.source.updates <- update
	for !so() {
		time.Sleep(100 * time.Microsecond)
	}
	took := time.Since(begin)
	s.eventually("the change is over", s.inStep)
	return took
}

func (s *site) inStep() bool {
	s.edge.mu.RLock()
	defer s.edge.mu.RUnlock()
	return s.edge.inStep
}

// adding and removing are what the API server's watch says of one tenant.
func adding(route haproxy.Route) Update {
	return Update{Partial: true, Routes: []haproxy.Route{route}, Hashes: map[string]string{route.Tenant: "h"}}
}

func removing(route haproxy.Route) Update {
	return Update{Partial: true, Gone: []string{route.Tenant}}
}
