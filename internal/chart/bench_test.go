package chart_test

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/chart"
)

// BenchmarkRender is what one turn of the operator costs for one tenant.
func BenchmarkRender(b *testing.B) {
	values := map[string]any{
		"tenant":       map[string]any{"slug": "acme"},
		"wazuhIngress": map[string]any{"hostname": "acme.soc.mssp.example.com"},
		"enrollment":   map[string]any{"create": false},
		"api":          map[string]any{"create": false},
	}
	for b.Loop() {
		if _, err := chart.Render(values, chart.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
