package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /metrics for Prometheus and /healthz; on the edge's own socket
// and its admin port, which not everybody reaches, /status and /agents too.
func (e *Edge) Handler(own bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(e), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !e.Status().InStep {
			http.Error(w, "haproxy or its files are not as the routes say; soctalk-ingress edge status says why", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	if own {
		mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
			e.answer(r.Context(), w, func() any { return e.Status() })
		})
		mux.HandleFunc("GET /agents", func(w http.ResponseWriter, r *http.Request) {
			e.answer(r.Context(), w, func() any { return e.Agents(r.URL.Query().Get("tenant")) })
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

// ownSocket is the edge's own, which only its user may open. On a disk that may only
// be read there is none.
func (e *Edge) ownSocket() (net.Listener, error) {
	file := filepath.Join(e.config.Dir, fileStatus)
	err := os.Remove(file)
	if errors.Is(err, syscall.EROFS) {
		e.log.Error("edge status and edge agents cannot ask this edge", "error", err.Error())
		return nil, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", file)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// serveStatus listens on the edge's own socket and where the options say.
func (e *Edge) serveStatus() (stop func(), err error) {
	own, err := e.ownSocket()
	if err != nil {
		return nil, err
	}
	var stops []func() error
	if own != nil {
		stops = append(stops, serveHTTP(own, e.Handler(true)))
	}
	stop = func() {
		for _, end := range stops {
			_ = end()
		}
	}
	for _, door := range []struct {
		address string
		own     bool
		what    string
	}{{e.options.Metrics, false, "metrics"}, {e.options.Admin, true, "the admin port"}} {
		if door.address == "" {
			continue
		}
		open, err := net.Listen("tcp", door.address)
		if err != nil {
			stop()
			return nil, fmt.Errorf("serve %s: %w", door.what, err)
		}
		stops = append(stops, serveHTTP(open, e.Handler(door.own)))
	}
	return stop, nil
}

func serveHTTP(listener net.Listener, handler http.Handler) (end func() error) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	return server.Close
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// Dialer opens a connection to an edge.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Beside dials the edge whose folder this is.
func Beside(dir string) Dialer {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "unix", filepath.Join(dir, fileStatus))
		if err != nil {
			err = fmt.Errorf("%w; is soctalk-ingress edge run running with --dir %s?", err, dir)
		}
		return conn, err
	}
}

// AskStatus reads how an edge is doing.
func AskStatus(ctx context.Context, dial Dialer) (status Status, err error) {
	return status, ask(ctx, dial, "/status", &status)
}

// AskAgents reads from where an edge saw agents come; an empty tenant means of
// all tenants.
func AskAgents(ctx context.Context, dial Dialer, tenant string) ([]Agent, error) {
	agents := []Agent{}
	err := ask(ctx, dial, "/agents?"+url.Values{"tenant": {tenant}}.Encode(), &agents)
	return agents, err
}

func ask(ctx context.Context, dial Dialer, path string, into any) error {
	client := &http.Client{Timeout: 2 * runtimeTimeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://edge"+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the edge: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the edge: %s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
