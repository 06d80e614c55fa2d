package certmanager

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// PebbleOptions say how to run the ACME server.
type PebbleOptions struct {
	// Binary is what [controlplane.Build] made of [controlplane.CertManager].
	Binary string
	// Dir takes configuration and log.
	Dir string
	// NameServer is host:port of the server at which challenges are looked up.
	NameServer string
	// Profiles are ACME profiles by name, with the lifetime of their certificates.
	// One is named "default".
	Profiles map[string]time.Duration
	// Blocked are domains it issues nothing for.
	Blocked []string
	// HTTPPort is where it fetches the proofs of HTTP-01: port 80 of its world.
	HTTPPort int
	// Accounts are those it wants to be named, key id and HMAC key (base64 URL
	// encoded), before it registers anybody; none means that anybody may come.
	Accounts map[string]string
}

// Pebble is a running ACME server, with strictness on.
type Pebble struct {
	// Directory is its URL, for an issuer's spec.acme.server.
	Directory string
	// CA, PEM, is the authority of its own HTTPS, for spec.acme.caBundle.
	CA []byte
	// Root, PEM, is the authority of what it issues: made anew at each start.
	Root []byte

	authority *ca.Authority
	process   *process.Process
}

// StartPebble returns when the server answers.
func StartPebble(ctx context.Context, options PebbleOptions) (*Pebble, error) {
	authority, err := ca.New("Pebble's HTTPS", time.Now())
	if err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	management, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file, err := writePebble(options, authority, listen, management)
	if err != nil {
		return nil, err
	}
	p := &Pebble{Directory: "https://" + named(listen) + "/dir", CA: authority.CertPEM, authority: authority}
	p.process, err = process.Start(process.Spec{
		Name: "pebble", Path: options.Binary,
		Args: []string{"pebble", "--config", file, "--dnsserver", options.NameServer},
		// It would wait up to 15 s before each validation, to be like the real one. That a
		// name was proven is remembered, as Let's Encrypt does for a month.
		Env: environment("PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=100"), Dir: options.Dir, LogFile: filepath.Join(options.Dir, "pebble.log"),
	})
	if err != nil {
		return nil, err
	}
	p.Root, err = p.fetch(ctx, "https://"+named(management)+"/roots/0")
	if err == nil {
		_, err = p.fetch(ctx, p.Directory)
	}
	if err != nil {
		err = errors.Join(err, p.process.Err())
		p.Stop()
		return nil, fmt.Errorf("start Pebble: %w", err)
	}
	return p, nil
}

// writePebble writes the server's files and returns the name of its configuration.
func writePebble(options PebbleOptions, authority *ca.Authority, listen, management string) (string, error) {
	pair, err := authority.Issue([]string{"localhost"}, 24*time.Hour, time.Now())
	if err != nil {
		return "", err
	}
	file := filepath.Join(options.Dir, "pebble.json")
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management,
		"certificate": filepath.Join(options.Dir, "pebble.crt"), "privateKey": filepath.Join(options.Dir, "pebble.key"),
		"domainBlocklist": options.Blocked, "profiles": profiles(options.Profiles),
		"retryAfter": map[string]any{"authz": 1, "order": 1}, "httpPort": options.HTTPPort,
		"externalAccountBindingRequired": len(options.Accounts) > 0, "externalAccountMACKeys": options.Accounts,
	}})
	if err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{"pebble.crt": pair.CertPEM, "pebble.key": pair.KeyPEM, "pebble.json": config} {
		if err := os.WriteFile(filepath.Join(options.Dir, name), content, 0o600); err != nil {
			return "", fmt.Errorf("write Pebble's files: %w", err)
		}
	}
	return file, nil
}

// Stop ends the server. It forgets accounts and orders, as it keeps nothing on disk.
func (p *Pebble) Stop() { Stop(p.process) }

func profiles(lifetimes map[string]time.Duration) map[string]any {
	out := map[string]any{}
	for name, lifetime := range lifetimes {
		out[name] = map[string]any{"description": name, "validityPeriod": int64(lifetime.Seconds())}
	}
	return out
}

// fetch reads a page of the server's, once it answers.
func (p *Pebble) fetch(ctx context.Context, url string) (body []byte, err error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	page := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	err = until(ctx, url+" answers", func() (bool, error) {
		if !p.process.Running() {
			return false, p.process.Err()
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		response, err := page.Do(request)
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		body, err = io.ReadAll(response.Body)
		return err == nil && response.StatusCode == http.StatusOK, err
	})
	return body, err
}

// freeAddress finds a port that is free now.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	address := listener.Addr().String()
	return address, listener.Close()
}

// named is the address by the name in the certificate.
func named(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort("localhost", port)
}
