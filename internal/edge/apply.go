package edge

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Apply takes in what a source wants and makes it so: files first, the running
// process second, the line of the route map last. A route that must not be served
// is refused, and what the tenant had before goes on. What fails is tried again
// with the next update, or the next comparison.
func (e *Edge) Apply(ctx context.Context, update Update) error {
	e.acting.Lock()
	defer e.acting.Unlock()
	e.wishes.take(update)
	e.told = true
	return e.settle(ctx)
}

// settle does what the wishes ask for and has not been done yet.
func (e *Edge) settle(ctx context.Context) error {
	changed, unreadable, gone := e.wishes.open()
	settled := e.board.Settle(changed, unreadable, gone)
	behind := e.unwritten != nil
	if len(settled.Before)+len(settled.After) == 0 && !e.unknown {
		e.update(func() { e.board.Commit(settled) })
		e.wishes.done()
		if behind || e.silent { // what was taken from the process alone is taken back
			e.silent = false
			return e.check(ctx)
		}
		return nil
	}
	changes := compare(e.config, settled.Before, settled.After)
	if err := e.writeDown(settled, changes); err != nil {
		return e.closeUnwritten(ctx, settled, err)
	}
	e.disown(ctx, settled.Before, settled.After)
	e.update(func() {
		e.board.Commit(settled)
		e.inStep, e.counts.Changes = false, e.counts.Changes+int64(changes.count)
	})
	e.wishes.done()
	if e.unknown { // what HAProxy has is not what we had
		e.unknown = false
		return e.check(ctx)
	}
	if behind || e.silent {
		e.silent = false
		return e.caughtUp(ctx, changes)
	}
	if err := e.carryOut(ctx, changes); err != nil {
		// The files are right and the process is not: the comparison repairs it now,
		// and if HAProxy is away, once it is back.
		e.log.Warn("a change did not go through and is repaired", "tenants", changes.count, "error", err.Error())
		return e.compare(ctx)
	}
	e.update(func() {
		e.inStep, e.failing = true, false
		clear(e.faults)
	})
	e.log.Info("routes changed", "tenants", changes.count, "refused", len(settled.Refused))
	return nil
}

// writeDown makes the files as they will be: what changes in its place, or
// everything when somebody else has been there.
func (e *Edge) writeDown(settled haproxy.Settled, changes changes) error {
	if changes.tail || e.unknown {
		if err := e.writeTail(settled); err != nil {
			return err
		}
	}
	if !e.unknown {
		err := e.files.change(settled.Before, settled.After)
		if err == nil {
			return nil
		}
		e.log.Warn("the files are written anew", "error", err.Error())
	}
	_, err := e.files.save(e.board.With(settled))
	return err
}

// carryOut changes the running process.
func (e *Edge) carryOut(ctx context.Context, c changes) error {
	steps := difference(c.have, c.want)
	if err := e.runtime.addServers(ctx, c.servers); err != nil {
		return err
	}
	if err := e.doAndCut(ctx, slices.Concat(steps.before, steps.route), c.cut, steps.after); err != nil {
		return err
	}
	e.cutRevoked(ctx, c.revoked)
	return nil
}

// Check does what could not be done when it was wished for, compares files and
// process with the routes in force, and repairs what differs: line by line when
// little does, as a whole when much does.
func (e *Edge) Check(ctx context.Context) error {
	e.acting.Lock()
	defer e.acting.Unlock()
	if len(e.wishes.undone) > 0 {
		if err := e.settle(ctx); err != nil {
			return err
		}
	}
	return e.compare(ctx)
}

// compare brings the process in step, and then ends what nobody carries any more.
func (e *Edge) compare(ctx context.Context) error {
	err := e.check(ctx)
	if err != nil && !isUnwritten(err) {
		return err
	}
	return errors.Join(err, e.cutStrays(ctx))
}

func (e *Edge) check(ctx context.Context) error {
	if e.unknown {
		return nil
	}
	routes := e.routes()
	drifted, failed := e.checkFiles(routes)
	info, err := e.runtime.info(ctx)
	if err != nil {
		return err
	}
	have, doubled, err := e.runtime.read(ctx, e.config)
	if err != nil {
		return err
	}
	if !e.told && (have.ahead || failed != nil) {
		e.silent = true
		e.update(func() { e.inStep, e.worker = false, info["Pid"] })
		return &unwritten{cause: errors.Join(errSilent, failed)}
	}
	want := tablesOf(e.config, slices.Values(routes))
	if err := e.addSlots(ctx, routes, info["Pid"]); err != nil {
		return err
	}
	steps := difference(have, want)
	if expected := have.ahead || e.unwritten != nil; !expected && (steps.count() > 0 || doubled || drifted) {
		e.update(func() { e.counts.Drift++ })
		e.log.Warn("haproxy or its files were not as they should be, and are repaired", "files", drifted, "doubled", doubled, "lines", steps.count())
	}
	whole := doubled || steps.count() > few
	if err := e.repair(ctx, want, steps, whole); err != nil {
		return err
	}
	if failed != nil { // the process is as it should be; a next one might not be
		behind := &unwritten{cause: failed}
		e.update(func() { e.inStep, e.failing, e.worker, e.unwritten = false, false, info["Pid"], behind })
		return behind
	}
	if have.ahead && !whole { // a map that was replaced has no mark any more
		if err := e.runtime.do(ctx, []string{"del map " + e.config.File(haproxy.FileRoutes) + " " + keyAhead}); err != nil {
			return err
		}
	}
	e.update(func() {
		e.inStep, e.failing, e.worker, e.unwritten = true, false, info["Pid"], nil
		clear(e.faults)
	})
	return nil
}

// checkFiles writes every file that is not as it should be.
func (e *Edge) checkFiles(routes []haproxy.Route) (drifted bool, err error) {
	own, err := e.checkOwnFiles(routes)
	if err != nil {
		return false, err
	}
	data, err := e.files.save(routes)
	return own || data, err
}

// checkOwnFiles does so for those that are made for HAProxy alone.
func (e *Edge) checkOwnFiles(routes []haproxy.Route) (drifted bool, err error) {
	config, err := e.writeConfig(routes)
	if err != nil {
		return false, err
	}
	self, err := e.files.write(haproxy.FileSelf, haproxy.SelfList(e.self))
	return config || self, err
}

// writeConfig writes what the next HAProxy is started with. It changes with a
// tenant only where that has a slot the static part does not hold.
func (e *Edge) writeConfig(routes []haproxy.Route) (changed bool, err error) {
	e.tail = map[string][]haproxy.Server{}
	for _, route := range routes {
		if servers := route.Added(e.config); len(servers) > 0 {
			e.tail[route.Tenant] = servers
		}
	}
	return e.files.write(haproxy.FileConfig, e.configText())
}

// writeTail does so for a change, without asking thousands who have no such slot.
func (e *Edge) writeTail(settled haproxy.Settled) error {
	for slug := range settled.Before {
		delete(e.tail, slug)
	}
	for slug, route := range settled.After {
		if servers := route.Added(e.config); len(servers) > 0 {
			e.tail[slug] = servers
		}
	}
	_, err := e.files.write(haproxy.FileConfig, e.configText())
	return err
}

func (e *Edge) configText() []byte {
	servers := slices.Concat(slices.Collect(maps.Values(e.tail))...)
	return append(bytes.Clone(e.static), haproxy.TailOf(e.config, servers)...)
}

// addSlots gives a worker that is new to us the slots no configuration holds.
func (e *Edge) addSlots(ctx context.Context, routes []haproxy.Route, worker string) error {
	if e.slotsOf == worker {
		return nil
	}
	var servers []haproxy.Server
	for _, route := range routes {
		servers = append(servers, route.Added(e.config)...)
	}
	if err := e.runtime.addServers(ctx, servers); err != nil {
		return err
	}
	e.slotsOf = worker
	return nil
}

// few is up to how many lines are repaired one by one.
const few = 500

func (e *Edge) repair(ctx context.Context, want tables, steps steps, whole bool) error {
	if !whole {
		return e.runtime.do(ctx, slices.Concat(steps.before, steps.route, steps.after))
	}
	e.update(func() { e.counts.Resyncs++ })
	return e.resync(ctx, want)
}

// resync replaces lists and map as a whole, the map last.
func (e *Edge) resync(ctx context.Context, want tables) error {
	for _, list := range []struct {
		kind, file string
		lines      map[string]bool
	}{{"acl", haproxy.FileAllow, want.allow}, {"acl", haproxy.FileHosts, want.hosts}, {"map", haproxy.FileRoutes, want.routeLines()}} {
		if err := e.runtime.replace(ctx, list.kind, e.config.File(list.file), slices.Sorted(maps.Keys(list.lines))); err != nil {
			return err
		}
	}
	return nil
}

// selfAddresses are all addresses under which the edge could meet itself.
func selfAddresses(config haproxy.Config, more []netip.Addr) ([]netip.Addr, error) {
	all := append(slices.Clone(config.Addresses), more...)
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, address := range interfaces {
		if network, err := netip.ParsePrefix(address.String()); err == nil {
			all = append(all, network.Addr().Unmap().WithZone(""))
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}
