package controller

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// tenantsInCache answers List and nothing else.
type tenantsInCache struct {
	client.Reader
	items []v1alpha1.Tenant
	err   error
}

func (c tenantsInCache) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.TenantList).Items = c.items
	return c.err
}

func TestCertificateMetrics(t *testing.T) {
	at := func(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0)) }
	tenant := func(name string, certificate *v1alpha1.CertificateStatus) v1alpha1.Tenant {
		return v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.TenantStatus{Certificate: certificate}}
	}
	cache := tenantsInCache{items: []v1alpha1.Tenant{
		tenant("acme", &v1alpha1.CertificateStatus{NotAfter: at(1800000000), Served: &v1alpha1.ServedCertificate{Serial: "29", NotAfter: at(1790000000)}}),
		tenant("beta", &v1alpha1.CertificateStatus{NotAfter: at(1800000001)}),
		tenant("none", nil),
	}}
	want := map[string]float64{
		"soctalk_tenant_certificate_expiry_timestamp_seconds acme":        1800000000,
		"soctalk_tenant_certificate_expiry_timestamp_seconds beta":        1800000001,
		"soctalk_tenant_certificate_served_expiry_timestamp_seconds acme": 1790000000,
	}
	filled := prometheus.NewPedanticRegistry()
	filled.MustRegister(NewCollector(cache))
	families, err := filled.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			got[family.GetName()+" "+metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("metrics %v, want %v", got, want)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(tenantsInCache{err: errors.New("the cache is not filled yet")}))
	if _, err := registry.Gather(); err == nil {
		t.Error("a cache that cannot be read looks like a cluster without tenants")
	}
}
