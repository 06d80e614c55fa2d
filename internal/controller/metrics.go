package controller

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// collector tells when certificates expire, from the tenants' statuses and at the
// moment somebody asks. It keeps nothing, so a tenant that is gone is gone.
type collector struct{ cached client.Reader }

// NewCollector reads the tenants from a cache.
func NewCollector(cached client.Reader) prometheus.Collector { return collector{cached} }

var (
	metricExpiry = prometheus.NewDesc("soctalk_tenant_certificate_expiry_timestamp_seconds",
		"When the certificate in the tenant's Secret expires, in seconds since 1970.", []string{"tenant"}, nil)
	metricServedExpiry = prometheus.NewDesc("soctalk_tenant_certificate_served_expiry_timestamp_seconds",
		"When the certificate that the tenant's enrollment port was last seen serving expires, in seconds since 1970.", []string{"tenant"}, nil)
)

// collectTimeout bounds a read of the cache.
const collectTimeout = 5 * time.Second

// Describe tells the metrics.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	out <- metricExpiry
	out <- metricServedExpiry
}

// Collect sends one value of each for every tenant that has a certificate.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var tenants v1alpha1.TenantList
	if err := c.cached.List(ctx, &tenants); err != nil {
		out <- prometheus.NewInvalidMetric(metricExpiry, err)
		return
	}
	for _, tenant := range tenants.Items {
		certificate := tenant.Status.Certificate
		if certificate == nil {
			continue
		}
		out <- prometheus.MustNewConstMetric(metricExpiry, prometheus.GaugeValue, float64(certificate.NotAfter.Unix()), tenant.Name)
		if certificate.Served != nil {
			out <- prometheus.MustNewConstMetric(metricServedExpiry, prometheus.GaugeValue, float64(certificate.Served.NotAfter.Unix()), tenant.Name)
		}
	}
}
