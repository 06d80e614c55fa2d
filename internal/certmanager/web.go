package certmanager

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// Web is the way to port 80 of names that only a test's name server knows. Opening
// the real port takes root; here every address has its port 80 at [Web.Port], which
// Pebble is told, and cert-manager reaches it through an HTTP proxy, one of the ways
// it can be set up.
type Web struct {
	// Proxy is the URL for cert-manager's HTTP_PROXY.
	Proxy string
	// Port stands for 80.
	Port int

	server *http.Server
}

// StartWeb resolves names at nameServer, host:port.
func StartWeb(nameServer string) (*Web, error) {
	free, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, text, _ := net.SplitHostPort(free)
	w := &Web{}
	if w.Port, err = strconv.Atoi(text); err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	w.Proxy = (&url.URL{Scheme: "http", Host: listener.Addr().String()}).String()
	dialer := &net.Dialer{Timeout: 3 * time.Second, Resolver: &net.Resolver{PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, network, nameServer)
		}}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil || port != "80" {
				return nil, fmt.Errorf("%q: only port 80 is led anywhere", address)
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort(host, text))
		}},
		ErrorHandler: func(response http.ResponseWriter, _ *http.Request, err error) {
			http.Error(response, err.Error(), http.StatusBadGateway)
		},
	}
	w.server = &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = w.server.Serve(listener) }()
	return w, nil
}

// Stop ends the proxy.
func (w *Web) Stop() { _ = w.server.Close() }
