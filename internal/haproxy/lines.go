package haproxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Entry is one line of a map.
type Entry struct{ Key, Value string }

// Line is how the entry is written.
func (e Entry) Line() string { return e.Key + " " + e.Value }

// Entries are the route's lines of the route map, enrollment before events: the
// port an agent needs first exists no later than the one it needs next.
func (r Route) Entries(config Config) []Entry {
	r = r.WithDefaults()
	state := r.state()
	entries := make([]Entry, 0, len(r.Ports))
	for _, port := range r.Ports {
		limits := port.Limits
		entries = append(entries, Entry{
			Key: strconv.Itoa(int(port.Public)),
			Value: fmt.Sprintf("%s/%s/%s/%d/%s/%d/%d/%d", r.key(port.role()), state, port.Target.Addr(), port.Target.Port(),
				r.backend(config, port.role()), limits.Sessions, limits.Rate, limits.PerSource),
		})
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Value[0], b.Value[0]) }) // e, p, s, t
	return entries
}

// StateSuspended is the state of a tenant that gets no service.
const StateSuspended = "S"

// StateOf finds the state in a value of the route map; empty where there is none.
func StateOf(value string) string {
	if fields := strings.Split(value, "/"); len(fields) == 8 {
		return fields[1]
	}
	return ""
}

// state is one letter of the map's value: S, suspended; O, open to everybody;
// A, only who is in the lists.
func (r Route) state() string {
	switch {
	case r.Suspended:
		return StateSuspended
	case len(r.Allowed) == 0:
		return "O"
	default:
		return "A"
	}
}

// AllowLines are the route's lines of the allow list; none where the tenant is
// open to everybody. The slot is written into the upper part of an IPv6 address,
// in groups of decimal digits, so that one list holds the networks of all tenants
// and the longest prefix wins.
func (r Route) AllowLines() []string {
	high, low := r.Slot/1000, r.Slot%1000
	var lines []string
	for _, network := range r.Allowed {
		address := network.Masked().Addr().As16()
		group := func(i int) uint16 { return uint16(address[2*i])<<8 | uint16(address[2*i+1]) }
		switch {
		case network.Addr().Is4():
			lines = append(lines, fmt.Sprintf("fd00:0:0:0:%d:%d:%x:%x/%d", high, low, group(6), group(7), 96+network.Bits()))
		case network.Bits() <= 80:
			lines = append(lines, fmt.Sprintf("fd01:%d:%d:%x:%x:%x:%x:%x/%d", high, low, group(0), group(1), group(2), group(3), group(4), 48+network.Bits()))
		}
	}
	for i, line := range lines {
		lines[i] = canonical(line)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// canonical is the one spelling of a line of the allow list; HAProxy keeps the
// spelling it was given, so ours must always be the same.
func canonical(line string) string {
	if prefix, err := netip.ParsePrefix(line); err == nil {
		return prefix.String()
	}
	return line
}

// HostLines are the route's lines of the list of single IPv6 hosts.
func (r Route) HostLines() []string {
	var lines []string
	for _, network := range r.Allowed {
		if network.Addr().Is6() && network.Bits() > 80 {
			lines = append(lines, fmt.Sprintf("%d-%s", r.Slot, network.Addr()))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// Server is one passive server object of a slot.
type Server struct {
	Backend, Name string
	// Options are what `add server` needs besides the address, for servers that
	// are not in the configuration; empty for those that are.
	Options string
}

// key names one port of the route: its rows in the tables and, unless it goes by
// way of a gateway, its server.
func (r Route) key(role role) string { return string(role) + strconv.Itoa(int(r.Slot)) }

// backend is where sessions of the role belong.
func (r Route) backend(config Config, role role) string {
	switch {
	case role == roleDirect:
		return backendDirect
	case role == roleGateway:
		return BackendGateway
	case role == roleEvents && int(r.Slot) < config.Slots():
		return "ev_" + strconv.Itoa(int(r.Slot)/SlotsPerBackend)
	}
	return backendMore
}

// Servers are the objects of the route's own, which its sessions belong to.
// Those by way of a gateway share one, see [ParseEnrollments].
func (r Route) Servers(config Config) []Server {
	config = config.WithDefaults()
	servers := make([]Server, 0, len(r.Ports))
	for _, port := range r.Ports {
		role := port.role()
		server := Server{Backend: r.backend(config, role), Name: r.key(role)}
		switch server.Backend {
		case BackendGateway:
			continue
		case backendDirect:
			server.Options = fmt.Sprintf("weight 0 maxconn %d", config.EnrollmentsAtOnce)
		case backendMore:
			server.Options = "weight 0"
		}
		servers = append(servers, server)
	}
	return servers
}

// Added are the route's servers that no static configuration holds.
func (r Route) Added(config Config) []Server {
	return slices.DeleteFunc(r.Servers(config), func(server Server) bool { return server.Options == "" })
}

// Served are the rows in [TableTenants] of sessions the route carries; none while
// it is suspended.
func (r Route) Served() []string {
	var keys []string
	for _, port := range r.Ports {
		if !r.Suspended {
			keys = append(keys, r.key(port.role()))
		}
	}
	return keys
}

// Keys are the rows in [TableTenants] the route has, or had before it got a gateway.
func (r Route) Keys() []string {
	var keys []string
	for _, port := range r.Ports {
		roles := []role{port.role()}
		if port.Name == PortEnrollment {
			roles = []role{roleDirect, roleGateway}
		}
		for _, role := range roles {
			keys = append(keys, r.key(role))
		}
	}
	return keys
}
