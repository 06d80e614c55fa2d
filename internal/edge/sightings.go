package edge

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Agent is where somebody who calls itself agent ID of a tenant came from. The
// id is read in clear from the first bytes and not proven; the manager decides.
type Agent struct {
	Tenant string     `json:"tenant"`
	ID     string     `json:"id"`
	Source netip.Addr `json:"source"`
	// Current sessions; Total since this edge started, for as long as it remembers.
	Current int64 `json:"current"`
	Total   int64 `json:"total"`
	// Seen is when a session was last open.
	Seen time.Time `json:"seen"`
}

const (
	// sightingsKept is how long a source is remembered.
	sightingsKept = 24 * time.Hour
	// sightingsPerTenant bounds what somebody can have remembered who makes ids up.
	sightingsPerTenant = 20_000
)

// sighting is one agent from one source.
type sighting struct {
	tenant, id string
	source     netip.Addr
}

// sightings remembers what HAProxy is made to forget after a session.
type sightings struct {
	agents  map[sighting]*Agent
	counted map[string]bool // rows of the last look
	former  map[string]bool // rows of a slot's former tenant
}

func newSightings() *sightings {
	return &sightings{agents: map[sighting]*Agent{}, counted: map[string]bool{}, former: map[string]bool{}}
}

// look takes in the rows of HAProxy's table. Tenants that are gone are forgotten.
func (s *sightings) look(now time.Time, rows []haproxy.AgentRow, tenantOf map[int32]string) {
	present := map[string]bool{}
	for _, slug := range tenantOf {
		present[slug] = true
	}
	for key, agent := range s.agents {
		agent.Current = 0
		if !present[key.tenant] || now.Sub(agent.Seen) > sightingsKept {
			delete(s.agents, key)
		}
	}
	counted, former := make(map[string]bool, len(rows)), map[string]bool{}
	for _, row := range rows {
		slug, known := tenantOf[row.Slot]
		name := row.Key()
		if s.former[name] {
			former[name] = true
			continue
		}
		if !known {
			continue
		}
		key := sighting{slug, row.ID, row.Source.Addr()}
		counted[name] = true
		agent := s.agents[key]
		if agent == nil {
			agent = &Agent{Tenant: slug, ID: row.ID, Source: row.Source.Addr(), Seen: now}
			s.agents[key] = agent
		}
		if !s.counted[name] {
			agent.Total++
			agent.Seen = now
		}
		if row.Open {
			agent.Current++
			agent.Seen = now
		}
	}
	s.counted, s.former = counted, former
	s.bound()
}

// bound drops the oldest of tenants that have too many.
func (s *sightings) bound() {
	if len(s.agents) <= sightingsPerTenant {
		return
	}
	of := map[string][]sighting{}
	for key := range s.agents {
		of[key.tenant] = append(of[key.tenant], key)
	}
	for _, keys := range of {
		slices.SortFunc(keys, func(a, b sighting) int { return s.agents[b].Seen.Compare(s.agents[a].Seen) })
		for _, key := range keys[min(len(keys), sightingsPerTenant):] {
			delete(s.agents, key)
		}
	}
}

// list is by tenant and id, the latest source first. An empty tenant means all.
func (s *sightings) list(tenant string) []Agent {
	agents := []Agent{}
	for key, agent := range s.agents {
		if tenant == "" || key.tenant == tenant {
			agents = append(agents, *agent)
		}
	}
	SortAgents(agents)
	return agents
}

// SortAgents orders sightings, of one edge or of several: by tenant and id, and
// of one agent the latest first.
func SortAgents(agents []Agent) {
	slices.SortFunc(agents, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID),
			cmp.Compare(min(b.Current, 1), min(a.Current, 1)), b.Seen.Compare(a.Seen), a.Source.Compare(b.Source))
	})
}

// Agents are the sightings of the last day; an empty tenant means of all tenants.
func (e *Edge) Agents(tenant string) []Agent {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.seen.list(tenant)
}

// disown keeps what HAProxy still knows of a slot's former tenant from the next.
// Asking it takes long where thousands of agents are connected, so it is done only
// when a slot is given out again before it was buried, and then for all that are free.
func (e *Edge) disown(ctx context.Context, before, after map[string]haproxy.Route) {
	now := time.Now()
	taken := map[int32]string{}
	e.update(func() {
		for slug, old := range before {
			if route, stays := after[slug]; !stays || route.Slot != old.Slot {
				e.freed[old.Slot] = now
			}
		}
		for slug, route := range after {
			old, there := before[slug]
			_, used := e.freed[route.Slot]
			if used && (!there || old.Slot != route.Slot) {
				taken[route.Slot] = slug
				delete(e.freed, route.Slot) // from here on its rows are the new tenant's
			}
		}
	})
	if len(taken) == 0 {
		return
	}
	agents, tenants, err := e.readTables(ctx)
	if err != nil {
		return // a HAProxy that is away has no tables
	}
	e.update(func() {
		for _, row := range agents {
			if _, free := e.freed[row.Slot]; free || taken[row.Slot] != "" {
				e.seen.former[row.Key()] = true
			}
		}
		for _, row := range tenants {
			if slug := taken[row.Slot]; slug != "" {
				e.ledger.Last[slug+"/"+row.Port] = row.Counters
			}
		}
		e.bury(now, agents, tenants)
	})
}

// bury is done with free slots that nothing more will come of: their sessions
// were cut twice, and of their tenants nothing is counted any more.
func (e *Edge) bury(now time.Time, agents []haproxy.AgentRow, tenants []haproxy.TenantRow) {
	alive := map[int32]bool{}
	for _, row := range agents {
		alive[row.Slot] = alive[row.Slot] || row.Open
	}
	for _, row := range tenants {
		alive[row.Slot] = true
	}
	maps.DeleteFunc(e.freed, func(slot int32, since time.Time) bool {
		return !alive[slot] && now.Sub(since) > 2*e.options.Second
	})
}

// forgetEnded takes ended sessions, which have been counted, out of HAProxy's table.
// Of one that is open again by now HAProxy keeps the row.
func (e *Edge) forgetEnded(ctx context.Context, agents []haproxy.AgentRow) error {
	var keys []string
	for _, row := range agents {
		if !row.Open {
			keys = append(keys, row.Key())
		}
	}
	return e.runtime.forget(ctx, haproxy.TableAgents, keys)
}

// readTables asks who is there, and what was counted.
func (e *Edge) readTables(ctx context.Context) (agents []haproxy.AgentRow, tenants []haproxy.TenantRow, err error) {
	answer, err := e.runtime.ask(ctx, "show table "+haproxy.TableTenants)
	if err != nil {
		return nil, nil, err
	}
	if tenants, err = haproxy.ParseTenants(answer); err != nil {
		return nil, nil, err
	}
	if answer, err = e.runtime.ask(ctx, "show table "+haproxy.TableAgents); err != nil {
		return nil, nil, err
	}
	agents, err = haproxy.ParseAgents(answer)
	return agents, tenants, err
}
