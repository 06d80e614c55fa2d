// Package cert judges certificates for the enrollment port: what is in the
// Secret, and whether an agent that is told to verify would accept it.
//
// It is pure. [Inspect] reads PEM and keeps only what may be shown (never the
// key), so that the result can be stored, compared and written into a test;
// [Check] runs an ordered list of checks over it and stops at the first failure.
package cert

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Info is what one certificate Secret holds, without its key.
type Info struct {
	// Problem is why the Secret could not be read as a certificate; the other
	// fields are then empty.
	Problem string `json:"problem,omitempty"`
	// KeyMatches is true when the private key belongs to the leaf.
	KeyMatches bool `json:"keyMatches,omitempty"`
	// DNSNames of the leaf. The common name counts only where there are none, as in Wazuh's agent.
	DNSNames []string `json:"dnsNames,omitempty"`
	// CommonName of the leaf.
	CommonName string `json:"commonName,omitempty"`
	// Issuer of the leaf, as people read it.
	Issuer string `json:"issuer,omitempty"`
	// Serial of the leaf, hexadecimal.
	Serial string `json:"serial,omitempty"`
	// SHA256 of the leaf, hexadecimal: what tells one certificate from another.
	SHA256 string `json:"sha256,omitempty"`
	// ChainProblem is where the certificates in the file do not follow from one
	// another; empty when they do.
	ChainProblem string `json:"chainProblem,omitempty"`
	// TrustProblem is why an agent that trusts what it is told to trust would
	// refuse the chain; empty when it would not.
	TrustProblem string `json:"trustProblem,omitempty"`
	// Source is who wrote the Secret.
	Source Source `json:"source,omitempty"`
	// NotBefore and NotAfter bound the leaf's time.
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
}

// Source is who wrote a certificate into its Secret, as far as the Secret tells.
type Source string

const (
	// SourceCertManager: cert-manager, for a Certificate of the tenant.
	SourceCertManager Source = "cert-manager"
	// SourceWildcard: the operator, from the Region's wildcard certificate.
	SourceWildcard Source = "wildcard"
	// SourceBuiltInCA: the operator, with its own authority.
	SourceBuiltInCA Source = "built-in-ca"
	// SourceOther: somebody else. It is never written to.
	SourceOther Source = "other"
)

// Inspect reads a PEM chain, leaf first, and its key. Whether anybody trusts the
// chain is for [Trust] to say.
func Inspect(chainPEM, keyPEM []byte) Info {
	chain, err := Chain(chainPEM)
	if err != nil {
		return Info{Problem: err.Error()}
	}
	leaf := chain[0]
	info := Info{
		DNSNames:   leaf.DNSNames,
		CommonName: leaf.Subject.CommonName,
		Issuer:     leaf.Issuer.String(),
		Serial:     fmt.Sprintf("%x", leaf.SerialNumber),
		NotBefore:  leaf.NotBefore.UTC(),
		NotAfter:   leaf.NotAfter.UTC(),

		SHA256:       Fingerprint(leaf),
		ChainProblem: broken(chain),
	}
	if len(bytes.TrimSpace(keyPEM)) == 0 {
		return Info{Problem: "the private key is missing"}
	}
	pair, err := tls.X509KeyPair(chainPEM, keyPEM)
	if err != nil {
		// Distinguish a key that cannot be read from one of another certificate:
		// X509KeyPair refuses both, with an error that may quote neither.
		if _, keyErr := parseKey(keyPEM); keyErr != nil {
			return Info{Problem: keyErr.Error()}
		}
		return info
	}
	_, info.KeyMatches = pair.PrivateKey.(crypto.Signer)
	return info
}

func parseKey(keyPEM []byte) (any, error) {
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New("no PEM private key found")
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, errors.New("the private key is in no format authd reads (PKCS#8, SEC 1, PKCS#1; unencrypted)")
}
