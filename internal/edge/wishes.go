package edge

import (
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// wishes are everything the source has said, and about whom something is still
// to be done.
type wishes struct {
	routes     map[string]haproxy.Route
	unreadable map[string]error
	undone     map[string]bool
}

func newWishes() *wishes {
	return &wishes{routes: map[string]haproxy.Route{}, unreadable: map[string]error{}, undone: map[string]bool{}}
}

// granted are wishes of an earlier edge, found on disk.
func (w *wishes) granted(routes []haproxy.Route) {
	for _, route := range routes {
		w.routes[route.Tenant] = route
	}
}

// take listens. What is as it was needs nothing to be done.
func (w *wishes) take(update Update) {
	named := make(map[string]bool, len(update.Routes)+len(update.Refused))
	for _, route := range update.Routes {
		slug := route.Tenant
		if named[slug] {
			w.refuse(slug, haproxy.Twice(slug))
			continue
		}
		named[slug] = true
		if old, there := w.routes[slug]; there && old.Equal(route) {
			continue
		}
		w.routes[slug], w.undone[slug] = route, true
		delete(w.unreadable, slug)
	}
	for slug, err := range update.Refused {
		named[slug] = true
		w.refuse(slug, err)
	}
	for _, slug := range update.Gone {
		w.forget(slug)
	}
	if update.Partial {
		return
	}
	for slug := range w.routes {
		if !named[slug] {
			w.forget(slug)
		}
	}
	for slug := range w.unreadable {
		if !named[slug] {
			w.forget(slug)
		}
	}
}

func (w *wishes) refuse(slug string, err error) {
	delete(w.routes, slug)
	w.unreadable[slug], w.undone[slug] = err, true
}

func (w *wishes) forget(slug string) {
	delete(w.routes, slug)
	delete(w.unreadable, slug)
	w.undone[slug] = true
}

// open is what is still to be done.
func (w *wishes) open() (changed []haproxy.Route, unreadable map[string]error, gone []string) {
	unreadable = map[string]error{}
	for slug := range w.undone {
		route, wanted := w.routes[slug]
		err, spoilt := w.unreadable[slug]
		switch {
		case wanted:
			changed = append(changed, route)
		case spoilt:
			unreadable[slug] = err
		default:
			gone = append(gone, slug)
		}
	}
	slices.Sort(gone)
	return changed, unreadable, gone
}

// done is said once what was open is in the files. A map that was large once takes
// long to walk for ever, so it is not kept.
func (w *wishes) done() { w.undone = map[string]bool{} }
