package controller

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// applied remembers what was written, so that the same is not written twice.
//
// A server-side apply that changes nothing still is a request the API server
// must work on. To leave it out safely, two things must hold: we want what we
// wanted last time, and the live object still holds it. The second cannot be
// judged by comparing with our own text, because the API server normalises
// ("1000m" becomes "1"); so right after a write the live values of just our
// fields are remembered, and compared with the live values now. An edit of any
// of our fields by somebody else differs, and is put right.
//
// The memory is lost with the process; then every object is applied once more.
type applied struct {
	mu      sync.Mutex
	objects map[string]fingerprint
}

type fingerprint struct {
	want [sha256.Size]byte
	live [sha256.Size]byte
}

func newApplied() *applied { return &applied{objects: map[string]fingerprint{}} }

func (a *applied) remember(want, live *unstructured.Unstructured) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects[identity(want)] = printOf(want, live)
}

func (a *applied) unchanged(want, live *unstructured.Unstructured) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	have, ok := a.objects[identity(want)]
	return ok && have == printOf(want, live)
}

// forget drops what was written into a namespace, and the namespace itself.
func (a *applied) forget(namespace string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.objects {
		if strings.Contains(key, "/"+namespace+"/") || strings.HasSuffix(key, "//"+namespace) {
			delete(a.objects, key)
		}
	}
}

func printOf(want, live *unstructured.Unstructured) fingerprint {
	return fingerprint{want: digest(want.Object), live: digest(project(want.Object, live.Object))}
}

// project keeps of the live object what the wanted one speaks of. Maps are
// followed key by key; lists of equal length element by element, since the API
// server keeps the order we applied; any other list is kept whole.
func project(want, live any) any {
	switch want := want.(type) {
	case map[string]any:
		live, ok := live.(map[string]any)
		if !ok {
			return live
		}
		out := make(map[string]any, len(want))
		for key, value := range want {
			out[key] = project(value, live[key])
		}
		return out
	case []any:
		live, ok := live.([]any)
		if !ok || len(live) != len(want) {
			return live
		}
		out := make([]any, len(want))
		for i := range want {
			out[i] = project(want[i], live[i])
		}
		return out
	}
	return live
}

// digest relies on encoding/json writing map keys in order.
func digest(value any) [sha256.Size]byte {
	text, err := json.Marshal(value)
	if err != nil {
		// Decoded JSON always encodes; a digest that equals no other forces a write.
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(text)
}
