package upstream

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Trust is what authd's certificate is held against.
type Trust struct {
	name   string
	pool   *x509.CertPool
	pinned map[string]bool
}

// ReadTrust reads certificates in PEM. Each is trusted as an authority, for the
// name given; and one that is served itself is trusted as it is, whatever its
// name: the certificate authd makes for itself has none that anybody asks for.
func ReadTrust(text []byte, name string) (*Trust, error) {
	trust := &Trust{name: name, pool: x509.NewCertPool(), pinned: map[string]bool{}}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read a certificate: %w", err)
		}
		trust.pool.AddCert(certificate)
		trust.pinned[string(certificate.Raw)] = true
	}
	if len(trust.pinned) == 0 {
		return nil, errors.New("it contains no certificate; want PEM")
	}
	return trust, nil
}

// check judges what a server sent. Only who holds the key of a certificate can
// serve it, so one that is pinned needs neither name nor date.
func (t *Trust) check(chain []*x509.Certificate) error {
	if t == nil {
		return errors.New("there is nothing to hold the manager's certificate against")
	}
	if len(chain) > 0 && t.pinned[string(chain[0].Raw)] {
		return nil
	}
	return wazuh.CheckServer(chain, t.pool, t.name)
}
