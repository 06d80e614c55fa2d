package edge

import (
	"testing"
	"time"
)

// fullFigures are of an edge with all the tenants its range has room for, and
// as many sessions as its open files then leave.
type fullFigures struct {
	Tenants   int       `json:"tenants"`
	Held      int       `json:"held"`
	Lost      int       `json:"lost"`
	Idle      latencies `json:"newConnectionsIdle"`
	Changing  latencies `json:"newConnectionsDuringChanges"`
	Changes   int       `json:"changes"`
	Apply     spread    `json:"apply"`
	SuspendMs []float64 `json:"suspendUntilTheLastOf100SessionsIsCut"`
	// Many changes as fast as they go, and HAProxy's memory before and after.
	Many        int     `json:"manyChanges"`
	ManySeconds float64 `json:"manyChangesSeconds"`
	MBBefore    float64 `json:"mbBeforeManyChanges"`
	MBAfter     float64 `json:"mbAfterManyChanges"`
	// ResyncMs is for Lines of the route map; the tenants are open to everybody and have no others.
	ResyncMs float64 `json:"resyncMs"`
	Lines    int     `json:"resyncRouteLines"`
}

func benchFull(t *testing.T, target string) (out fullFigures) {
	const tenants, spare, held, paced, many = 4800, 200, 4000, 400, 5000
	t.Run("full", func(t *testing.T) {
		s := peopled(t, tenants, gated(target), ranged(tenants+spare), unhurried)
		master, err := s.edge.process.masterPID()
		if err != nil {
			t.Fatal(err)
		}
		out.Tenants = tenants
		agents, prober := startHelper(t, "agents"), startHelper(t, "agents")
		for n := range 50 {
			agents.tell("hold %s %d", s.port(n, 0), held/50)
		}
		idle := prober.probe(s.port(tenants-1, 0))
		time.Sleep(10 * time.Second)
		out.Idle = idle()
		changing := prober.probe(s.port(tenants-1, 0))
		out.Changes, out.Apply = s.churn(tenants, paced, spare, target, pace)
		out.Changing = changing()
		for range 5 {
			out.SuspendMs = append(out.SuspendMs, s.suspendOnce(tenants-2, target))
		}
		_, out.MBBefore = footprint(t, master)
		begin := time.Now()
		out.Many, _ = s.churn(tenants, many, spare, target, 0)
		out.ManySeconds = time.Since(begin).Seconds()
		_, out.MBAfter = footprint(t, master)
		out.ResyncMs = s.resyncs()
		out.Lines = len(tablesOf(s.edge.config, s.edge.routes()).routes)
		out.Held, out.Lost = agents.tell("check")
		s.exact()
	})
	return out
}

// unhurried is what an edge has: tests make it shorter.
func unhurried(o *Options) { o.Second = time.Second }

// pace is 30 changes a second.
const pace = time.Second / 30

// churn adds and removes tenants one by one, so many at a time, at a pace.
func (s *site) churn(first, changes, atOnce int, target string, pace time.Duration) (count int, cost spread) {
	s.Helper()
	var took []time.Duration
	next := time.Now()
	apply := func(update Update) {
		time.Sleep(time.Until(next))
		next = next.Add(pace)
		begin := time.Now()
		if err := s.edge.Apply(s.Context(), update); err != nil {
			s.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	for range changes / atOnce {
		for n := first; n < first+atOnce; n++ {
			apply(adding(routeFor(n, target)))
		}
		for n := first; n < first+atOnce; n++ {
			apply(removing(routeFor(n, target)))
		}
	}
	return len(took), spreadOf(took)
}
