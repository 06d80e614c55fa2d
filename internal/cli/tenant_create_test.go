package cli

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// What only the tenant chart refuses must be refused before anything is written,
// not after --wait has run into its timeout.
func TestVerdictIncludesTheChart(t *testing.T) {
	region := v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{
		Domain: "soc.mssp.example.com", Default: true, DefaultMode: v1alpha1.ModeLoadBalancer,
		Certificates: v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateBuiltInCA},
	}}
	for version, code := range map[string]int{"": exitOK, "4.14.7": exitOK, "3.13.0": exitRefused} {
		tenant, err := createFlags{version: version}.tenant("acme")
		if err != nil {
			t.Fatal(err)
		}
		err = verdict(plan.Input{Tenant: tenant, Regions: []v1alpha1.Region{region}, Operator: plan.Operator{Namespace: "soctalk-system"}})
		if got := exitOK; err != nil {
			got = codeOf(err)
			if got != code || !strings.Contains(err.Error(), version) {
				t.Errorf("version %q: exit code %d, %v; want %d", version, got, err, code)
			}
		} else if code != exitOK {
			t.Errorf("version %q is accepted, want exit code %d", version, code)
		}
	}
}

// A daemon's client has a limit of its own; a person's commands have none.
func TestClientLimits(t *testing.T) {
	server := "https://127.0.0.1:1"
	s := newSession(Program{})
	s.config.APIServer = &server
	daemon, err := s.config.ToRESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	if daemon.QPS <= rest.DefaultQPS || daemon.Burst < int(daemon.QPS) {
		t.Errorf("a daemon asks %v times a second, %d at once", daemon.QPS, daemon.Burst)
	}
	person, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	if person.config.QPS >= 0 {
		t.Errorf("a command waits for itself: QPS %v", person.config.QPS)
	}
	if daemon.QPS < 0 {
		t.Error("connect changed the daemon's limit")
	}
}
