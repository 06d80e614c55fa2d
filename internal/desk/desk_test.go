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

// Whoever enrols chooses a name: it must not lift another ban than the one that is meant.
func TestWhichBansAreMeant(t *testing.T) {
	ban := func(name, id, agent string) v1alpha1.Revocation {
		return v1alpha1.Revocation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RevocationSpec{AgentID: id, AgentName: agent}}
	}
	all := []v1alpha1.Revocation{ban("laptop-007", "007", "laptop"), ban("x-008", "008", "laptop-007"), ban("y-009", "009", "007"), ban("laptop-010", "010", "Laptop")}
	for called, want := range map[string]string{"laptop-007": "laptop-007", "007": "laptop-007", "009": "y-009", "laptop": "laptop-007 laptop-010", "LAPTOP-007": "x-008", "nobody": ""} {
		meant, err := CalledRevocations("acme", all, []string{called})
		var names []string
		for _, one := range meant {
			names = append(names, one.Name)
		}
		if got := strings.Join(names, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("%q means %q, %v; want %q", called, got, err, want)
		}
	}
}
