package cert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Chain reads every certificate of a PEM text, the leaf first.
func Chain(chainPEM []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for rest := chainPEM; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parse certificate: %w", err)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, errors.New("no PEM certificate found")
	}
	return chain, nil
}

// Leaf returns the first certificate of a PEM chain.
func Leaf(chainPEM []byte) (*x509.Certificate, error) {
	chain, err := Chain(chainPEM)
	if err != nil {
		return nil, err
	}
	return chain[0], nil
}

// Fingerprint is the SHA-256 of a certificate, hexadecimal.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// broken says where a chain does not hold together. Wazuh's authd sends the file
// as it is, and OpenSSL at the other end wants each certificate followed by its
// issuer's.
func broken(chain []*x509.Certificate) string {
	for i, certificate := range chain[1:] {
		if chain[i].CheckSignatureFrom(certificate) != nil {
			return fmt.Sprintf("certificate %d (%s) is not signed by the one after it (%s)", i+1, subject(chain[i]), subject(certificate))
		}
	}
	return ""
}

// Trust says why an agent that trusts the roots would refuse the chain at a
// moment; it is empty when the agent would not. Names and the leaf's own time are
// other checks' affair: a leaf whose time is over is judged at its last moment.
func Trust(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) string {
	leaf, between := chain[0], x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	if now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	if now.After(leaf.NotAfter) {
		now = leaf.NotAfter
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		last := chain[len(chain)-1]
		if last.CheckSignatureFrom(last) == nil {
			return fmt.Sprintf("nobody is told to trust the authority %s", subject(last))
		}
		return fmt.Sprintf("nobody is told to trust %s, which signed the last certificate in the file; it may be an intermediate that is missing there", last.Issuer)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return fmt.Sprintf("the authority's certificate %s is valid from %s to %s only",
			subject(invalid.Cert), invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return err.Error()
}

func subject(certificate *x509.Certificate) string {
	if text := certificate.Subject.String(); text != "" {
		return text
	}
	return "without a subject"
}
