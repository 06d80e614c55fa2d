package edge

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Status is how an edge is doing.
type Status struct {
	Name string `json:"name"`
	// InStep is true while HAProxy and the files are as the routes say.
	InStep bool   `json:"inStep"`
	Error  string `json:"error,omitempty"`
	// DiskFails is true while the edge's files cannot be written.
	DiskFails bool `json:"diskFails,omitempty"`
	// Unwritten is of how many tenants a change is not on the disk.
	Unwritten int    `json:"unwritten,omitempty"`
	Worker    string `json:"worker,omitempty"`
	// OldWorkers serve sessions of before a reload to their end, as of the last comparison.
	OldWorkers []OldWorker `json:"oldWorkers,omitempty"`
	// Heartbeat is the edge's Lease; nil where it has none, as with routes from a file.
	Heartbeat *Heartbeat     `json:"heartbeat,omitempty"`
	Counts    Counts         `json:"counts"`
	Tenants   []TenantStatus `json:"tenants"`
}

// OldWorker is one of them.
type OldWorker struct {
	PID      string `json:"pid"`
	Sessions int    `json:"sessions"`
	// Foreign is true for one that an edge of another version started. A suspension
	// ends a tenant's sessions there by where they lead; a revoked agent's cannot be
	// told from its tenant's others and go on until they end, or the worker does.
	Foreign bool `json:"foreign,omitempty"`
}

// TenantStatus is one tenant at one edge.
type TenantStatus struct {
	Tenant    string           `json:"tenant"`
	Slot      int32            `json:"slot"`
	Ports     map[string]int32 `json:"ports,omitempty"`
	Suspended bool             `json:"suspended,omitempty"`
	Refused   string           `json:"refused,omitempty"`
	// Unwritten says what has become of a change the disk had no room for.
	Unwritten string                      `json:"unwritten,omitempty"`
	Counters  map[string]haproxy.Counters `json:"counters,omitempty"`
}

// Status tells how the edge is doing, tenants by name.
func (e *Edge) Status() Status {
	e.mu.RLock()
	defer e.mu.RUnlock()
	status := Status{Name: e.options.Name, InStep: e.inStep, Worker: e.worker, OldWorkers: slices.Clone(e.old), Counts: e.counts, Tenants: []TenantStatus{}}
	var errs []string
	for _, doing := range slices.Sorted(maps.Keys(e.faults)) {
		errs = append(errs, doing+": "+e.faults[doing].Error())
	}
	status.Error = strings.Join(errs, "; ")
	unwritten := e.unwritten.of()
	status.Unwritten, status.DiskFails = len(unwritten), e.unwritten != nil
	if beat := e.heartbeat; beat != (Heartbeat{}) {
		status.Heartbeat = &beat
	}
	tenants := slices.AppendSeq(e.board.Tenants(), maps.Keys(unwritten))
	slices.Sort(tenants)
	for _, slug := range slices.Compact(tenants) {
		route, _ := e.board.InForce(slug)
		tenant := TenantStatus{Tenant: slug, Slot: route.Slot, Suspended: route.Suspended, Ports: map[string]int32{}, Counters: map[string]haproxy.Counters{}}
		if err := e.board.Refused(slug); err != nil {
			tenant.Refused = err.Error()
		}
		tenant.Unwritten = unwritten[slug]
		for _, port := range route.Ports {
			tenant.Ports[port.Name] = port.Public
			if counters, counted := e.ledger.Sum[slug+"/"+port.Name]; counted {
				tenant.Counters[port.Name] = counters
			}
		}
		status.Tenants = append(status.Tenants, tenant)
	}
	return status
}

// heard has the source told how those are doing of whom it spoke.
func (e *Edge) heard(update Update) {
	e.update(func() {
		if !update.Partial {
			clear(e.hashes)
		}
		for slug, hash := range update.Hashes {
			e.hashes[slug], e.unsaid[slug] = hash, true
		}
		for _, slug := range update.Gone {
			delete(e.hashes, slug)
		}
	})
	e.tell()
}

// tellAll has it told of everybody, for what it may have missed.
func (e *Edge) tellAll() {
	e.update(func() {
		for slug := range e.hashes {
			e.unsaid[slug] = true
		}
	})
	e.tell()
}

// tell wakes the reporter; what it has not said yet it says together.
func (e *Edge) tell() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// report tells the source how its routes are doing, apart from the loop that
// serves them: an API server that is away must not hold up a suspension.
func (e *Edge) report(ctx context.Context) {
	failed := false // as it was told last
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.news:
		}
		var words []v1alpha1.RouteEdge
		var slugs []string
		e.update(func() { words, slugs, failed = e.words(failed) })
		if err := e.options.Source.Report(ctx, words, slugs); err != nil && ctx.Err() == nil {
			e.log.Warn("routes' status could not be written", "error", err.Error())
		}
	}
}

// words are this edge's entries for the status of the routes of which the source
// has not been told: of all, when a failure has come or gone.
func (e *Edge) words(failed bool) (words []v1alpha1.RouteEdge, slugs []string, fails bool) {
	of := slices.Sorted(maps.Keys(e.unsaid))
	if failed != e.failing {
		of = slices.Sorted(maps.Keys(e.hashes))
	}
	for _, slug := range of {
		if _, wanted := e.hashes[slug]; !wanted {
			continue
		}
		word := v1alpha1.RouteEdge{Name: e.options.Name, Hash: e.hashes[slug], Ready: !e.failing}
		if e.failing {
			word.Message = "haproxy does not carry the routes as they are; see the edge's log"
		}
		if err := e.board.Refused(slug); err != nil {
			word.Ready, word.Message = false, clip(err.Error(), 1000)
		}
		if text, behind := e.unwritten.of()[slug]; behind {
			word.Ready, word.Message = false, clip(text, 1000)
		}
		words, slugs = append(words, word), append(slugs, slug)
	}
	e.unsaid = map[string]bool{} // not cleared: it may have been large, and is walked at each change
	return words, slugs, e.failing
}

func clip(text string, longest int) string {
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}
