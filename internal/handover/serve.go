package handover

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/throttle"
	"github.com/soctalk/soctalk-ingress/internal/website"
)

// Options say how the links are served.
type Options struct {
	// Client to the API server, with the rights of files/handover/role.yaml.
	Client client.Client
	// Listener of the page.
	Listener net.Listener
	// Metrics serves /metrics and /healthz; nil means nowhere.
	Metrics net.Listener
	// CertDir holds tls.crt and tls.key, read again when they change. Empty means
	// plain HTTP, for behind a proxy that speaks TLS.
	CertDir string
	// Proxies may say, in X-Forwarded-For, for whom they forward.
	Proxies []netip.Prefix
	Log     *slog.Logger
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// limits of presses of the button. A token cannot be guessed (256 bits); they protect
// the API server behind us.
var limits = throttle.Limits{Burst: 10, Refill: 6 * time.Second, Site: 100, SiteRate: 20}

// metrics are what Prometheus reads. No label holds anything a caller chose.
type metrics struct {
	registry *prometheus.Registry
	opens    *prometheus.CounterVec
	seconds  prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		opens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "soctalk_handover_opens_total", Help: "Presses of the button, by what came of them.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "soctalk_handover_open_seconds", Help: "How long a press of the button took.", Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 9),
		}),
	}
	m.registry.MustRegister(m.opens, m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// NewSite makes the page and its button; see [Site.Handler].
func NewSite(options Options) *Site {
	now := options.Now
	if now == nil {
		now = time.Now
	}
	return &Site{
		opener: &Opener{Client: options.Client, Now: now, Warn: func(err error) { options.Log.Warn("audit", "detail", err.Error()) }},
		log:    options.Log, limits: throttle.New(limits), metrics: newMetrics(), proxies: options.Proxies,
	}
}

// stopPatience lets an opening that is under way finish: its link is spent.
const stopPatience = openPatience + 5*time.Second

// Serve serves links until the context ends.
func Serve(ctx context.Context, options Options) error {
	site := NewSite(options)
	sites := []website.Site{{Listener: options.Listener, CertDir: options.CertDir, Handler: site.Handler(), Answer: time.Minute}}
	if options.Metrics != nil {
		sites = append(sites, website.Site{Listener: options.Metrics, Handler: site.metricsHandler(), Answer: time.Minute})
	}
	ctx, cancel := context.WithCancel(ctx)
	return website.Serve(ctx, cancel, stopPatience, options.Log, sites...)
}

func (s *Site) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return mux
}
