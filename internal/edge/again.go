package edge

import (
	"context"
	"errors"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// later is a route whose sessions are cut once more.
type later struct {
	route haproxy.Route
	due   time.Time
}

// cutAgain catches connections that had passed the map when it changed. Many
// changes share one timer, so that HAProxy's socket is not asked once for each.
func (e *Edge) cutAgain(ctx context.Context, routes []haproxy.Route) {
	if len(routes) == 0 {
		return
	}
	due := time.Now().Add(e.options.Second)
	e.update(func() {
		if len(e.again) == 0 {
			time.AfterFunc(e.options.Second, func() { e.cutDue(ctx) })
		}
		for _, route := range routes {
			e.again = append(e.again, later{route, due})
		}
	})
}

// cutDue cuts what is due and waits for the rest. A slot that serves somebody by
// now is left alone.
func (e *Edge) cutDue(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	var routes []haproxy.Route
	serves, held := map[int32]bool{}, map[int32]bool{}
	e.update(func() {
		now, n := time.Now(), 0
		for n < len(e.again) && !e.again[n].due.After(now) {
			routes = append(routes, e.again[n].route)
			n++
		}
		e.again = e.again[n:]
		if len(e.again) > 0 {
			time.AfterFunc(time.Until(e.again[0].due), func() { e.cutDue(ctx) })
		}
		for _, old := range routes {
			if tenant, taken := e.board.Tenant(old.Slot); taken {
				route, _ := e.board.InForce(tenant)
				held[old.Slot], serves[old.Slot] = true, !route.Suspended && e.unwritten.serves(tenant)
			}
		}
	})
	var cut []haproxy.Route
	var forget []string
	for _, route := range routes {
		if !serves[route.Slot] {
			cut = append(cut, route)
		}
		if held[route.Slot] {
			continue
		}
		// The counters of a tenant that is gone. A row a session still holds stays,
		// and is told apart when the slot is given out.
		forget = append(forget, route.Keys()...)
	}
	if err := errors.Join(e.runtime.do(ctx, cutCommands(e.config, cut)), e.cutEnrolling(ctx, e.runtime.ask, rowsOf(cut))); err != nil {
		e.log.Warn("sessions of ended tenants could not be cut a second time; the next comparison does it", "error", err.Error())
	}
	_ = e.runtime.forget(ctx, haproxy.TableTenants, forget) // tried once: a row that stays is told apart
}
