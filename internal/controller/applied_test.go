package controller

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func object(fields map[string]any) *unstructured.Unstructured {
	all := map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"namespace": "tenant-acme", "name": "wazuh-manager"}}
	for key, value := range fields {
		all[key] = value
	}
	return &unstructured.Unstructured{Object: all}
}

func spec(cpu string, ports ...any) map[string]any {
	return map[string]any{"spec": map[string]any{"cpu": cpu, "ports": ports}}
}

func port(number int64, extra ...string) map[string]any {
	out := map[string]any{"port": number}
	for _, key := range extra {
		out[key] = "set by somebody else"
	}
	return out
}

// What counts as unchanged: our wish, and our fields as they were right after we
// wrote them. What the API server adds or rewrites is no change.
func TestAppliedRemembersOurFieldsOnly(t *testing.T) {
	want := object(spec("1000m", port(1514)))
	written := object(spec("1", port(1514, "nodePort"))) // normalised and defaulted
	for name, c := range map[string]struct {
		want, live *unstructured.Unstructured
		unchanged  bool
	}{
		"nothing happened":             {want, written, true},
		"somebody added a status":      {want, object(map[string]any{"spec": written.Object["spec"], "status": map[string]any{"a": "b"}}), true},
		"a default changed":            {want, object(spec("1", port(1514, "nodePort", "appProtocol"))), true},
		"somebody changed our field":   {want, object(spec("2", port(1514, "nodePort"))), false},
		"somebody changed our port":    {want, object(spec("1", port(1515, "nodePort"))), false},
		"somebody added a port":        {want, object(spec("1", port(1514), port(1515))), false},
		"somebody removed our field":   {want, object(map[string]any{"spec": map[string]any{"ports": []any{port(1514)}}}), false},
		"we want something else":       {object(spec("2000m", port(1514))), written, false},
		"we no longer want a field":    {object(map[string]any{"spec": map[string]any{"ports": []any{port(1514)}}}), written, false},
		"the whole spec is gone":       {want, object(nil), false},
		"a list became something else": {want, object(map[string]any{"spec": map[string]any{"cpu": "1", "ports": "none"}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			memory := newApplied()
			if memory.unchanged(want, written) {
				t.Fatal("unchanged before anything was written")
			}
			memory.remember(want, written)
			if got := memory.unchanged(c.want, c.live); got != c.unchanged {
				t.Errorf("unchanged: %v, want %v", got, c.unchanged)
			}
		})
	}
}
