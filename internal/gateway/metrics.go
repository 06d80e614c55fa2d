package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what Prometheus reads. No label holds anything a peer chose.
type metrics struct {
	registry    *prometheus.Registry
	attempts    *prometheus.CounterVec
	handshake   prometheus.Histogram
	queued      prometheus.Histogram
	manager     prometheus.Histogram
	unconfirmed prometheus.Counter
	lost        prometheus.Counter
	reloads     *prometheus.CounterVec
}

const prefix = "soctalk_gateway_"

func newMetrics(g *Gateway) *metrics {
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12), // to 24 s
		})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "attempts_total", Help: "Connections to the enrollment port, by how and why they ended.",
		}, []string{"outcome", "reason"}),
		handshake: histogram("handshake_seconds", "How long TLS handshakes took that succeeded."),
		queued:    histogram("queue_seconds", "How long requests waited for their turn at the manager."),
		manager:   histogram("manager_seconds", "How long the manager took to answer."),
		unconfirmed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "unconfirmed_total", Help: "Enrollments that the manager's database did not confirm.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "answers_lost_total", Help: "Enrolled agents whose host was gone before its key came.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "reload_failures_total", Help: "Changed files that could not be used, by file.",
		}, []string{"file"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, value)
	}
	m.registry.MustRegister(
		m.attempts, m.handshake, m.queued, m.manager, m.unconfirmed, m.lost, m.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("connections", "Open connections to the enrollment port.", func() float64 { return float64(g.door.Open()) }),
		gauge("queue_length", "Requests that wait for their turn at the manager.", func() float64 { return float64(g.upstream.Waiting()) }),
		gauge("policy_generation", "Generation of the policy in force.", func() float64 { return float64(g.policies.get().Generation) }),
		gauge("certificate_expiry_timestamp_seconds", "When the served certificate expires, in seconds since 1970.", func() float64 { return float64(g.certificate.leaf().NotAfter.Unix()) }),
		gauge("manager_up", "Whether authd answered when it was asked last, and knows the gateway.", func() float64 {
			if g.manager.state().Up {
				return 1
			}
			return 0
		}),
	)
	return m
}
