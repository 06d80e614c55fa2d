package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /metrics for Prometheus and /healthz; beside HAProxy, on the
// edge's own socket, /status and /agents too.
func (e *Edge) Handler(own bool) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{edge: e})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !e.Status().InStep {
			http.Error(w, "haproxy does not carry the routes as they are", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	if own {
		mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
			e.answer(r.Context(), w, func() any { return e.Status() })
		})
		mux.HandleFunc("GET /agents", func(w http.ResponseWriter, r *http.Request) {
			e.answer(r.Context(), w, func() any { return e.Agents() })
		})
	}
	return mux
}

// answer counts first, so that the numbers are of now. When HAProxy is away
// they are of before, which the status says.
func (e *Edge) answer(ctx context.Context, w http.ResponseWriter, value func() any) {
	_ = e.count(ctx)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value()) // the asker is gone
}

// serveStatus listens on the edge's own socket, which only its user may open.
func (e *Edge) serveStatus() (stop func(), err error) {
	file := filepath.Join(e.config.Dir, fileStatus)
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", file)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	own := &http.Server{Handler: e.Handler(true), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = own.Serve(listener) }() // ends with Close
	if e.options.Metrics == "" {
		return func() { _ = own.Close() }, nil
	}
	open, err := net.Listen("tcp", e.options.Metrics)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve metrics: %w", err), own.Close())
	}
	metrics := &http.Server{Handler: e.Handler(false), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = metrics.Serve(open) }() // ends with Close
	return func() { _ = errors.Join(own.Close(), metrics.Close()) }, nil
}

// Ask reads /status or /agents of the edge whose folder this is.
func Ask(ctx context.Context, dir, path string, into any) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", filepath.Join(dir, fileStatus))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://edge"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the edge: %w; is soctalk-ingress edge run running with --dir %s?", err, dir)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the edge: %s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
