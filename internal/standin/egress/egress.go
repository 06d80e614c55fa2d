// Package egress is the way from kube-apiserver into the cluster: an HTTP
// CONNECT proxy on a unix socket. The API server asks it for kubelets, pods and
// Services, whose addresses are fictions here; the proxy asks back what is behind.
//
// The socket is the protection: only its owner can connect. Start with [Start].
package egress

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
)

// Options says where the proxy listens and where connections go.
type Options struct {
	// Socket is the path of the unix socket.
	Socket string
	// Take, when it knows the address, is given the connection itself.
	Take func(address string) (take func(net.Conn), ok bool)
	// Dial connects to any other address.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	Log  *slog.Logger
}

// Proxy is a running proxy.
type Proxy struct {
	Options

	ctx    context.Context
	cancel context.CancelFunc
	server *http.Server
	relays sync.WaitGroup
}

// Start listens on the socket, replacing one that a dead process left.
func Start(options Options) (*Proxy, error) {
	if err := os.Remove(options.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := net.Listen("unix", options.Socket)
	if err != nil {
		return nil, fmt.Errorf("egress socket: %w", err)
	}
	if err := os.Chmod(options.Socket, 0o600); err != nil {
		_ = listener.Close()
		return nil, err
	}
	p := &Proxy{Options: options}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.server = &http.Server{Handler: p, ErrorLog: slog.NewLogLogger(options.Log.Handler(), slog.LevelDebug)}
	p.relays.Go(func() { _ = p.server.Serve(listener) })
	return p, nil
}

// Stop ends the listener and every connection through it.
func (p *Proxy) Stop() {
	p.cancel()
	_ = p.server.Close()
	p.relays.Wait()
}

// ServeHTTP answers CONNECT host:port.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT is offered here", http.StatusMethodNotAllowed)
		return
	}
	if take, ok := p.Take(r.Host); ok {
		if conn := p.accept(w); conn != nil {
			take(conn)
		}
		return
	}
	backend, err := p.Dial(r.Context(), r.Host)
	if err != nil {
		p.Log.Debug("egress: refused", "address", r.Host, "error", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	conn := p.accept(w)
	if conn == nil {
		_ = backend.Close()
		return
	}
	p.relays.Go(func() {
		defer context.AfterFunc(p.ctx, func() {
			_ = conn.Close()
			_ = backend.Close()
		})()
		network.Relay(conn, backend)
	})
}

// accept turns the request into a plain connection.
func (p *Proxy) accept(w http.ResponseWriter) net.Conn {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	// The API server says nothing before it has read the answer.
	if buffered.Reader.Buffered() > 0 {
		_ = conn.Close()
		return nil
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return nil
	}
	return conn
}
