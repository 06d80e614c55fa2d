package controller

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// collector tells how tenants and Regions are doing, from their objects and at the
// moment somebody asks. It keeps nothing, so a tenant that is gone is gone.
type collector struct {
	cached  client.Reader
	answers *answers
	// elected is closed once this replica works; nil means that it always does. One
	// that stands by fills no cache, and would tell what the other tells.
	elected <-chan struct{}
	now     func() time.Time
}

// NewCollector reads tenants and Regions from a cache.
func NewCollector(cached client.Reader) prometheus.Collector {
	return collector{cached: cached, answers: &answers{}, now: time.Now}
}

func perTenant(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("soctalk_tenant_"+name, help, append([]string{"tenant"}, labels...), nil)
}

var (
	metricInfo      = perTenant("info", "Where the tenant belongs and what it runs; always 1.", "region", "mode", "version")
	metricCondition = perTenant("condition", "Each condition with the status and reason it has now; always 1.", "type", "status", "reason")
	metricAgents    = perTenant("agents", "Agents by the manager's own connection states; absent while the manager does not answer.", "status")
	metricAnswer    = perTenant("manager_answer_timestamp_seconds", "When the manager's API last answered this operator, in seconds since 1970.")
	metricExpiry    = perTenant("certificate_expiry_timestamp_seconds",
		"When the certificate in the tenant's Secret expires, in seconds since 1970.")
	metricServedExpiry = perTenant("certificate_served_expiry_timestamp_seconds",
		"When the certificate that the tenant's enrollment port was last seen serving expires, in seconds since 1970.")
	metricOffboarding = perTenant("offboarding_step_timestamp_seconds",
		"When the offboarding's step that is under way began, in seconds since 1970; absent unless the tenant is being removed.", "step")
	metricPairs = prometheus.NewDesc("soctalk_region_edge_port_pairs",
		"Pairs of ports of the Region's edge range, by state: free, held by a tenant, or resting after an offboarding.", []string{"region", "state"}, nil)
)

// collectTimeout bounds a read of the cache.
const collectTimeout = 5 * time.Second

// Describe tells the metrics.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		metricInfo, metricCondition, metricAgents, metricAnswer, metricExpiry, metricServedExpiry, metricOffboarding, metricPairs,
	} {
		out <- desc
	}
}

// Collect sends the values of every tenant and every Region.
func (c collector) Collect(out chan<- prometheus.Metric) {
	if c.elected != nil {
		select {
		case <-c.elected:
		default:
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	if err := c.collect(ctx, out); err != nil {
		out <- prometheus.NewInvalidMetric(metricInfo, err)
	}
}

func (c collector) collect(ctx context.Context, out chan<- prometheus.Metric) error {
	var tenants v1alpha1.TenantList
	var regions v1alpha1.RegionList
	var claims v1alpha1.ClaimList
	for _, list := range []client.ObjectList{&tenants, &regions, &claims} {
		// Thousands, at every look, and nothing of them is changed here.
		if err := c.cached.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return err
		}
	}
	known := make(map[string]bool, len(tenants.Items))
	for i := range tenants.Items {
		known[tenants.Items[i].Name] = true
		collectTenant(out, &tenants.Items[i])
	}
	for tenant, at := range c.answers.of(known) {
		out <- prometheus.MustNewConstMetric(metricAnswer, prometheus.GaugeValue, seconds(at), tenant)
	}
	held := plan.Holders(claims.Items)
	for _, region := range regions.Items {
		if region.Spec.Edge == nil {
			continue
		}
		for state, count := range plan.CountPairs(region.Name, region.Spec.Edge.Ports, held, c.now()) {
			out <- prometheus.MustNewConstMetric(metricPairs, prometheus.GaugeValue, float64(count), region.Name, string(state))
		}
	}
	return nil
}

func collectTenant(out chan<- prometheus.Metric, tenant *v1alpha1.Tenant) {
	send := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{tenant.Name}, labels...)...)
	}
	status := &tenant.Status
	version := ""
	if status.Manager != nil {
		version = status.Manager.Version
	}
	send(metricInfo, 1, status.Region, string(status.Mode), version)
	for _, condition := range status.Conditions {
		send(metricCondition, 1, condition.Type, string(condition.Status), condition.Reason)
	}
	if agents := status.Agents; agents != nil {
		send(metricAgents, float64(agents.Active), "active")
		send(metricAgents, float64(agents.Disconnected), "disconnected")
		send(metricAgents, float64(agents.Pending), "pending")
		send(metricAgents, float64(agents.NeverConnected), "never_connected")
	}
	if certificate := status.Certificate; certificate != nil {
		send(metricExpiry, seconds(certificate.NotAfter.Time))
		if certificate.Served != nil {
			send(metricServedExpiry, seconds(certificate.Served.NotAfter.Time))
		}
	}
	if leaving := status.Offboarding; leaving != nil && !leaving.StepSince.IsZero() {
		send(metricOffboarding, seconds(leaving.StepSince.Time), string(leaving.Step))
	}
}

func seconds(at time.Time) float64 { return float64(at.Unix()) }

// answers remembers when each tenant's manager answered last. Its zero value
// remembers nothing yet. A status does not hold it: that would be a write at each look.
type answers struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (a *answers) note(tenant string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = map[string]time.Time{}
	}
	a.last[tenant] = at
}

// of forgets tenants that are no more, and tells of the others.
func (a *answers) of(known map[string]bool) map[string]time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := make(map[string]time.Time, len(a.last))
	for tenant, at := range a.last {
		if !known[tenant] {
			delete(a.last, tenant)
			continue
		}
		told[tenant] = at
	}
	return told
}
