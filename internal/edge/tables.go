package edge

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// tables are the lines HAProxy decides by, as they should be or as they are.
type tables struct {
	config haproxy.Config
	routes map[string]string
	allow  map[string]bool
	hosts  map[string]bool
	// ahead is true for a process that was closed further than the files tell.
	ahead bool
}

func newTables(config haproxy.Config) tables {
	return tables{config: config, routes: map[string]string{}, allow: map[string]bool{}, hosts: map[string]bool{}}
}

// add puts the lines of one route in.
func (t tables) add(route haproxy.Route) {
	for _, entry := range route.Entries(t.config) {
		t.routes[entry.Key] = entry.Value
	}
	for _, line := range route.AllowLines() {
		t.allow[line] = true
	}
	for _, line := range route.HostLines() {
		t.hosts[line] = true
	}
}

// routeLines are the lines of the route map.
func (t tables) routeLines() map[string]bool {
	lines := make(map[string]bool, len(t.routes))
	for key, value := range t.routes {
		lines[haproxy.Entry{Key: key, Value: value}.Line()] = true
	}
	return lines
}

// tablesOf are the lines of all routes.
func tablesOf(config haproxy.Config, routes iter.Seq[haproxy.Route]) tables {
	t := newTables(config)
	for route := range routes {
		t.add(route)
	}
	return t
}

// read asks the running process for its lines. A line that is there twice is
// told: `del` and `set` act on all of them, `add` does not look.
func (r runtime) read(ctx context.Context, config haproxy.Config) (t tables, doubled bool, err error) {
	t = newTables(config)
	answer, err := r.ask(ctx, "show map "+config.File(haproxy.FileRoutes))
	if err != nil {
		return t, false, err
	}
	entries, err := haproxy.ParseMap(answer)
	if err != nil {
		return t, false, err
	}
	for _, entry := range entries {
		if entry.Key == keyAhead {
			t.ahead = true
			continue
		}
		_, twice := t.routes[entry.Key]
		doubled = doubled || twice
		t.routes[entry.Key] = entry.Value
	}
	for name, set := range map[string]map[string]bool{haproxy.FileAllow: t.allow, haproxy.FileHosts: t.hosts} {
		answer, err := r.ask(ctx, "show acl "+config.File(name))
		if err != nil {
			return t, false, err
		}
		patterns, err := haproxy.ParseACL(answer)
		if err != nil {
			return t, false, err
		}
		for _, pattern := range patterns {
			doubled = doubled || set[pattern]
			set[pattern] = true
		}
	}
	return t, doubled, nil
}

// steps are commands in the order in which they are safe: who may come is known
// before the port leads anywhere, and forgotten after it no longer does.
type steps struct {
	before []string // allow what is new
	route  []string // the commit point
	after  []string // forget what is gone
}

func (s steps) count() int { return len(s.before) + len(s.route) + len(s.after) }

// difference is the least that makes have into want.
func difference(have, want tables) steps {
	config := want.config
	var out steps
	file := config.File(haproxy.FileRoutes)
	for _, key := range slices.Sorted(maps.Keys(have.routes)) {
		if _, wanted := want.routes[key]; !wanted {
			out.route = append(out.route, "del map "+file+" "+key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want.routes)) {
		value := want.routes[key]
		old, there := have.routes[key]
		switch {
		case !there:
			out.route = append(out.route, fmt.Sprintf("add map %s %s %s", file, key, value))
		case old != value:
			out.route = append(out.route, fmt.Sprintf("set map %s %s %s", file, key, value))
		}
	}
	for _, list := range []struct {
		name       string
		have, want map[string]bool
	}{{haproxy.FileAllow, have.allow, want.allow}, {haproxy.FileHosts, have.hosts, want.hosts}} {
		file := config.File(list.name)
		for _, line := range slices.Sorted(maps.Keys(list.want)) {
			if !list.have[line] {
				out.before = append(out.before, "add acl "+file+" "+line)
			}
		}
		for _, line := range slices.Sorted(maps.Keys(list.have)) {
			if !list.want[line] {
				out.after = append(out.after, "del acl "+file+" "+line)
			}
		}
	}
	return out
}

// changes is what differs between two sets of routes, tenant by tenant.
type changes struct {
	have, want tables           // lines of the tenants that differ, and of no other
	servers    []haproxy.Server // slots to be made in the running process
	cut        []haproxy.Route  // tenants whose live sessions end
	revoked    []haproxy.Route  // tenants of which single agents are cut
	tail       bool             // slots that are written into the configuration's tail are among them
	count      int
}

// compare finds the tenants that differ. Unchanged tenants cost a comparison
// and produce no command.
func compare(config haproxy.Config, before, after map[string]haproxy.Route) changes {
	c := changes{have: newTables(config), want: newTables(config)}
	for _, slug := range slices.Sorted(maps.Keys(before)) {
		old := before[slug]
		route, stays := after[slug]
		if stays && old.Equal(route) {
			continue
		}
		c.count++
		c.have.add(old)
		switch {
		case !stays:
			c.cut = append(c.cut, old)
		case route.Suspended && !old.Suspended, route.Slot != old.Slot:
			// Sessions of a slot the tenant has left could not be cut later.
			c.cut = append(c.cut, old)
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(after)) {
		route := after[slug]
		if old, there := before[slug]; there && old.Equal(route) {
			continue
		} else if !there {
			c.count++
		}
		c.want.add(route)
		if len(route.Cut) > 0 && !slices.EqualFunc(before[slug].Cut, route.Cut, haproxy.Cut.Equal) {
			c.revoked = append(c.revoked, route)
		}
	}
	c.slots(config, before, after)
	return c
}

// slots finds those that no static configuration holds.
func (c *changes) slots(config haproxy.Config, before, after map[string]haproxy.Route) {
	had := map[haproxy.Server]bool{}
	for _, route := range before {
		for _, server := range route.Added(config) {
			had[server] = true
		}
	}
	for _, slug := range slices.Sorted(maps.Keys(after)) {
		for _, server := range after[slug].Added(config) {
			if !had[server] {
				c.servers = append(c.servers, server)
			}
			delete(had, server)
		}
	}
	c.tail = len(had)+len(c.servers) > 0
}

// cutCommands end the live sessions of routes that have servers of their own.
func cutCommands(config haproxy.Config, routes []haproxy.Route) []string {
	var commands []string
	for _, route := range routes {
		for _, server := range route.Servers(config) {
			commands = append(commands, "shutdown sessions server "+server.Backend+"/"+server.Name)
		}
	}
	return commands
}
