package edge

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// fullFigures are of an edge with all the tenants its range has room for, and
// as many sessions as its open files then leave.
type fullFigures struct {
	Tenants int `json:"tenants"`
	Held    int `json:"held"`
	Lost    int `json:"lost"`
	// Rounds of Idle and Changing are taken in turn. What else a machine does
	// decides the 99th percentile of a single one.
	Rounds   []pacedRound `json:"rounds"`
	Idle     latencies    `json:"newConnectionsIdle"`
	Changing latencies    `json:"newConnectionsDuringChanges"`
	// HAProxy's CPU for a new connection while nothing changes, what the held
	// sessions say meanwhile included: when all of those have just come, and when
	// none is younger than two minutes.
	YoungMicros float64 `json:"haproxyMicrosPerConnectionAmongYoungSessions"`
	OldMicros   float64 `json:"haproxyMicrosPerConnectionAmongOldSessions"`

	Changes int       `json:"changes"`
	Apply   spread    `json:"apply"`
	Suspend suspendMs `json:"suspendUntilTheLastIsCutMs"`
	// Many changes as fast as they go, and HAProxy's memory before and after.
	Many        int     `json:"manyChanges"`
	ManySeconds float64 `json:"manyChangesSeconds"`
	MBBefore    float64 `json:"mbBeforeManyChanges"`
	MBAfter     float64 `json:"mbAfterManyChanges"`
	// ResyncMs is for Lines of the route map; the tenants are open to everybody and have no others.
	ResyncMs float64 `json:"resyncMs"`
	Lines    int     `json:"resyncRouteLines"`
}

// pacedRound is one look at new connections with and without changes.
type pacedRound struct {
	Idle     latencies `json:"idle"`
	Changing latencies `json:"changing"`
}

func benchFull(t *testing.T, target string) (out fullFigures) {
	const tenants, spare, held, paced, many, rounds = 4800, 200, 4000, 400, 5000, 3
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
		young := time.Now()
		idle := func() (found latencies, each float64) {
			each = micros(t, master, func() float64 {
				end := prober.probe(s.port(tenants-1, 0))
				time.Sleep(paced * pace)
				found = end()
				return float64(found.Calls)
			})
			return found, each
		}
		var youngMicros []float64
		for range rounds {
			var round pacedRound
			var each float64
			round.Idle, each = idle()
			youngMicros = append(youngMicros, each)
			changing := prober.probe(s.port(tenants-1, 0))
			out.Changes, out.Apply = s.churn(tenants, paced, spare, target, pace)
			round.Changing = changing()
			out.Rounds = append(out.Rounds, round)
		}
		out.Idle = usual(out.Rounds, func(r pacedRound) latencies { return r.Idle })
		out.Changing = usual(out.Rounds, func(r pacedRound) latencies { return r.Changing })
		time.Sleep(time.Until(young.Add(130 * time.Second)))
		_, out.OldMicros = idle()
		out.YoungMicros = median(youngMicros)
		for range 5 {
			s.suspendOnce(tenants-2, target, &out.Suspend)
		}
		_, out.MBBefore = footprint(t, master)
		begin := time.Now()
		out.Many, _ = s.churn(tenants, many, spare, target, 0)
		out.ManySeconds = time.Since(begin).Seconds()
		_, out.MBAfter = footprint(t, master)
		out.ResyncMs = s.resyncs()
		out.Lines = len(s.wanted().routes)
		out.Held, out.Lost = agents.tell("check")
		s.exact()
	})
	return out
}

// unhurried is what an edge has: tests make it shorter.
func unhurried(o *Options) { o.Second = time.Second }

// usual is the round in the middle, by its 99th percentile, with the calls of all.
func usual(rounds []pacedRound, of func(pacedRound) latencies) latencies {
	var all []latencies
	for _, round := range rounds {
		all = append(all, of(round))
	}
	slices.SortFunc(all, func(a, b latencies) int { return cmp.Compare(a.P99, b.P99) })
	middle := all[len(all)/2]
	middle.Calls, middle.Failed = 0, 0
	for _, one := range all {
		middle.Calls, middle.Failed, middle.Longest = middle.Calls+one.Calls, middle.Failed+one.Failed, max(middle.Longest, one.Longest)
	}
	return middle
}

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
