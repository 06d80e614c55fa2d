package handover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/throttle"
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

// Serve serves links until the context ends.
func Serve(ctx context.Context, options Options) error {
	site := NewSite(options)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var config *tls.Config
	var running sync.WaitGroup
	failed := make(chan error, 3)
	if options.CertDir != "" {
		watcher, err := certwatcher.New(filepath.Join(options.CertDir, "tls.crt"), filepath.Join(options.CertDir, "tls.key"))
		if err != nil {
			return fmt.Errorf("certificate in %q: %w", options.CertDir, err)
		}
		config = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
		running.Go(func() { failed <- watcher.Start(ctx) })
	}
	page := newServer(site.Handler(), config, options.Log)
	servers := []*http.Server{page}
	running.Go(func() { failed <- serve(page, options.Listener) })
	if options.Metrics != nil {
		metrics := newServer(site.metricsHandler(), nil, options.Log)
		servers = append(servers, metrics)
		running.Go(func() { failed <- serve(metrics, options.Metrics) })
	}
	options.Log.Info("serving", "address", options.Listener.Addr().String(), "tls", config != nil)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	for _, server := range servers {
		err = errors.Join(err, stop(server))
	}
	running.Wait()
	return err
}

func newServer(handler http.Handler, config *tls.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, TLSConfig: config,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
		// Failed handshakes and the like; scanners cause plenty.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func serve(server *http.Server, listener net.Listener) error {
	err := error(nil)
	if server.TLSConfig != nil {
		err = server.ServeTLS(listener, "", "")
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// stop lets an opening that is under way finish: its link is spent.
func stop(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), openPatience+5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

func (s *Site) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return mux
}
