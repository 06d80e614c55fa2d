package gateway

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

func TestTheGatewaysMetricsAreOnThePage(t *testing.T) {
	golden.Metrics(t, "../../docs/reference/metrics.md", "A gateway", newMetrics(&Gateway{}).registry)
}
