package edge

import (
	"context"
	"errors"
	"net/netip"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// cutStrays ends sessions that go on though no route in force carries them. There
// are none, unless a cut has failed, or an edge died between writing a change down
// and cutting, or a tenant's enrollments took another way meanwhile.
func (e *Edge) cutStrays(ctx context.Context) error {
	if e.unknown || !e.told { // a disk alone ends nobody: it may have been put back, or emptied
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	served, closed := e.carried()
	workers, failed := e.workers(ctx)
	for _, w := range workers {
		failed = errors.Join(failed, e.unlessEnded(ctx, w.pid, e.cutStraysOf(ctx, w, served, closed)))
	}
	return failed
}

func (e *Edge) cutStraysOf(ctx context.Context, w worker, served map[string]bool, closed map[netip.AddrPort]bool) error {
	switch {
	case w.foreign && len(closed) == 0:
		return nil
	case w.foreign:
		return cutTargets(ctx, w.ask, closed)
	}
	strays, err := strayRows(ctx, w.ask, served)
	if err != nil || len(strays) == 0 {
		return err
	}
	return e.cutRows(ctx, w.ask, strays)
}

// carried are the rows of sessions that routes in force carry, and where suspended
// tenants' led that lead nobody else's.
func (e *Edge) carried() (rows map[string]bool, closed map[netip.AddrPort]bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	rows, closed = map[string]bool{}, map[netip.AddrPort]bool{}
	open := map[netip.AddrPort]bool{}
	for _, route := range e.board.Routes() {
		serves := !route.Suspended && e.unwritten.serves(route.Tenant)
		for _, port := range route.Ports {
			if serves {
				open[port.Target] = true
			} else {
				closed[port.Target] = true
			}
		}
		if serves {
			for _, row := range route.Served() {
				rows[row] = true
			}
		}
	}
	for target := range open {
		delete(closed, target)
	}
	return rows, closed
}

// strayRows are a worker's rows with connections that should have none.
func strayRows(ctx context.Context, ask asker, served map[string]bool) (map[string]bool, error) {
	answer, err := ask(ctx, "show table "+haproxy.TableTenants+" data.conn_cur gt 0")
	if err != nil {
		return nil, err
	}
	rows, err := haproxy.ParseInUse(answer)
	if err != nil {
		return nil, err
	}
	strays := map[string]bool{}
	for _, row := range rows {
		if !served[row] {
			strays[row] = true
		}
	}
	return strays, nil
}
