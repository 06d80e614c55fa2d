package edge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// asker puts one line to one worker.
type asker func(ctx context.Context, line string) (string, error)

// worker is a process of HAProxy's that serves sessions.
type worker struct {
	pid string
	ask asker
	// foreign is true for one that an edge of another version started: its tables
	// and servers have other names.
	foreign bool
}

// oldWorkers are those of before a reload, which serve their sessions to the end.
// One that ends while it is asked is left out.
func (e *Edge) oldWorkers(ctx context.Context) ([]worker, error) {
	pids, err := e.process.former(ctx)
	if err != nil {
		return nil, err
	}
	var workers []worker
	var failed error
	old := []OldWorker{}
	for _, pid := range pids {
		w := worker{pid: pid, ask: func(ctx context.Context, line string) (string, error) {
			return e.process.askMaster(ctx, "@!"+pid+" "+line)
		}}
		info, err := w.ask(ctx, "show info")
		about := haproxy.ParseInfo(info)
		if err == nil && about["Pid"] != pid {
			err = fmt.Errorf("old worker %s answers as %q", pid, about["Pid"])
		}
		if err != nil {
			failed = errors.Join(failed, e.unlessEnded(ctx, pid, err))
			continue
		}
		sessions, _ := strconv.Atoi(about["CurrConns"]) // only shown
		w.foreign = !haproxy.Readable(about["description"])
		workers = append(workers, w)
		old = append(old, OldWorker{PID: pid, Sessions: sessions, Foreign: w.foreign})
	}
	e.update(func() { e.old = old })
	return workers, failed
}

// unlessEnded passes over what went wrong with a worker that is there no more.
func (e *Edge) unlessEnded(ctx context.Context, pid string, err error) error {
	if err == nil || pid == "" {
		return err
	}
	if pids, unknown := e.process.former(ctx); unknown == nil && !slices.Contains(pids, pid) {
		return nil
	}
	return fmt.Errorf("old worker %s: %w", pid, err)
}

// workers are all that serve sessions, the one that accepts them first.
func (e *Edge) workers(ctx context.Context) ([]worker, error) {
	old, err := e.oldWorkers(ctx)
	return append([]worker{{ask: e.runtime.ask}}, old...), err
}
