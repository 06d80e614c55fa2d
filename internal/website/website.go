// Package website serves pages to browsers: over TLS with a certificate that is followed
// as it is renewed, with headers that keep pages and their secrets to themselves, and with
// an end that lets requests under way finish.
package website

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// Site is what one listener serves.
type Site struct {
	Listener net.Listener
	Handler  http.Handler
	// CertDir holds tls.crt and tls.key, read again when they change. Empty means
	// plain HTTP, for behind a proxy that speaks TLS, or on loopback.
	CertDir string
	// Answer is how long one may take.
	Answer time.Duration
}

// Serve serves until the context ends, or one of the sites does. Then end is called,
// and requests under way have patience to finish.
func Serve(ctx context.Context, end context.CancelFunc, patience time.Duration, log *slog.Logger, sites ...Site) error {
	defer end()
	var running sync.WaitGroup
	failed := make(chan error, 2*len(sites))
	servers := make([]*http.Server, len(sites))
	for i, site := range sites {
		servers[i] = newServer(site, log)
		if site.CertDir == "" {
			continue
		}
		watcher, err := certwatcher.New(filepath.Join(site.CertDir, "tls.crt"), filepath.Join(site.CertDir, "tls.key"))
		if err != nil {
			return fmt.Errorf("certificate in %q: %w", site.CertDir, err)
		}
		servers[i].TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
		running.Go(func() { failed <- watcher.Start(ctx) })
	}
	for i, site := range sites {
		running.Go(func() { failed <- serve(servers[i], site.Listener) })
	}
	log.Info("serving", "address", sites[0].Listener.Addr().String(), "tls", sites[0].CertDir != "")
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end()
	for _, server := range servers {
		err = errors.Join(err, stop(server, patience))
	}
	running.Wait()
	return err
}

func newServer(site Site, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           site.Handler,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: site.Answer, IdleTimeout: site.Answer,
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

func stop(server *http.Server, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

// Guard puts on an answer what keeps a page to itself, and its secrets out of caches
// and referrers. The policy is the Content-Security-Policy's.
func Guard(w http.ResponseWriter, policy string) {
	for name, value := range map[string]string{
		"Content-Security-Policy":      policy,
		"Cache-Control":                "no-store",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"X-Robots-Tag":                 "noindex",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Strict-Transport-Security":    "max-age=31536000", // browsers heed it over TLS only
	} {
		w.Header().Set(name, value)
	}
}
