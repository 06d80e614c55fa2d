package desk

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// What only the tenant chart refuses must be refused before anything is written.
func TestVerdictIncludesTheChart(t *testing.T) {
	region := v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{
		Domain: "soc.mssp.example.com", Default: true, DefaultMode: v1alpha1.ModeLoadBalancer,
		Certificates: v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateBuiltInCA},
	}}
	for version, good := range map[string]bool{"": true, "4.14.7": true, "3.13.0": false} {
		tenant := v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
		if version != "" {
			tenant.Spec.Manager.Deploy = &v1alpha1.ManagerDeploy{Version: version}
		}
		err := verdict(plan.Input{Tenant: tenant, Regions: []v1alpha1.Region{region}, Operator: plan.Operator{Namespace: "soctalk-system"}})
		if (err == nil) != good || err != nil && (fault.ClassOf(err) != fault.Refused || !strings.Contains(err.Error(), version)) {
			t.Errorf("version %q: %v; want it accepted: %t", version, err, good)
		}
	}
}

func TestRotationRequests(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 5, time.UTC)
	for overlap, want := range map[string]string{
		"":     "2026-11-23T04:00:00.000000005Z",
		"0":    "2026-11-23T04:00:00.000000005Z overlap=0s",
		"36h":  "2026-11-23T04:00:00.000000005Z overlap=36h0m0s",
		"-1h":  "",
		"soon": "",
	} {
		got, err := RotationRequest(now, overlap)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("overlap %q: %q, %v; want %q", overlap, got, err, want)
		}
	}
}

func TestTokenEnds(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 5, time.UTC)
	for text, want := range map[string]string{
		"72h": "2026-11-26T04:00:00Z", "2026-12-31T18:00:00+01:00": "2026-12-31T17:00:00Z", "": "",
		"-1h": "over already", "2020-01-01T00:00:00Z": "over already", "soon": "write a time from now",
	} {
		end, err := TokenEnd(text, now)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case end != nil:
			got = end.Format(time.RFC3339)
		}
		if !strings.Contains(got, want) || text == "" && end != nil {
			t.Errorf("%q: %s; want %s", text, got, want)
		}
	}
}
