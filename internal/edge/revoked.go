package edge

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

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
	workers, failed := e.workers(ctx)
	for _, w := range workers {
		if w.foreign { // it cannot be asked who is who; edge status tells of it
			continue
		}
		count, err := cutClaimed(ctx, w.ask, before)
		failed = errors.Join(failed, e.unlessEnded(ctx, w.pid, err))
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
			legs[leg{row.Row, row.Source}] = limit
		}
	}
	if len(legs) == 0 {
		return 0, nil
	}
	now := time.Now()
	return cutSessions(ctx, ask, haproxy.ParseSessions, func(session haproxy.Session) (bool, error) {
		limit, wanted := legs[leg{session.Server, session.Source}]
		return wanted && session.Earliest(now).Before(limit), nil
	})
}
