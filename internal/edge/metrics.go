package edge

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// collector turns the status into metrics at the moment they are asked for.
type collector struct{ edge *Edge }

func newRegistry(e *Edge) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{edge: e}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("soctalk_edge_"+name, help, labels, nil)
}

func perPort(name, help string, labels ...string) *prometheus.Desc {
	return metric(name, help, append([]string{"tenant", "port"}, labels...)...)
}

var (
	metricUp           = metric("haproxy_up", "Whether HAProxy answers.")
	metricInStep       = metric("in_step", "Whether HAProxy and its files are as the routes say.")
	metricDiskWritable = metric("disk_writable", "Whether the edge's files could be written when it last tried.")
	metricUnwritten    = metric("changes_unwritten", "Tenants of whom a change is not on the disk; what it takes away is closed in the running HAProxy alone.")
	metricConnections  = metric("haproxy_connections", "Connections now, of all tenants; absent while HAProxy does not answer.")
	metricLimit        = metric("haproxy_connections_limit", "How many connections HAProxy takes at a time, its maxconn; absent while it does not answer.")
	metricTenants      = metric("tenants", "Tenants this edge knows.")
	metricRefused      = metric("tenants_refused", "Tenants whose route cannot be served.")
	metricChanges      = metric("changes_total", "Tenants added, changed, suspended or removed.")
	metricDrift        = metric("drift_total", "Comparisons that found HAProxy or a file other than it should be.")
	metricResyncs      = metric("resyncs_total", "Maps replaced as a whole.")
	metricStarts       = metric("haproxy_starts_total", "Starts and reloads of HAProxy.")
	metricErrors       = metric("errors_total", "Steps that failed.")
	metricSessions     = perPort("sessions", "Sessions now.")
	metricTotal        = perPort("connections_total", "Connections, rejected ones among them.")
	metricReceived     = perPort("received_bytes_total", "Bytes from agents.")
	metricSent         = perPort("sent_bytes_total", "Bytes to agents.")
	metricRejected     = perPort("rejected_total", "Connections rejected, by reason.", "reason")
)

// Describe tells the metrics.
func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		metricUp, metricInStep, metricDiskWritable, metricUnwritten, metricConnections, metricLimit, metricTenants, metricRefused, metricChanges, metricDrift, metricResyncs,
		metricStarts, metricErrors, metricSessions, metricTotal, metricReceived, metricSent, metricRejected,
	} {
		out <- desc
	}
}

// Collect reads HAProxy's tables and sends the sums.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), runtimeTimeout)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	truth := map[bool]float64{true: 1}
	err := c.edge.count(ctx)
	gauge(metricUp, truth[err == nil])
	if info, err := c.edge.runtime.info(ctx); err == nil {
		for desc, key := range map[*prometheus.Desc]string{metricConnections: "CurrConns", metricLimit: "Maxconn"} {
			if value, err := strconv.ParseFloat(info[key], 64); err == nil {
				gauge(desc, value)
			}
		}
	}
	status := c.edge.Status()
	gauge(metricInStep, truth[status.InStep])
	gauge(metricDiskWritable, truth[!status.DiskFails])
	gauge(metricUnwritten, float64(status.Unwritten))
	counter(metricChanges, status.Counts.Changes)
	counter(metricDrift, status.Counts.Drift)
	counter(metricResyncs, status.Counts.Resyncs)
	counter(metricStarts, status.Counts.Starts)
	counter(metricErrors, status.Counts.Errors)
	refused := 0
	for _, tenant := range status.Tenants {
		if tenant.Refused != "" {
			refused++
		}
		for port, counters := range tenant.Counters {
			gauge(metricSessions, float64(counters.Current), tenant.Tenant, port)
			counter(metricTotal, counters.Total, tenant.Tenant, port)
			counter(metricReceived, counters.In, tenant.Tenant, port)
			counter(metricSent, counters.Out, tenant.Tenant, port)
			for i, reason := range haproxy.Reasons() {
				counter(metricRejected, counters.Rejected[i], tenant.Tenant, port, reason)
			}
		}
	}
	gauge(metricTenants, float64(len(status.Tenants)))
	gauge(metricRefused, float64(refused))
}
