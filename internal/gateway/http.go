package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
)

// server is one of our two HTTP ports.
type server struct {
	listener net.Listener
	http     *http.Server
	done     sync.WaitGroup
}

func listenHTTP(address string, handler http.Handler, config *tls.Config, log *slog.Logger) (*server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &server{listener: listener, http: &http.Server{
		Handler: handler, TLSConfig: config,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
		// Failed handshakes and the like; scanners cause plenty.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	s.done.Go(func() {
		if config != nil {
			_ = s.http.ServeTLS(listener, "", "")
			return
		}
		_ = s.http.Serve(listener)
	})
	return s, nil
}

func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.done.Wait()
	return err
}

// serveHTTP opens the admin port, and the one for Prometheus and the kubelet.
func (g *Gateway) serveHTTP() error {
	handler := admin.Handler(g, func() string { return g.adminToken.get().Reveal() })
	a, err := listenHTTP(g.c.Admin, handler, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.adminCert.get}, g.log)
	if err != nil {
		return err
	}
	g.servers = append(g.servers, a)
	m, err := listenHTTP(g.c.Metrics, g.metricsHandler(), nil, g.log)
	if err != nil {
		return err
	}
	g.servers = append(g.servers, m)
	return nil
}

func (g *Gateway) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	// Whatever goes wrong later does not make us unready: we share a pod with the
	// events port, which must go on receiving.
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	return mux
}

// State says how the gateway is doing.
func (g *Gateway) State() admin.State {
	return admin.State{
		Instance: g.instance, Started: g.started,
		Policy: g.policies.state(g.uses.Counts()), Certificate: g.certificate.state(), Manager: g.manager.state(),
		Connections: g.door.Open(), Waiting: g.upstream.Waiting(), LastEnrollment: g.audit.Last(),
	}
}

// Enrollments returns a part of the enrollment log.
func (g *Gateway) Enrollments(after uint64, limit int) audit.Page {
	return g.audit.After(after, limit)
}
