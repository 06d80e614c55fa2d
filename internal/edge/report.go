package edge

import (
	"context"
	"maps"
	"slices"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Status is how an edge is doing.
type Status struct {
	Name string `json:"name"`
	// InStep is true while HAProxy and the files are as the routes say.
	InStep  bool           `json:"inStep"`
	Error   string         `json:"error,omitempty"`
	Worker  string         `json:"worker,omitempty"`
	Counts  Counts         `json:"counts"`
	Tenants []TenantStatus `json:"tenants"`
}

// TenantStatus is one tenant at one edge.
type TenantStatus struct {
	Tenant    string                      `json:"tenant"`
	Slot      int32                       `json:"slot"`
	Ports     map[string]int32            `json:"ports,omitempty"`
	Suspended bool                        `json:"suspended,omitempty"`
	Refused   string                      `json:"refused,omitempty"`
	Counters  map[string]haproxy.Counters `json:"counters,omitempty"`
}

// Status tells how the edge is doing, tenants by name.
func (e *Edge) Status() Status {
	e.mu.RLock()
	defer e.mu.RUnlock()
	status := Status{Name: e.options.Name, InStep: e.inStep, Worker: e.worker, Counts: e.counts, Tenants: []TenantStatus{}}
	if e.lastErr != nil {
		status.Error = e.lastErr.Error()
	}
	slugs := slices.Collect(maps.Keys(e.inForce))
	for slug := range e.refused {
		if _, served := e.inForce[slug]; !served {
			slugs = append(slugs, slug)
		}
	}
	slices.Sort(slugs)
	for _, slug := range slugs {
		route := e.inForce[slug]
		tenant := TenantStatus{Tenant: slug, Slot: route.Slot, Suspended: route.Suspended, Ports: map[string]int32{}, Counters: map[string]haproxy.Counters{}}
		if err := e.refused[slug]; err != nil {
			tenant.Refused = err.Error()
		}
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

// tell wakes the reporter; what it has not said yet it says together.
func (e *Edge) tell() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// report tells the source how each of its routes is doing, apart from the loop
// that serves them: an API server that is away must not hold up a suspension.
func (e *Edge) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.news:
		}
		words, slugs := e.words()
		if err := e.options.Source.Report(ctx, words, slugs); err != nil && ctx.Err() == nil {
			e.log.Warn("routes' status could not be written", "error", err.Error())
		}
	}
}

// words are this edge's entries for the status of the routes it was given.
func (e *Edge) words() (words []v1alpha1.RouteEdge, slugs []string) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, slug := range slices.Sorted(maps.Keys(e.hashes)) {
		word := v1alpha1.RouteEdge{Name: e.options.Name, Hash: e.hashes[slug], Ready: e.inStep}
		if !e.inStep {
			word.Message = "haproxy does not carry the routes as they are; see the edge's log"
		}
		if err := e.refused[slug]; err != nil {
			word.Ready, word.Message = false, clip(err.Error(), 1000)
		}
		words, slugs = append(words, word), append(slugs, slug)
	}
	return words, slugs
}

func clip(text string, longest int) string {
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}
