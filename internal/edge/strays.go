package edge

import (
	"context"
	"errors"
	"slices"

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
	served := e.servedRows()
	workers, failed := e.workers(ctx)
	for _, w := range workers {
		failed = errors.Join(failed, e.unlessEnded(ctx, w.pid, e.cutStraysOf(ctx, w, served)))
	}
	if failed == nil && !slices.ContainsFunc(workers, func(w worker) bool { return w.foreign }) {
		e.update(func() { clear(e.left) })
	}
	return failed
}

func (e *Edge) cutStraysOf(ctx context.Context, w worker, served map[string]bool) error {
	if w.foreign {
		return cutTargets(ctx, w.ask, e.closedTargets())
	}
	strays, err := strayRows(ctx, w.ask, served)
	if err != nil || len(strays) == 0 {
		return err
	}
	return e.cutRows(ctx, w.ask, strays)
}

// servedRows are the rows of sessions that routes in force carry.
func (e *Edge) servedRows() map[string]bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	rows := map[string]bool{}
	for _, route := range e.board.Routes() {
		if e.servesNow(route) {
			for _, row := range route.Served() {
				rows[row] = true
			}
		}
	}
	return rows
}

// servesNow is false for a tenant that is suspended, or closed in the running process.
// The lock is held.
func (e *Edge) servesNow(route haproxy.Route) bool {
	return !route.Suspended && e.unwritten.serves(route.Tenant)
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
