package handover

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

func TestTheHandoverPagesMetricsAreOnThePage(t *testing.T) {
	golden.Metrics(t, "../../docs/reference/metrics.md", "The hand-over page", newMetrics().registry)
}
