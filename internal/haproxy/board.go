package haproxy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Board knows who holds which slot and port, and judges what changes. Among
// thousands of tenants a change costs looking at those it is about.
type Board struct {
	config  Config
	self    []netip.Addr
	inForce map[string]Route
	slots   map[int32]string
	ports   map[int32]string
	refused map[string]Refusal
}

// Refusal is a route that is not served as it is wanted. It is tried again
// whenever somebody else changes; the zero Route could not be read at all.
type Refusal struct {
	Route Route
	Err   error
}

// Settled is what a change comes to: the tenants that differ, as they were and
// as they will be, and everybody who is refused. Nothing is in force before
// [Board.Commit].
type Settled struct {
	Before, After map[string]Route
	Refused       map[string]Refusal
}

// NewBoard is empty. Self are the edge's own addresses.
func NewBoard(config Config, self []netip.Addr) *Board {
	return &Board{config: config, self: self, inForce: map[string]Route{}, slots: map[int32]string{}, ports: map[int32]string{}, refused: map[string]Refusal{}}
}

// InForce is the tenant's route that is served.
func (b *Board) InForce(tenant string) (Route, bool) {
	route, there := b.inForce[tenant]
	return route, there
}

// Routes are those in force, by tenant.
func (b *Board) Routes() []Route {
	return slices.SortedFunc(maps.Values(b.inForce), func(a, b Route) int { return cmp.Compare(a.Tenant, b.Tenant) })
}

// With are the routes that will be in force once that is committed, by tenant.
func (b *Board) With(s Settled) []Route {
	routes := maps.Clone(b.inForce)
	maps.DeleteFunc(routes, func(tenant string, _ Route) bool { _, changes := s.Before[tenant]; return changes })
	maps.Copy(routes, s.After)
	return slices.SortedFunc(maps.Values(routes), func(a, b Route) int { return cmp.Compare(a.Tenant, b.Tenant) })
}

// Refused says why a tenant's route is not served as it is wanted; nil when it is.
func (b *Board) Refused(tenant string) error { return b.refused[tenant].Err }

// Tenants are all that are served or refused, in order.
func (b *Board) Tenants() []string {
	tenants := slices.AppendSeq(slices.Collect(maps.Keys(b.inForce)), maps.Keys(b.refused))
	slices.Sort(tenants)
	return slices.Compact(tenants)
}

// Tenant is who holds a slot.
func (b *Board) Tenant(slot int32) (tenant string, held bool) {
	tenant, held = b.slots[slot]
	return tenant, held
}

// Settle judges what changes. Who holds a slot or a port keeps it until it moves
// or leaves; a route in force that may not become what it is wanted to be stays
// what it was; between newcomers the name decides, so that every edge decides alike.
func (b *Board) Settle(changed []Route, unreadable map[string]error, gone []string) Settled {
	m := move{board: b, wants: map[string]Route{}, leaves: map[string]bool{}, failed: map[string]Refusal{}}
	for tenant, refusal := range b.refused {
		if refusal.Route.Tenant == "" {
			m.failed[tenant] = refusal
		} else {
			m.wants[tenant] = refusal.Route
		}
	}
	for _, route := range changed {
		m.wants[route.Tenant] = route.WithDefaults()
		delete(m.failed, route.Tenant)
	}
	for tenant, err := range unreadable {
		m.failed[tenant] = Refusal{Err: err}
		delete(m.wants, tenant)
	}
	for _, tenant := range gone {
		m.leaves[tenant] = true
		delete(m.wants, tenant)
		delete(m.failed, tenant)
	}
	for !m.place() { // who must stay as he was keeps what another may have hoped for
	}
	return m.settled()
}

// Commit makes what was settled last the state in force.
func (b *Board) Commit(s Settled) {
	for tenant, route := range s.Before {
		delete(b.inForce, tenant)
		delete(b.slots, route.Slot)
		for _, port := range route.Ports {
			delete(b.ports, port.Public)
		}
	}
	for tenant, route := range s.After {
		b.inForce[tenant] = route
		b.slots[route.Slot] = tenant
		for _, port := range route.Ports {
			b.ports[port.Public] = tenant
		}
	}
	b.refused = s.Refused
}

// move is one change under judgement.
type move struct {
	board  *Board
	wants  map[string]Route // what is not yet known to be impossible
	leaves map[string]bool
	failed map[string]Refusal // for good: nothing that happens now would help

	placed  []string
	slots   map[int32]string
	ports   map[int32]string
	refused map[string]Refusal
}

// place gives everybody what he wants, who holds something first. It is false
// when somebody who holds something was refused and has to stay as he was, which
// may be in the way of others.
func (m *move) place() bool {
	m.placed, m.slots, m.ports, m.refused = nil, map[int32]string{}, map[int32]string{}, maps.Clone(m.failed)
	order := slices.SortedFunc(maps.Keys(m.wants), func(a, b string) int {
		_, aHeld := m.board.inForce[a]
		_, bHeld := m.board.inForce[b]
		switch {
		case aHeld == bHeld:
			return cmp.Compare(a, b)
		case aHeld:
			return -1
		}
		return 1
	})
	stays := true
	for _, tenant := range order {
		route := m.wants[tenant]
		old, held := m.board.inForce[tenant]
		var err error
		if !held || !old.Equal(route) { // what is in force was checked once
			err = route.Check(m.board.config, m.board.self)
		}
		if err = errors.Join(err, m.clash(route)); err == nil {
			m.take(tenant, route)
			continue
		}
		m.refused[tenant] = Refusal{Route: route, Err: err}
		if held {
			m.failed[tenant] = m.refused[tenant]
			delete(m.wants, tenant)
			stays = false
		}
	}
	return stays
}

func (m *move) take(tenant string, route Route) {
	m.placed = append(m.placed, tenant)
	m.slots[route.Slot] = tenant
	for _, port := range route.Ports {
		m.ports[port.Public] = tenant
	}
}

// clash names those who hold what the route needs.
func (m *move) clash(route Route) (err error) {
	holder := func(now, before map[int32]string, n int32) (string, bool) {
		if tenant, taken := now[n]; taken {
			return tenant, true
		}
		tenant, taken := before[n]
		_, moves := m.wants[tenant]
		return tenant, taken && !moves && !m.leaves[tenant] && tenant != route.Tenant
	}
	if tenant, taken := holder(m.slots, m.board.slots, route.Slot); taken {
		err = errors.Join(err, fmt.Errorf("slot %d belongs to tenant %q", route.Slot, tenant))
	}
	for _, port := range route.Ports {
		if tenant, taken := holder(m.ports, m.board.ports, port.Public); taken {
			err = errors.Join(err, fmt.Errorf("port %d belongs to tenant %q", port.Public, tenant))
		}
	}
	return err
}

func (m *move) settled() Settled {
	s := Settled{Before: map[string]Route{}, After: map[string]Route{}, Refused: m.refused}
	for _, tenant := range m.placed {
		old, held := m.board.inForce[tenant]
		if held && old.Equal(m.wants[tenant]) {
			continue
		}
		if held {
			s.Before[tenant] = old
		}
		s.After[tenant] = m.wants[tenant]
	}
	for tenant := range m.leaves {
		if old, held := m.board.inForce[tenant]; held {
			s.Before[tenant] = old
		}
	}
	return s
}

// CheckAll sorts routes into those that can be served together, by tenant, and
// those that cannot, with the reason. A tenant that is there twice is refused.
func CheckAll(routes []Route, config Config, self []netip.Addr) (good []Route, refused map[string]error) {
	board := NewBoard(config, self)
	seen, twice := map[string]bool{}, map[string]error{}
	for _, route := range routes {
		if seen[route.Tenant] {
			twice[route.Tenant] = Twice(route.Tenant)
		}
		seen[route.Tenant] = true
	}
	board.Commit(board.Settle(routes, twice, nil))
	refused = make(map[string]error, len(board.refused))
	for tenant, refusal := range board.refused {
		refused[tenant] = refusal.Err
	}
	return board.Routes(), refused
}

// Twice refuses a tenant that has two routes: nobody could say which is meant.
func Twice(tenant string) error { return fmt.Errorf("tenant %q is there twice", tenant) }
