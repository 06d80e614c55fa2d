package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// cacheOf answers List and nothing else.
type cacheOf struct {
	client.Reader
	tenants []v1alpha1.Tenant
	regions []v1alpha1.Region
	claims  []v1alpha1.Claim
	err     error
}

func (c cacheOf) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.TenantList:
		list.Items = c.tenants
	case *v1alpha1.RegionList:
		list.Items = c.regions
	case *v1alpha1.ClaimList:
		list.Items = c.claims
	}
	return c.err
}

// exported are the lines Prometheus reads, in order.
func exported(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			lines = append(lines, fmt.Sprintf("%s{%s} %.0f", strings.TrimPrefix(family.GetName(), "soctalk_"), strings.Join(labels, ","), metric.GetGauge().GetValue()))
		}
	}
	return strings.Join(lines, "\n")
}

func TestWhatTheOperatorTellsOfTenantsAndRegions(t *testing.T) {
	at := func(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0)) }
	tenant := func(name string, status v1alpha1.TenantStatus) v1alpha1.Tenant {
		return v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: status}
	}
	cache := cacheOf{
		tenants: []v1alpha1.Tenant{
			tenant("acme", v1alpha1.TenantStatus{
				Region: "eu", Mode: v1alpha1.ModeLoadBalancer, Manager: &v1alpha1.ManagerStatus{Version: "v4.14.7"},
				Certificate: &v1alpha1.CertificateStatus{NotAfter: at(1800000000), Served: &v1alpha1.ServedCertificate{Serial: "29", NotAfter: at(1790000000)}},
				Agents:      &v1alpha1.AgentCounts{Active: 7, Disconnected: 2, NeverConnected: 1, Total: 10},
				Conditions:  []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady}},
			}),
			tenant("beta", v1alpha1.TenantStatus{Offboarding: &v1alpha1.OffboardingStatus{Step: v1alpha1.StepDrain, StepSince: at(1700000000)}}),
		},
		regions: []v1alpha1.Region{
			{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{Edge: &v1alpha1.EdgeSpec{Ports: v1alpha1.PortRange{First: 15140, Last: 15149}}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "us"}},
		},
		claims: []v1alpha1.Claim{{ObjectMeta: metav1.ObjectMeta{Name: naming.PortClaim("eu", 15140)}, Spec: v1alpha1.ClaimSpec{Tenant: "acme"}}},
	}
	seen := &answers{}
	seen.note("acme", time.Unix(1750000000, 0))
	seen.note("gone", time.Unix(1, 0))
	elected := make(chan struct{})
	c := collector{cached: cache, answers: seen, elected: elected, now: time.Now}
	if lines := exported(t, c); lines != "" {
		t.Errorf("a replica that stands by tells:\n%s", lines)
	}
	close(elected)
	want := `region_edge_port_pairs{region=eu,state=free} 4
region_edge_port_pairs{region=eu,state=held} 1
region_edge_port_pairs{region=eu,state=resting} 0
tenant_agents{status=active,tenant=acme} 7
tenant_agents{status=disconnected,tenant=acme} 2
tenant_agents{status=never_connected,tenant=acme} 1
tenant_agents{status=pending,tenant=acme} 0
tenant_certificate_expiry_timestamp_seconds{tenant=acme} 1800000000
tenant_certificate_served_expiry_timestamp_seconds{tenant=acme} 1790000000
tenant_condition{reason=Ready,status=True,tenant=acme,type=Ready} 1
tenant_info{mode=,region=,tenant=beta,version=} 1
tenant_info{mode=loadbalancer,region=eu,tenant=acme,version=v4.14.7} 1
tenant_manager_answer_timestamp_seconds{tenant=acme} 1750000000
tenant_offboarding_step_timestamp_seconds{step=Drain,tenant=beta} 1700000000`
	if got := exported(t, c); got != want {
		t.Errorf("(-want +got)\n%s", cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
	}
	if len(seen.last) != 1 {
		t.Errorf("a tenant that is gone is remembered: %v", seen.last)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(cacheOf{err: errors.New("the cache is not filled yet")}))
	if _, err := registry.Gather(); err == nil {
		t.Error("a cache that cannot be read looks like a cluster without tenants")
	}
}

func TestTheOperatorsMetricsAreOnThePage(t *testing.T) {
	golden.Metrics(t, "../../docs/reference/metrics.md", "The operator", NewCollector(nil))
}
