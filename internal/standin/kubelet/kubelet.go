// Package kubelet is the small part of a kubelet's own API that kubectl needs:
// port-forward and logs. It has no port: kube-apiserver's connections arrive
// through package egress and are handed to [Kubelet.Take].
package kubelet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
)

// Port is the one a node's status names for its kubelet.
const Port = 10250

// Options says how pods are reached.
type Options struct {
	// DialPod connects to a port of a running pod.
	DialPod func(ctx context.Context, namespace, name string, port int32) (net.Conn, error)
	// LogFile is where a container's output goes; ok is false for one without any.
	LogFile func(namespace, name, container string) (path string, ok bool)
	Log     *slog.Logger
}

// Kubelet serves connections given to it.
type Kubelet struct {
	Options

	server *http.Server
	conns  *handed
	ctx    context.Context
	cancel context.CancelFunc
}

// Start makes a kubelet with a certificate of its own, which nobody checks: who
// can reach it has passed the socket's permissions.
func Start(options Options) (*Kubelet, error) {
	certificate, err := selfSigned()
	if err != nil {
		return nil, err
	}
	k := &Kubelet{Options: options, conns: newHanded()}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.portForward)
	mux.HandleFunc("/portForward/{namespace}/{pod}/{uid}", k.portForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.logs)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	k.server = &http.Server{
		Handler:     mux,
		BaseContext: func(net.Listener) context.Context { return k.ctx },
		ErrorLog:    slog.NewLogLogger(options.Log.Handler(), slog.LevelDebug),
	}
	// HTTP/1.1 only: port-forward upgrades the connection.
	listener := tls.NewListener(k.conns, &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	go func() { _ = k.server.Serve(listener) }()
	return k, nil
}

// Take serves one connection.
func (k *Kubelet) Take(conn net.Conn) { k.conns.hand(conn) }

// Stop ends every connection.
func (k *Kubelet) Stop() {
	k.cancel()
	_ = k.server.Close()
	_ = k.conns.Close()
}

// Waiting times of a real kubelet.
const (
	idleTimeout     = 4 * time.Hour
	creationTimeout = 30 * time.Second
)

func (k *Kubelet) portForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	forwarder := &forwarder{kubelet: k, namespace: r.PathValue("namespace")}
	portforward.ServePortForward(w, r, forwarder, r.PathValue("pod"), r.PathValue("uid"), options,
		idleTimeout, creationTimeout, portforward.SupportedProtocols)
}

type forwarder struct {
	kubelet   *Kubelet
	namespace string
}

// PortForward carries one forwarded connection.
func (f *forwarder) PortForward(_ context.Context, name, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := f.kubelet.DialPod(f.kubelet.ctx, f.namespace, name, port)
	if err != nil {
		return fmt.Errorf("port %d of pod %s/%s: %w", port, f.namespace, name, err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(f.kubelet.ctx, func() { _ = conn.Close() })()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(conn, stream)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err = io.Copy(stream, conn)
	_ = stream.Close()
	network.Reset(conn)
	<-sent
	if errors.Is(err, io.EOF) {
		return nil // the stream's way of saying that whoever forwarded has hung up
	}
	return err
}

// followInterval is how often a followed log is looked at.
const followInterval = 100 * time.Millisecond

func (k *Kubelet) logs(w http.ResponseWriter, r *http.Request) {
	path, ok := k.LogFile(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if !ok {
		http.Error(w, "this container only plays a part in the stand-in and prints nothing", http.StatusNotFound)
		return
	}
	file, err := os.Open(path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer func() { _ = file.Close() }()
	if lines, err := strconv.Atoi(r.URL.Query().Get("tailLines")); err == nil {
		if err := seekLastLines(file, lines); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	follow := r.URL.Query().Get("follow") == "true"
	for {
		if _, err := io.Copy(w, file); err != nil || !follow {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(followInterval):
		}
	}
}

// seekLastLines leaves the file where its last lines begin.
func seekLastLines(file *os.File, lines int) error {
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	start := len(data)
	for i := len(data) - 2; i >= 0 && lines > 0; i-- {
		start = i
		if data[i] == '\n' {
			if lines--; lines == 0 {
				start = i + 1
			}
		}
	}
	_, err = file.Seek(int64(start), io.SeekStart)
	return err
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"kubelet"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
