package certmanager_test

import (
	"os/exec"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/probe"
)

// expiryIsShown: the end of what the port serves is what a person reads in a list of
// tenants, and what an alert is made from.
func (w *world) expiryIsShown(slug string, served probe.Served) {
	w.Helper()
	command := exec.CommandContext(w.Context(), w.lab.Plane.Binary(), "kubectl", "--kubeconfig", w.lab.Plane.Kubeconfig(), "get", "tenants", slug, "-o", "wide")
	table, err := command.CombinedOutput()
	if err != nil {
		w.Fatalf("kubectl get tenants: %v: %s", err, table)
	}
	if ends := served.NotAfter().Format(time.RFC3339); !strings.Contains(string(table), "CERT EXPIRES") || !strings.Contains(string(table), ends) {
		w.Errorf("kubectl does not show that the certificate ends at %s:\n%s", ends, table)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(controller.NewCollector(w.lab.Client))
	families, err := registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == slug {
				found[family.GetName()] = metric.GetGauge().GetValue()
			}
		}
	}
	for _, name := range []string{"soctalk_tenant_certificate_expiry_timestamp_seconds", "soctalk_tenant_certificate_served_expiry_timestamp_seconds"} {
		if found[name] != float64(served.NotAfter().Unix()) {
			w.Errorf("metric %s of %s is %.0f, the port serves until %d", name, slug, found[name], served.NotAfter().Unix())
		}
	}
}
