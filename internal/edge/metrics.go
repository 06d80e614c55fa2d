package edge

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// collector turns the status into metrics at the moment they are asked for.
type collector struct{ edge *Edge }

// metric describes one; per tenant and port unless it says otherwise.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("soctalk_edge_"+name, help, labels, nil)
}

// Describe sends nothing: the set of tenants is not known beforehand.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads HAProxy's tables and sends the sums.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), runtimeTimeout)
	defer cancel()
	err := c.edge.count(ctx)
	status := c.edge.Status()
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	truth := map[bool]float64{true: 1}
	send(metric("haproxy_up", "Whether HAProxy answers."), prometheus.GaugeValue, truth[err == nil])
	send(metric("in_step", "Whether HAProxy and its files are as the routes say."), prometheus.GaugeValue, truth[status.InStep])
	send(metric("changes_total", "Tenants added, changed, suspended or removed."), prometheus.CounterValue, float64(status.Counts.Changes))
	send(metric("drift_total", "Comparisons that found HAProxy or a file other than it should be."), prometheus.CounterValue, float64(status.Counts.Drift))
	send(metric("resyncs_total", "Maps replaced as a whole."), prometheus.CounterValue, float64(status.Counts.Resyncs))
	send(metric("haproxy_starts_total", "Starts and reloads of HAProxy."), prometheus.CounterValue, float64(status.Counts.Starts))
	send(metric("errors_total", "Steps that failed."), prometheus.CounterValue, float64(status.Counts.Errors))
	refused := 0
	for _, tenant := range status.Tenants {
		if tenant.Refused != "" {
			refused++
		}
		for port, counters := range tenant.Counters {
			collectPort(send, tenant.Tenant, port, counters)
		}
	}
	send(metric("tenants", "Tenants this edge knows."), prometheus.GaugeValue, float64(len(status.Tenants)))
	send(metric("tenants_refused", "Tenants whose route cannot be served."), prometheus.GaugeValue, float64(refused))
}

func collectPort(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string), tenant, port string, counters haproxy.Counters) {
	labels := []string{"tenant", "port"}
	send(metric("sessions", "Sessions now.", labels...), prometheus.GaugeValue, float64(counters.Current), tenant, port)
	send(metric("connections_total", "Connections, rejected ones among them.", labels...), prometheus.CounterValue, float64(counters.Total), tenant, port)
	send(metric("received_bytes_total", "Bytes from agents.", labels...), prometheus.CounterValue, float64(counters.In), tenant, port)
	send(metric("sent_bytes_total", "Bytes to agents.", labels...), prometheus.CounterValue, float64(counters.Out), tenant, port)
	for i, reason := range haproxy.Reasons() {
		send(metric("rejected_total", "Connections rejected, by reason.", "tenant", "port", "reason"),
			prometheus.CounterValue, float64(counters.Rejected[i]), tenant, port, reason)
	}
}
