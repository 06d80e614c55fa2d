package haproxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Names of the ports a route may have.
const (
	PortEvents     = "events"
	PortEnrollment = "enrollment"
	PortHTTPS      = "https"
)

// MaxSlot keeps a slot within five digits, which is what the maps hold.
const MaxSlot = 65535

// Route is one tenant at the edge.
type Route struct {
	// Tenant is the slug. HAProxy never sees it: it knows slots.
	Tenant string `json:"tenant"`
	// Slot is the tenant's own number at this edge.
	Slot int32 `json:"slot"`
	// Ports of the tenant: events and enrollment, or none of them.
	Ports []Port `json:"ports"`
	// Allowed networks; empty means everywhere.
	Allowed []netip.Prefix `json:"allowed,omitempty"`
	// Suspended tenants keep their ports and get no service.
	Suspended bool `json:"suspended,omitempty"`
	// Cut are agents whose sessions end. HAProxy's tables do not show it; the edge
	// looks the sessions up.
	Cut []Cut `json:"cut,omitempty"`
}

// Cut ends an agent's sessions that began before a time.
type Cut struct {
	ID     string    `json:"id"`
	Before time.Time `json:"before"`
}

// Equal is true for the same agent and moment, in whatever zone it is written.
func (c Cut) Equal(other Cut) bool { return c.ID == other.ID && c.Before.Equal(other.Before) }

// Port is one public port and where it leads.
type Port struct {
	Name   string         `json:"name"`
	Public int32          `json:"public"`
	Target netip.AddrPort `json:"target"`
	// Proxy sends a PROXY v2 header first, which only an enrollment gateway
	// understands: no Wazuh daemon does. The header's unique id is the public port.
	Proxy bool `json:"proxy,omitempty"`
	// Limits; zero fields take the advised value.
	Limits Limits `json:"limits,omitzero"`
}

// Limits of one port.
type Limits struct {
	// Sessions at a time.
	Sessions int32 `json:"sessions,omitempty"`
	// Rate of new connections per 10 s.
	Rate int32 `json:"rate,omitempty"`
	// PerSource is the rate of new connections per minute from one address; on
	// events 0 means any.
	PerSource int32 `json:"perSource,omitempty"`
}

// DefaultLimits for a port: 1,000 agents that may all come back at once, and
// enrollments at a pace at which a secret cannot be guessed.
func DefaultLimits(name string) Limits {
	if name == PortEnrollment {
		return Limits{Sessions: 200, Rate: 600, PerSource: 60}
	}
	return Limits{Sessions: 1220, Rate: 1220}
}

// LimitsFor the agents a tenant is licensed for: a fifth more, and a whole
// tenant may reconnect within one retry of its agents.
func LimitsFor(agents int32) Limits {
	sessions := agents + agents/5 + 20
	return Limits{Sessions: sessions, Rate: max(100, sessions)}
}

// SlotFor gives a tenant its slot: the place of its pair in the range. A pinned
// pair that is no neighbouring pair of the range gets a slot behind them all, by
// its events port; neither can collide with another tenant's, because the ports
// are claimed.
func SlotFor(first, events, enrollment int32) int32 {
	const behind = 32768
	place := min(events, enrollment) - first
	if place%2 == 0 && max(events, enrollment) == min(events, enrollment)+1 && place/2 < behind {
		return place / 2
	}
	return behind + (events-first)%behind
}

// WithDefaults fills limits that are left out and puts ports and networks in order.
func (r Route) WithDefaults() Route {
	r.Ports = slices.Clone(r.Ports)
	for i := range r.Ports {
		limits, preset := &r.Ports[i].Limits, DefaultLimits(r.Ports[i].Name)
		limits.Sessions = cmp.Or(limits.Sessions, preset.Sessions)
		limits.Rate = cmp.Or(limits.Rate, preset.Rate)
		limits.PerSource = cmp.Or(limits.PerSource, preset.PerSource)
	}
	slices.SortFunc(r.Ports, func(a, b Port) int { return cmp.Compare(a.Public, b.Public) })
	allowed := make([]netip.Prefix, 0, len(r.Allowed))
	for _, network := range r.Allowed {
		allowed = append(allowed, network.Masked())
	}
	slices.SortFunc(allowed, comparePrefix)
	r.Allowed = slices.Compact(allowed)
	return r
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// Equal compares routes that both went through [Route.WithDefaults].
func (r Route) Equal(other Route) bool {
	return r.Tenant == other.Tenant && r.Slot == other.Slot && r.Suspended == other.Suspended &&
		slices.Equal(r.Ports, other.Ports) && slices.Equal(r.Allowed, other.Allowed) &&
		slices.EqualFunc(r.Cut, other.Cut, Cut.Equal)
}

// role of a port in the route map and the tables: a letter.
type role string

const (
	roleEvents  role = "s"
	roleDirect  role = "e" // enrollment at the manager itself, one after the other
	roleGateway role = "p" // enrollment by way of a gateway, with a PROXY header
	roleHTTPS   role = "t"
)

func (p Port) role() role {
	switch {
	case p.Name == PortEnrollment && p.Proxy:
		return roleGateway
	case p.Name == PortEnrollment:
		return roleDirect
	case p.Name == PortHTTPS:
		return roleHTTPS
	}
	return roleEvents
}

// parseKey reads [Route.key]: whose row it is, and of which port.
func parseKey(key string) (slot int32, port string, err error) {
	ports := map[role]string{roleEvents: PortEvents, roleDirect: PortEnrollment, roleGateway: PortEnrollment, roleHTTPS: PortHTTPS}
	if key != "" {
		port = ports[role(key[:1])]
	}
	if port == "" {
		return 0, "", fmt.Errorf("key %q does not begin with a role's letter", clip(key))
	}
	number, err := strconv.ParseUint(key[1:], 10, 16)
	if err != nil {
		return 0, "", fmt.Errorf("slot of key %q: %w", clip(key), err)
	}
	return int32(number), port, nil
}

var agentID = regexp.MustCompile(`^[0-9]{1,8}$`)

var slug = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Check refuses a route that must not reach HAProxy. Self are the edge's own
// addresses: a route that leads back to the range would go round for ever.
func (r Route) Check(config Config, self []netip.Addr) error {
	var found []error
	refuse := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if !slug.MatchString(r.Tenant) {
		refuse("tenant %q: use the tenant's slug, one DNS label", r.Tenant)
	}
	if r.Slot < 0 || r.Slot > MaxSlot {
		refuse("slot %d: use a number from 0 to %d", r.Slot, MaxSlot)
	}
	names := map[string]bool{}
	for _, port := range r.Ports {
		if names[port.Name] {
			refuse("ports: %q is there twice; a tenant has one port of a name", port.Name)
		}
		names[port.Name] = true
		found = append(found, port.check(config, self))
	}
	for _, cut := range r.Cut {
		if !agentID.MatchString(cut.ID) {
			refuse("cut: %q is no agent id; use up to eight digits, such as 017", cut.ID)
		}
	}
	if !names[PortEvents] || !names[PortEnrollment] {
		refuse("ports: both %q and %q are needed; an agent that cannot enroll, or cannot report, is no use", PortEvents, PortEnrollment)
	}
	for _, network := range r.Allowed {
		address := network.Addr()
		switch {
		case !network.IsValid() || address.Is4In6() || address.Zone() != "":
			refuse("allowed: %q is no network; use for example 203.0.113.0/24 or 2001:db8::/48", network)
		case address.Is6() && network.Bits() > 80 && network.Bits() != 128:
			refuse("allowed: %q: an IPv6 network may have 80 bits at most, or be one host with /128", network)
		}
	}
	return errors.Join(found...)
}

func (p Port) check(config Config, self []netip.Addr) error {
	target := p.Target.Addr()
	inRange := func(port int32) bool { return port >= config.First && port <= config.Last }
	switch {
	case p.Name != PortEvents && p.Name != PortEnrollment && p.Name != PortHTTPS:
		return fmt.Errorf("ports: name %q is unknown; use %q, %q or %q", p.Name, PortEvents, PortEnrollment, PortHTTPS)
	case !inRange(p.Public):
		return fmt.Errorf("ports: %s %d is outside the edge's range %d-%d", p.Name, p.Public, config.First, config.Last)
	case !target.IsValid() || target.IsUnspecified() || target.IsMulticast() || target.Is4In6() || target.Zone() != "" || p.Target.Port() == 0:
		return fmt.Errorf("ports: target %q of %s is no address and port of one host, such as 10.2.3.4:1514", p.Target, p.Name)
	case slices.Contains(self, target) && inRange(int32(p.Target.Port())):
		return fmt.Errorf("ports: target %q of %s is the edge itself; connections would go round for ever", p.Target, p.Name)
	case p.Proxy && p.Name != PortEnrollment:
		return fmt.Errorf("ports: proxy of %s: only an enrollment gateway reads a PROXY header; no Wazuh manager does", p.Name)
	}
	for field, value := range map[string]int32{"sessions": p.Limits.Sessions, "rate": p.Limits.Rate, "perSource": p.Limits.PerSource} {
		if value < 0 || value > 9_999_999 {
			return fmt.Errorf("ports: limit %s %d of %s: use a number from 0 to 9999999", field, value, p.Name)
		}
	}
	return nil
}
