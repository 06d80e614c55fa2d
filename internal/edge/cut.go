package edge

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// doAndCut carries commands out, ends the live sessions of routes, in every worker,
// and does what is to be done after that.
func (e *Edge) doAndCut(ctx context.Context, commands []string, cut []haproxy.Route, after []string) error {
	if err := e.runtime.do(ctx, slices.Concat(commands, cutCommands(e.config, cut), after)); err != nil {
		return err
	}
	err := e.cutEnrolling(ctx, e.runtime.ask, rowsOf(cut))
	e.cutInOldWorkers(ctx, cut)
	e.cutAgain(ctx, cut)
	return err
}

// rowsOf are the rows of routes, whatever their enrollments go by.
func rowsOf(routes []haproxy.Route) map[string]bool {
	rows := map[string]bool{}
	for _, route := range routes {
		for _, row := range route.Keys() {
			rows[row] = true
		}
	}
	return rows
}

// cutInOldWorkers ends sessions that live in workers of before a reload, and takes
// the way from who has connected there and not spoken yet. Such a worker answers
// `shutdown sessions server` with "Proxy is disabled", but still ends sessions one
// by one. What fails is seen, and done, at the next comparison.
func (e *Edge) cutInOldWorkers(ctx context.Context, routes []haproxy.Route) {
	if len(routes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	e.closeTargets(routes)
	workers, failed := e.oldWorkers(ctx)
	for _, w := range workers {
		failed = errors.Join(failed, e.unlessEnded(ctx, w.pid, e.cutInOldWorker(ctx, w, routes)))
	}
	if failed != nil {
		e.log.Warn("sessions in old workers could not be cut; the next comparison does it", "error", failed.Error())
	}
}

func (e *Edge) cutInOldWorker(ctx context.Context, w worker, routes []haproxy.Route) error {
	for _, route := range routes {
		for _, entry := range route.Entries(e.config) {
			// Of a port that is gone from there already it says so, which is as well.
			if _, err := w.ask(ctx, "del map "+e.config.File(haproxy.FileRoutes)+" "+entry.Key); err != nil {
				return err
			}
		}
	}
	if w.foreign {
		return cutTargets(ctx, w.ask, e.closedTargets())
	}
	return e.cutRows(ctx, w.ask, rowsOf(routes))
}

// closeTargets remembers where routes led that end, for workers whose sessions are
// known by that alone: a cut there may fail, and who had connected may speak late.
func (e *Edge) closeTargets(routes []haproxy.Route) {
	e.update(func() {
		for _, route := range routes {
			for _, port := range route.Ports {
				e.left[port.Target] = true
			}
		}
	})
}

// closedTargets are where tenants' sessions led that are suspended, or have left, and
// nobody's do who is served.
func (e *Edge) closedTargets() map[netip.AddrPort]bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	closed := map[netip.AddrPort]bool{}
	for target := range e.left {
		closed[target] = true
	}
	served := map[netip.AddrPort]bool{}
	for _, route := range e.board.Routes() {
		into := closed
		if e.servesNow(route) {
			into = served
		}
		for _, port := range route.Ports {
			into[port.Target] = true
		}
	}
	for target := range served {
		delete(closed, target)
	}
	return closed
}

// cutTargets ends a worker's sessions by where they lead, which any worker tells,
// whatever its servers are called.
func cutTargets(ctx context.Context, ask asker, targets map[netip.AddrPort]bool) error {
	answer, err := ask(ctx, "show sess all")
	if err != nil {
		return err
	}
	leads, err := haproxy.ParseTargets(answer)
	if err != nil {
		return err
	}
	for id, target := range leads {
		if targets[target] {
			if err := end(ctx, ask, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// cutRows ends a worker's sessions of those rows of [haproxy.TableTenants], one by one.
func (e *Edge) cutRows(ctx context.Context, ask asker, rows map[string]bool) error {
	_, err := cutSessions(ctx, ask, haproxy.ParseSessions, func(session haproxy.Session) (bool, error) { return rows[session.Server], nil })
	return errors.Join(err, e.cutEnrolling(ctx, ask, rows))
}

// cutEnrolling ends enrollments of those rows by way of a gateway. All tenants'
// belong to one server, and are told apart by a table that says where those of a
// tenant come from. A host may use one port of its own towards two of ours; then
// where the session leads decides.
func (e *Edge) cutEnrolling(ctx context.Context, ask asker, rows map[string]bool) error {
	if len(rows) == 0 {
		return nil
	}
	answer, err := ask(ctx, "show table "+haproxy.TableEnrolls)
	if err != nil {
		return err
	}
	enrolling, err := haproxy.ParseEnrollments(answer)
	if err != nil {
		return err
	}
	cut, others := map[netip.AddrPort]bool{}, map[netip.AddrPort][]int32{}
	for _, row := range enrolling {
		if !row.Open {
			continue
		}
		if rows[row.Row] {
			cut[row.Source] = true
		} else {
			others[row.Source] = append(others[row.Source], row.Slot)
		}
	}
	if len(cut) == 0 {
		return nil
	}
	read := func(answer string) ([]haproxy.Session, error) {
		return haproxy.ParseSessionsOf(haproxy.BackendGateway, answer)
	}
	_, err = cutSessions(ctx, ask, read, func(session haproxy.Session) (bool, error) {
		if neighbours := others[session.Source]; cut[session.Source] && len(neighbours) > 0 {
			theirs, err := e.leadsTo(ctx, ask, session, neighbours)
			return !theirs, err
		}
		return cut[session.Source], nil
	})
	return err
}

// leadsTo is true for an enrollment on its way to one of those slots' gateways.
func (e *Edge) leadsTo(ctx context.Context, ask asker, session haproxy.Session, slots []int32) (bool, error) {
	answer, err := ask(ctx, "show sess "+session.ID)
	if err != nil {
		return false, err
	}
	targets, err := haproxy.ParseTargets(answer)
	if err != nil {
		return false, err
	}
	for _, route := range e.routes() {
		for _, port := range route.Ports {
			if port.Proxy && port.Target == targets[session.ID] && slices.Contains(slots, route.Slot) {
				return true, nil
			}
		}
	}
	return false, nil
}

// cutSessions ends a worker's sessions that are read and chosen, one by one.
func cutSessions(ctx context.Context, ask asker, read func(answer string) ([]haproxy.Session, error), chosen func(haproxy.Session) (bool, error)) (count int, err error) {
	answer, err := ask(ctx, "show sess")
	if err != nil {
		return 0, err
	}
	sessions, err := read(answer)
	if err != nil {
		return 0, err
	}
	for _, session := range sessions {
		wanted, err := chosen(session)
		if err != nil {
			return count, err
		}
		if !wanted {
			continue
		}
		if err := end(ctx, ask, session.ID); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

// end ends one session of a worker. One that has ended by itself is as well.
func end(ctx context.Context, ask asker, session string) error {
	answer, err := ask(ctx, "shutdown session "+session)
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(answer); text != "" && !strings.Contains(text, "No such session") {
		return &complaint{text: text}
	}
	return nil
}
