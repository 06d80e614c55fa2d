package console

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

// Site says where a console is served.
type Site struct {
	Listener net.Listener
	// CertDir holds tls.crt and tls.key, read again when they change. Empty means
	// plain HTTP, for behind a proxy that speaks TLS, or on loopback.
	CertDir string
}

// stopPatience is how long requests under way may take when the console ends: a
// secret that is spent should reach its reader.
const stopPatience = 20 * time.Second

// Serve answers until the context ends.
func Serve(ctx context.Context, site Site, options Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler: New(ctx, options).Handler(),
		// Streams have deadlines of their own.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(options.Log.Handler(), slog.LevelDebug),
	}
	var running sync.WaitGroup
	failed := make(chan error, 2)
	if site.CertDir != "" {
		watcher, err := certwatcher.New(filepath.Join(site.CertDir, "tls.crt"), filepath.Join(site.CertDir, "tls.key"))
		if err != nil {
			return fmt.Errorf("certificate in %q: %w", site.CertDir, err)
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate}
		running.Go(func() { failed <- watcher.Start(ctx) })
	}
	running.Go(func() {
		err := error(nil)
		if server.TLSConfig != nil {
			err = server.ServeTLS(site.Listener, "", "")
		} else {
			err = server.Serve(site.Listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	})
	options.Log.Info("serving", "address", site.Listener.Addr().String(), "tls", site.CertDir != "")
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel() // ends the visits, and with them the streams
	patient, done := context.WithTimeout(context.Background(), stopPatience)
	defer done()
	if stopped := server.Shutdown(patient); stopped != nil {
		err = errors.Join(err, stopped, server.Close())
	}
	running.Wait()
	return err
}
