package controller

import (
	"crypto/sha256"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// renderings keeps what was last rendered for each tenant. Rendering costs some
// milliseconds and megabytes, and the values of a tenant nobody changed are the
// same at every look. The objects are shared: whoever writes one copies it.
type renderings struct {
	mu   sync.Mutex
	last map[string]rendering
}

type rendering struct {
	values  [sha256.Size]byte
	objects []*unstructured.Unstructured
}

func newRenderings() *renderings { return &renderings{last: map[string]rendering{}} }

// of renders a tenant's objects. Those that have pods carry what the tenant's own spec
// asks of them.
func (r *renderings) of(slug, ownSpec string, values map[string]any) ([]*unstructured.Unstructured, error) {
	now := digest([]any{ownSpec, values})
	r.mu.Lock()
	held, ok := r.last[slug]
	r.mu.Unlock()
	if ok && held.values == now {
		return held.objects, nil
	}
	objects, err := chart.Render(values, chart.Options{})
	if err != nil {
		// The values come from the spec, so what the chart refuses a person must change.
		return nil, plan.Rejected("the tenant chart's values", err.Error())
	}
	for _, object := range objects {
		if hasPods(object) {
			notes := object.GetAnnotations()
			if notes == nil {
				notes = map[string]string{}
			}
			notes[naming.AnnotationOwnSpec] = ownSpec
			object.SetAnnotations(notes)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[slug] = rendering{values: now, objects: objects}
	return objects, nil
}

func (r *renderings) forget(slug string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, slug)
}
