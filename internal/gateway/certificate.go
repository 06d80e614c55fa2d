package gateway

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"sync/atomic"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
)

// certificate is the one new connections are served with. Those in the middle of
// a handshake finish it with the one they began with.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
	problem atomic.Pointer[string] // with a newer one
}

// load takes a pair of files over, if they belong together.
func (c *certificate) load(files map[string][]byte) error {
	pair, err := tls.X509KeyPair(files[fileCert], files[fileKey])
	if err == nil && pair.Leaf == nil {
		pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	if err != nil {
		err = fmt.Errorf("%s and %s: %w; the certificate before stays", fileCert, fileKey, err)
		text := err.Error()
		c.problem.Store(&text)
		return err
	}
	c.problem.Store(nil)
	c.current.Store(&pair)
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

func (c *certificate) leaf() *x509.Certificate { return c.current.Load().Leaf }

func (c *certificate) state() admin.CertificateState {
	leaf := c.leaf()
	sum := sha256.Sum256(leaf.Raw)
	state := admin.CertificateState{
		Serial: leaf.SerialNumber.Text(16), SHA256: hex.EncodeToString(sum[:]), NotAfter: leaf.NotAfter,
	}
	if problem := c.problem.Load(); problem != nil {
		state.Problem = *problem
	}
	return state
}

// tlsFor is what agents of 4.3 and later can speak: TLS 1.2 with an ephemeral
// key exchange, for RSA and ECDSA certificates, and TLS 1.3. Their own list
// (HIGH:!ADH:!EXP:!MD5:!RC4:!3DES:!CAMELLIA) contains all of these. They send
// neither SNI nor ALPN.
func tlsFor(c *certificate) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.get,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		},
		// A resumed session would not show the new certificate, and agents never resume.
		SessionTicketsDisabled: true,
		// An agent reads its answer from one record.
		DynamicRecordSizingDisabled: true,
	}
}
