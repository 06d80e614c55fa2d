// Package ca is the built-in certificate authority, for clusters that have no
// cert-manager: one root, kept in a Secret in the operator's namespace, that
// signs the certificates of the enrollment ports and of the managers' APIs.
//
// It only makes bytes; storing them is the controller's work. Agents are given
// the root ([Authority.CertPEM]), never a leaf, so a renewal is invisible to them.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Lifetimes. Leaves are renewed after two thirds of theirs (cert.RenewalDue).
const (
	RootLifetime = 10 * 365 * 24 * time.Hour
	LeafLifetime = 90 * 24 * time.Hour
	// backdate forgives endpoints whose clock is a little slow.
	backdate = time.Hour
)

// Pair is a certificate with its key, both PEM.
type Pair struct {
	CertPEM []byte
	KeyPEM  []byte
}

// Authority can sign.
type Authority struct {
	Pair
	certificate *x509.Certificate
	key         crypto.Signer
}

// New makes a root named for people, such as "SocTalk Ingress CA".
func New(name string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate root key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(RootLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign root: %w", err)
	}
	pair, err := encode(der, key)
	if err != nil {
		return nil, err
	}
	return Load(pair)
}

// Load reads an authority back from its Secret.
func Load(pair Pair) (*Authority, error) {
	parsed, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(parsed.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	if !certificate.IsCA {
		return nil, errors.New("read certificate authority: the certificate is not that of an authority")
	}
	signer, ok := parsed.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("read certificate authority: the key cannot sign")
	}
	return &Authority{Pair: pair, certificate: certificate, key: signer}, nil
}

// Issue signs a server certificate for the names, the first of which becomes the
// common name too: agents before SAN support looked nowhere else.
func (a *Authority) Issue(dnsNames []string, lifetime time.Duration, now time.Time) (Pair, error) {
	if len(dnsNames) == 0 {
		return Pair{}, errors.New("issue certificate: no DNS name given")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generate key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		DNSNames:     dnsNames,
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	// A common name has 64 characters at most (RFC 5280); a longer hostname lives in the SAN alone.
	if len(dnsNames[0]) <= 64 {
		template.Subject = pkix.Name{CommonName: dnsNames[0]}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate for %q: %w", dnsNames[0], err)
	}
	return encode(der, key)
}

func encode(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encode key: %w", err)
	}
	return Pair{
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		KeyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose serial number: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
