package handover

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/ca"
)

// The page serves the certificate in its folder, and a renewed one without a
// restart.
func TestServeTakesOverARenewedCertificate(t *testing.T) {
	authority, err := ca.New("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	renew := func() *x509.Certificate {
		pair, err := authority.Issue([]string{"onboard.example.com"}, time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"tls.crt": pair.CertPEM, "tls.key": pair.KeyPEM} {
			if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		both, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		return both.Leaf
	}
	first := renew()
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return listener
	}
	page, metrics := listen(), listen()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, Options{Listener: page, Metrics: metrics, CertDir: folder, Log: slog.New(slog.DiscardHandler)})
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertPEM)
	served := func() *x509.Certificate {
		connection, err := tls.Dial("tcp", page.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "onboard.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		return connection.ConnectionState().PeerCertificates[0]
	}
	if !served().Equal(first) {
		t.Error("another certificate is served")
	}
	second := renew()
	deadline := time.Now().Add(30 * time.Second)
	for !served().Equal(second) {
		if time.Now().After(deadline) {
			t.Fatal("the renewed certificate is not served")
		}
		time.Sleep(50 * time.Millisecond)
	}
	response, err := http.Get("http://" + metrics.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || !bytes.Contains(text, []byte("soctalk_handover_open_seconds")) {
		t.Errorf("metrics: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the end: %v", err)
	}
}
