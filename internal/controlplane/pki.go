package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is longer than any demo runs.
const certificateLife = 30 * 24 * time.Hour

// pki is the folder with every key and certificate of one control plane.
type pki struct {
	dir    string
	caPEM  []byte
	ca     *x509.Certificate
	caKey  crypto.Signer
	serial int64
}

// newPKI makes an authority and the files the three programs read. The API server
// is known by its address besides its names.
func newPKI(dir string, address netip.Addr) (*pki, error) {
	p := &pki{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := p.makeAuthority(); err != nil {
		return nil, err
	}
	if err := p.issue("apiserver", &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{address.AsSlice(), net.ParseIP(kubernetesServiceIP)},
	}); err != nil {
		return nil, err
	}
	for name, subject := range map[string]pkix.Name{
		"admin":              {CommonName: adminUser, Organization: []string{"system:masters"}},
		"controller-manager": {CommonName: "system:kube-controller-manager"},
	} {
		if err := p.issue(name, &x509.Certificate{Subject: subject,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			return nil, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return p, p.writeKey("service-account.key", key)
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) makeAuthority() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "soctalk-ingress loopback control plane"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	p.caKey = key
	p.ca = template
	if err := p.sign("ca", template, key); err != nil {
		return err
	}
	if p.caPEM, err = os.ReadFile(p.path("ca.crt")); err != nil {
		return err
	}
	block, _ := pem.Decode(p.caPEM)
	p.ca, err = x509.ParseCertificate(block.Bytes)
	return err
}

// issue writes <name>.crt and <name>.key, signed by the authority.
func (p *pki) issue(name string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return p.sign(name, template, key)
}

func (p *pki) sign(name string, template *x509.Certificate, key *ecdsa.PrivateKey) error {
	p.serial++
	template.SerialNumber = big.NewInt(p.serial)
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(certificateLife)
	der, err := x509.CreateCertificate(rand.Reader, template, p.ca, key.Public(), p.caKey)
	if err != nil {
		return fmt.Errorf("certificate %q: %w", name, err)
	}
	if err := writePEM(p.path(name+".crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	return p.writeKey(name+".key", key)
}

// writeKey uses SEC 1: kube-apiserver reads a service account's public key from
// that private form, but not from PKCS #8.
func (p *pki) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("key %q: %w", name, err)
	}
	return writePEM(p.path(name), "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// newToken is a bearer token for the administrator.
func newToken() string {
	token := make([]byte, 24)
	_, _ = rand.Read(token) // never fails, says crypto/rand
	return hex.EncodeToString(token)
}
