package edge

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// asker puts one line to one worker.
type asker func(ctx context.Context, line string) (string, error)

// oldWorkers are those of before a reload, which serve their sessions to the end.
func (e *Edge) oldWorkers(ctx context.Context) ([]asker, error) {
	answer, err := e.process.askMaster(ctx, "show proc")
	if err != nil {
		return nil, err
	}
	var workers []asker
	for _, pid := range haproxy.ParseOldWorkers(answer) {
		workers = append(workers, func(ctx context.Context, line string) (string, error) {
			return e.process.askMaster(ctx, "@!"+pid+" "+line)
		})
	}
	return workers, nil
}

// doAndCut carries commands out, ends the live sessions of routes, in every worker,
// and does what is to be done after that.
func (e *Edge) doAndCut(ctx context.Context, commands []string, cut []haproxy.Route, after []string) error {
	if err := e.runtime.do(ctx, slices.Concat(commands, cutCommands(e.config, cut), after)); err != nil {
		return err
	}
	err := cutEnrolling(ctx, e.runtime.ask, cut)
	e.cutInOldWorkers(ctx, cut)
	e.cutAgain(ctx, cut) // also tries again what has just failed
	return err
}

// cutInOldWorkers ends sessions that live in workers of before a reload. Such a
// worker answers `shutdown sessions server` with "Proxy is disabled", but still
// ends sessions one by one.
func (e *Edge) cutInOldWorkers(ctx context.Context, routes []haproxy.Route) {
	if len(routes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	workers, err := e.oldWorkers(ctx)
	if err != nil {
		e.log.Warn("sessions in old workers, if there are any, were not cut", "error", err.Error())
		return
	}
	var servers []string
	for _, route := range routes {
		for _, server := range route.Servers(e.config) {
			servers = append(servers, server.Backend+"/"+server.Name)
		}
	}
	for _, ask := range workers {
		_, err := cutSessions(ctx, ask, haproxy.ParseSessions, func(session haproxy.Session) bool {
			return slices.Contains(servers, session.Backend+"/"+session.Server)
		})
		if err = errors.Join(err, cutEnrolling(ctx, ask, routes)); err != nil {
			e.log.Warn("sessions in an old worker could not be cut, unless it has just ended", "error", err.Error())
		}
	}
}

// cutEnrolling ends enrollments of the routes by way of a gateway. All tenants'
// belong to one server, and are told apart by a table that says where those of a
// tenant come from.
func cutEnrolling(ctx context.Context, ask asker, routes []haproxy.Route) error {
	cut := map[int32]bool{}
	for _, route := range routes {
		for _, port := range route.Ports {
			if port.Proxy {
				cut[route.Slot] = true
			}
		}
	}
	if len(cut) == 0 {
		return nil
	}
	answer, err := ask(ctx, "show table "+haproxy.TableEnrolls)
	if err != nil {
		return err
	}
	rows, err := haproxy.ParseEnrollments(answer)
	if err != nil {
		return err
	}
	sources := map[netip.AddrPort]bool{}
	for _, row := range rows {
		if row.Open && cut[row.Slot] {
			sources[row.Source] = true
		}
	}
	for _, row := range rows {
		if row.Open && !cut[row.Slot] {
			delete(sources, row.Source) // a host may use one port of its own towards two of ours
		}
	}
	if len(sources) == 0 {
		return nil
	}
	enrollments := func(answer string) ([]haproxy.Session, error) {
		return haproxy.ParseSessionsOf(haproxy.BackendGateway, answer)
	}
	_, err = cutSessions(ctx, ask, enrollments, func(session haproxy.Session) bool { return sources[session.Source] })
	return err
}

// cutSessions ends a worker's sessions that are read and chosen, one by one.
func cutSessions(ctx context.Context, ask asker, read func(answer string) ([]haproxy.Session, error), chosen func(haproxy.Session) bool) (count int, err error) {
	answer, err := ask(ctx, "show sess")
	if err != nil {
		return 0, err
	}
	sessions, err := read(answer)
	if err != nil {
		return 0, err
	}
	for _, session := range sessions {
		if !chosen(session) {
			continue
		}
		answer, err := ask(ctx, "shutdown session "+session.ID)
		if err != nil {
			return count, err
		}
		if text := strings.TrimSpace(answer); text != "" && !strings.Contains(text, "No such session") { // it has ended by itself
			return count, &complaint{text: text}
		}
		count++
	}
	return count, nil
}

// claimed is who a session says it is.
type claimed struct {
	slot int32
	id   string
}

// cutRevoked cuts now, and once more for agents that had connected and not said
// who they are yet. The comparison on the timer does the same.
func (e *Edge) cutRevoked(ctx context.Context, routes []haproxy.Route) {
	if len(routes) == 0 {
		return
	}
	cut := func() {
		if err := e.cutAgents(ctx, routes); err != nil && ctx.Err() == nil {
			e.log.Warn("sessions of revoked agents could not be cut, and are tried again", "error", err.Error())
		}
	}
	cut()
	time.AfterFunc(e.options.Second, cut)
}

// cutAgents ends the sessions of single agents that began before their
// revocation, in every worker. Who began later is the manager's to judge.
func (e *Edge) cutAgents(ctx context.Context, routes []haproxy.Route) error {
	before := map[claimed]time.Time{}
	for _, route := range routes {
		for _, cut := range route.Cut {
			before[claimed{route.Slot, cut.ID}] = cut.Before
		}
	}
	if len(before) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	workers, failed := e.oldWorkers(ctx)
	for _, ask := range append(workers, e.runtime.ask) {
		count, err := cutClaimed(ctx, ask, before)
		failed = errors.Join(failed, err)
		if count > 0 {
			e.log.Info("sessions of revoked agents cut", "sessions", count)
		}
	}
	return failed
}

// leg is what the list of sessions and the table of agents have in common.
type leg struct {
	server string
	source netip.AddrPort
}

// cutClaimed ends the sessions of one worker that claim an id and can have begun
// before its time. None of those may be missed, so one that began a little later
// may be cut too: its agent comes again, and stays if its manager lets it.
func cutClaimed(ctx context.Context, ask asker, before map[claimed]time.Time) (int, error) {
	answer, err := ask(ctx, "show table "+haproxy.TableAgents)
	if err != nil {
		return 0, err
	}
	rows, err := haproxy.ParseAgents(answer)
	if err != nil {
		return 0, err
	}
	legs := map[leg]time.Time{}
	for _, row := range rows {
		if limit, wanted := before[claimed{row.Slot, row.ID}]; wanted && row.Open {
			legs[leg{row.Server(), row.Source}] = limit
		}
	}
	if len(legs) == 0 {
		return 0, nil
	}
	now := time.Now()
	return cutSessions(ctx, ask, haproxy.ParseSessions, func(session haproxy.Session) bool {
		limit, wanted := legs[leg{session.Server, session.Source}]
		return wanted && session.Earliest(now).Before(limit)
	})
}

func cutsEqual(a, b []haproxy.Cut) bool {
	return slices.EqualFunc(a, b, func(a, b haproxy.Cut) bool { return a.ID == b.ID && a.Before.Equal(b.Before) })
}
