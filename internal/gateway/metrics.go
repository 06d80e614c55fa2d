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
			Name: prefix + "attempts_total", Help: "connections to the enrollment port, by how and why they ended",
		}, []string{"outcome", "reason"}),
		handshake: histogram("handshake_seconds", "TLS handshakes that succeeded"),
		queued:    histogram("queue_seconds", "how long requests waited for their turn at the manager"),
		manager:   histogram("manager_seconds", "how long the manager took to answer"),
		unconfirmed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "unconfirmed_total", Help: "enrollments the manager's database did not confirm",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "answers_lost_total", Help: "enrolled agents whose host was gone before its key came",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "reload_failures_total", Help: "changed files that could not be used, by file",
		}, []string{"file"}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, value)
	}
	m.registry.MustRegister(
		m.attempts, m.handshake, m.queued, m.manager, m.unconfirmed, m.lost, m.reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("connections", "open connections to the enrollment port", func() float64 { return float64(g.door.Open()) }),
		gauge("queue_length", "requests that wait for their turn at the manager", func() float64 { return float64(g.upstream.Waiting()) }),
		gauge("policy_generation", "generation of the policy in force", func() float64 { return float64(g.policies.get().Generation) }),
		gauge("certificate_expiry_timestamp_seconds", "when the served certificate expires", func() float64 { return float64(g.certificate.leaf().NotAfter.Unix()) }),
		gauge("manager_up", "1 if authd answered when it was asked last, and knows us", func() float64 {
			if g.manager.state().Up {
				return 1
			}
			return 0
		}),
	)
	return m
}
