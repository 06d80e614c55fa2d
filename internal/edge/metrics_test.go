package edge

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

func TestTheEdgesMetricsAreOnThePage(t *testing.T) {
	golden.Metrics(t, "../../docs/reference/metrics.md", "An edge", newRegistry(&Edge{}))
}
