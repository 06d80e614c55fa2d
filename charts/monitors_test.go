package charts_test

import (
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/golden"
)

const monitorTemplate = "soctalk-ingress/templates/monitors.yaml"

func monitored(kind string) map[string]any {
	return map[string]any{
		"metrics":  map[string]any{kind: map[string]any{"enabled": true, "labels": map[string]any{"release": "kube-prometheus-stack"}}},
		"edges":    []any{map[string]any{"region": "eu", "ports": "15140-25139", "metricsAddress": ":8090", "haproxyImage": "haproxy:3.2"}},
		"handover": map[string]any{"enabled": true, "host": "onboard.mssp.example.com", "behindProxy": true},
	}
}

// Everything that exports metrics is scraped, under the job the alerts know, from a
// port its pod names.
func TestTheMonitorsOfTheChart(t *testing.T) {
	for _, kind := range []string{"podMonitor", "serviceMonitor"} {
		rendered, err := chart.RenderOperator(monitored(kind))
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, "testdata/monitors/"+kind+".yaml", []byte(strings.TrimSpace(rendered[monitorTemplate])+"\n"))
		for template, port := range map[string]string{"deployment": "name: metrics,", "edges": "name: edge-metrics, containerPort: 8090", "handover": "name: metrics,"} {
			if !strings.Contains(rendered["soctalk-ingress/templates/"+template+".yaml"], port) {
				t.Errorf("the pods of %s do not name a port %q", template, port)
			}
		}
	}
	both := monitored("podMonitor")
	both["metrics"].(map[string]any)["serviceMonitor"] = map[string]any{"enabled": true}
	if _, err := chart.RenderOperator(both); err == nil {
		t.Error("everything would be scraped twice")
	}
	rendered, err := chart.RenderOperator(map[string]any{"metrics": map[string]any{"namespace": "monitoring"}})
	if err != nil || !strings.Contains(rendered["soctalk-ingress/templates/deployment.yaml"], "- --metrics-namespace=monitoring\n") {
		t.Errorf("the operator is not told who may read the gateways' metrics: %v", err)
	}
}
