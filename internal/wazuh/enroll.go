package wazuh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// DialFunc opens a connection; net.Dialer.DialContext is one.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// enrollTimeout is how long wazuh-agentd waits for authd.
const enrollTimeout = 60 * time.Second

// maxEnrollAnswer is far more than authd ever answers.
const maxEnrollAnswer = 8 << 10

// EnrollOptions say where and as whom to enroll.
type EnrollOptions struct {
	Address string // host:port of the enrollment port
	Request EnrollRequest

	// CA, when set, makes the client verify the certificate, and its name against the host of
	// Address, as agents do with server_ca_path. Without it any certificate is accepted, as agents
	// do by default.
	CA *x509.CertPool

	ClientCertificate *tls.Certificate // for a manager with ssl_agent_ca
	SNI               string           // agents send none; a probe may want to
	Timeout           time.Duration    // for the whole exchange; zero is the agent's 60 s
	Dial              DialFunc         // nil is a plain net.Dialer

	// OnConnected, when set, sees the TLS connection before the request is sent. A probe reads the
	// certificate here, even of an enrollment that is then refused.
	OnConnected func(tls.ConnectionState)
}

// Enroll asks a manager for a key. The error is a *Refused when the manager said no, a
// *tls.CertificateVerificationError when its certificate isn't the one expected.
func Enroll(ctx context.Context, o EnrollOptions) (Key, error) {
	if strings.ContainsAny(o.Request.Name+o.Request.Version+o.Request.Groups+o.Request.IP+o.Request.KeyHash, "'\n\x00") {
		return Key{}, fmt.Errorf("enroll %q: a quote or newline in a field would change the request", o.Request.Name)
	}
	if strings.ContainsAny(o.Request.Password.Reveal(), "\n\x00") {
		return Key{}, errors.New("enroll: the enrollment secret contains a newline; authd only ever uses the first line")
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = enrollTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	key, err := enroll(ctx, o)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if err != nil {
		return Key{}, fmt.Errorf("enroll at %s: %w", o.Address, err)
	}
	return key, nil
}

// Handshake connects as an agent does, TLS included, and leaves without asking for anything: it
// tells what the enrollment port serves. The request in o is not looked at.
func Handshake(ctx context.Context, o EnrollOptions) (tls.ConnectionState, error) {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = enrollTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dialEnroll(ctx, o)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	if err != nil {
		return tls.ConnectionState{}, fmt.Errorf("connect to %s: %w", o.Address, err)
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func enroll(ctx context.Context, o EnrollOptions) (Key, error) {
	conn, err := dialEnroll(ctx, o)
	if err != nil {
		return Key{}, err
	}
	defer conn.Close()
	if o.OnConnected != nil {
		o.OnConnected(conn.ConnectionState())
	}
	return exchange(conn, o.Request)
}

func dialEnroll(ctx context.Context, o EnrollOptions) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, err
	}
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	raw, err := dial(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	// Not the context's own deadline: the connection's could come first, and look like a network error.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	conn := tls.Client(&guarded{Conn: raw, stop: stop}, tlsConfig(o, host))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		stop()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return conn, nil
}

// guarded ends the watch on the context together with the connection.
type guarded struct {
	net.Conn
	stop func() bool
}

func (g *guarded) Close() error {
	g.stop()
	return g.Conn.Close()
}

// tlsConfig leaves verification to checkServer: crypto/tls would insist on an SNI name and would
// not accept a name from the certificate's CN, and agents do neither.
func tlsConfig(o EnrollOptions, host string) *tls.Config {
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true,
		ServerName:         o.SNI,
	}
	if o.ClientCertificate != nil {
		cfg.Certificates = []tls.Certificate{*o.ClientCertificate}
	}
	if o.CA != nil {
		cfg.VerifyConnection = func(cs tls.ConnectionState) error {
			return CheckServer(cs.PeerCertificates, o.CA, host)
		}
	}
	return cfg
}

// exchange sends the request and judges each read on its own, as agents do: an answer that arrives
// in two TLS records would be lost on a real agent, so it is not accepted here either.
func exchange(conn net.Conn, r EnrollRequest) (Key, error) {
	if _, err := conn.Write(AppendEnrollRequest(nil, r)); err != nil {
		return Key{}, fmt.Errorf("send request: %w", err)
	}
	buf := make([]byte, maxEnrollAnswer)
	var ignored error
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			key, answer := ParseEnrollResponse(buf[:n])
			if !errors.Is(answer, ErrNotAnAnswer) {
				return key, answer
			}
			ignored = answer
		}
		switch {
		case err == nil:
			continue
		case ignored != nil:
			return Key{}, ignored
		case errors.Is(err, io.EOF):
			return Key{}, errors.New("the manager closed the connection without an answer; is this the enrollment port?")
		}
		return Key{}, fmt.Errorf("wait for the answer: %w", err)
	}
}

// CheckServer verifies a served chain as agents with a server_ca_path do: against that CA, and then
// the leaf's names against host. Names are the SAN entries; only a certificate without any falls
// back to its CN. A host name with an underscore never matches (check_cert.c of the agent).
func CheckServer(chain []*x509.Certificate, ca *x509.CertPool, host string) error {
	if len(chain) == 0 {
		return errors.New("the manager sent no certificate")
	}
	leaf, rest := chain[0], x509.NewCertPool()
	for _, c := range chain[1:] {
		rest.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: ca, Intermediates: rest})
	if err == nil {
		err = checkName(leaf, host)
	}
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

func checkName(leaf *x509.Certificate, host string) error {
	mismatch := x509.HostnameError{Certificate: leaf, Host: host}
	if strings.Contains(host, "_") {
		return mismatch
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 {
		return leaf.VerifyHostname(host)
	}
	named := &x509.Certificate{DNSNames: []string{leaf.Subject.CommonName}}
	if leaf.Subject.CommonName == host || named.VerifyHostname(host) == nil {
		return nil
	}
	return mismatch
}
