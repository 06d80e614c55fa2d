package certmanager

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong at an authority and never does at Pebble.
type Fault string

const (
	// FaultRateLimited refuses new orders for a while, which begins with the first, in
	// Let's Encrypt's words.
	FaultRateLimited Fault = "rate-limited"
	// FaultAccountClosed refuses every further order of the account that asks first.
	FaultAccountClosed Fault = "account-closed"
	// FaultCAA finds a record, before it signs, that names other authorities.
	FaultCAA Fault = "caa"
	// FaultDown hangs up on everybody.
	FaultDown Fault = "down"
)

// Front is Pebble as the world sees it, with a fault at times. It believes what
// Pebble's directory and orders say of where things are, and answers a fault with
// a problem document as RFC 8555 wants it, nonce included.
type Front struct {
	// Directory is its URL, for an issuer's spec.acme.server.
	Directory string

	server *http.Server
	proxy  *httputil.ReverseProxy
	pages  directory

	mu       sync.Mutex
	fault    Fault
	lasts    time.Duration
	until    time.Time
	closed   string   // the account that was closed
	finalize []string // paths at which orders are finished
	refused  int
}

// directory is what RFC 8555 says of where things are.
type directory struct {
	NewNonce string `json:"newNonce"`
	NewOrder string `json:"newOrder"`
}

// StartFront stands a front before the server.
func (p *Pebble) StartFront(ctx context.Context) (*Front, error) {
	page, err := p.fetch(ctx, p.Directory)
	if err != nil {
		return nil, err
	}
	f := &Front{}
	if err := json.Unmarshal(page, &f.pages); err != nil || f.pages.NewOrder == "" {
		return nil, fmt.Errorf("read Pebble's directory %q: %w", page, err)
	}
	pair, err := p.authority.Issue([]string{"localhost"}, 24*time.Hour, time.Now())
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("a certificate for Pebble's front: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for Pebble's front: %w", err)
	}
	f.Directory = "https://" + named(listener.Addr().String()) + "/dir"
	behind, err := url.Parse(p.Directory)
	if err != nil {
		return nil, fmt.Errorf("read the address of Pebble's directory: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA)
	f.proxy = &httputil.ReverseProxy{
		// With its own name in the request: Pebble writes it into every URL, and compares.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", behind.Host, r.In.Host
		},
		Transport:      &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		ModifyResponse: f.learn,
	}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}}
	go func() { _ = f.server.ServeTLS(listener, "", "") }()
	return f, nil
}

// Stop ends the front.
func (f *Front) Stop() { _ = f.server.Close() }

// Fail begins a fault, which ends some time after it was first met or, if that is
// zero, with [Front.Recover].
func (f *Front) Fail(fault Fault, lasts time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.lasts, f.until, f.closed = fault, lasts, time.Time{}, ""
}

// Recover ends a fault.
func (f *Front) Recover() { f.Fail("", 0) }

// Ends is when the fault ends by itself; zero before anybody met it.
func (f *Front) Ends() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until
}

// Refused is how many requests a fault was answered to.
func (f *Front) Refused() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

// learn remembers where an order is finished.
func (f *Front) learn(response *http.Response) error {
	if !strings.Contains(response.Header.Get("Content-Type"), "json") {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	var order struct {
		Finalize string `json:"finalize"`
	}
	if json.Unmarshal(body, &order) == nil && order.Finalize != "" {
		if at, err := url.Parse(order.Finalize); err == nil {
			f.mu.Lock()
			f.finalize = append(f.finalize, at.Path)
			f.mu.Unlock()
		}
	}
	return nil
}

// ServeHTTP passes a request on, or answers with the fault.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	problem, hangUp := f.judge(r)
	switch {
	case hangUp:
		panic(http.ErrAbortHandler)
	case problem == nil:
		f.proxy.ServeHTTP(w, r)
	default:
		f.refuse(w, r, problem)
	}
}

// problem is an answer of RFC 7807, with when to come again.
type problem struct {
	Type   string `json:"type"`
	Detail string `json:"detail"`
	Status int    `json:"status"`

	again time.Time
}

const acmeError = "urn:ietf:params:acme:error:"

// judge says what a request meets; nil is no fault.
func (f *Front) judge(r *http.Request) (_ *problem, hangUp bool) {
	account := signer(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.until.IsZero() && !time.Now().Before(f.until) {
		f.fault = ""
	}
	ordering := r.Method == http.MethodPost && strings.HasSuffix(f.pages.NewOrder, r.URL.Path)
	finishing := false
	for _, path := range f.finalize {
		finishing = finishing || r.Method == http.MethodPost && r.URL.Path == path
	}
	if ordering && f.fault == FaultAccountClosed && f.closed == "" {
		f.closed = account
	}
	if ordering && f.lasts > 0 && f.until.IsZero() {
		f.until = time.Now().Add(f.lasts)
	}
	var p *problem
	switch {
	case f.fault == FaultDown:
		f.refused++
		return nil, true
	case f.fault == FaultRateLimited && ordering:
		p = &problem{acmeError + "rateLimited", fmt.Sprintf("too many certificates (50) already issued for %q in the last 168h0m0s, retry after %s: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-registered-domain",
			"mssp.example.com", f.until.UTC().Format("2006-01-02 15:04:05 MST")), http.StatusTooManyRequests, f.until}
	case f.fault == FaultAccountClosed && ordering && account == f.closed:
		p = &problem{acmeError + "unauthorized", `Account is not valid, has status "deactivated"`, http.StatusForbidden, time.Time{}}
	case f.fault == FaultCAA && finishing:
		p = &problem{acmeError + "caa", "Rechecking CAA: CAA record for mssp.example.com prevents issuance", http.StatusForbidden, time.Time{}}
	default:
		return nil, false
	}
	f.refused++
	return p, false
}

// signer is the account that signed a request, which is put back as it was.
func signer(r *http.Request) string {
	if r.Method != http.MethodPost {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var signed struct {
		Protected string `json:"protected"`
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	if json.Unmarshal(body, &signed) != nil {
		return ""
	}
	if text, err := base64.RawURLEncoding.DecodeString(signed.Protected); err != nil || json.Unmarshal(text, &header) != nil {
		return ""
	}
	return header.KeyID
}

// refuse answers with a problem document, and with a nonce of Pebble's for the next try.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, p *problem) {
	nonce := &http.Request{Method: http.MethodHead, Host: r.Host, URL: &url.URL{}, Header: http.Header{}}
	if at, err := url.Parse(f.pages.NewNonce); err == nil {
		nonce.URL = at
		if answer, err := f.proxy.Transport.RoundTrip(nonce.WithContext(r.Context())); err == nil {
			_ = answer.Body.Close()
			w.Header().Set("Replay-Nonce", answer.Header.Get("Replay-Nonce"))
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	if !p.again.IsZero() {
		w.Header().Set("Retry-After", fmt.Sprint(int(time.Until(p.again).Seconds())+1))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
