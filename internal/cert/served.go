package cert

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Served is what the enrollment port showed when it was looked at.
type Served struct {
	// Problem is why nothing was seen; the other fields are then empty.
	Problem string `json:"problem,omitempty"`
	// Serial and SHA256 of the leaf, hexadecimal.
	Serial string `json:"serial,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// DNSNames and CommonName as in [Info].
	DNSNames   []string `json:"dnsNames,omitempty"`
	CommonName string   `json:"commonName,omitempty"`
	// NotBefore and NotAfter bound the leaf's time.
	NotBefore time.Time `json:"notBefore,omitzero"`
	NotAfter  time.Time `json:"notAfter,omitzero"`
}

// NewServed keeps what may be shown of a served certificate.
func NewServed(leaf *x509.Certificate) Served {
	return Served{
		Serial: fmt.Sprintf("%x", leaf.SerialNumber), SHA256: Fingerprint(leaf),
		DNSNames: leaf.DNSNames, CommonName: leaf.Subject.CommonName,
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(),
	}
}

// Is says whether the port serves the certificate in the Secret.
func (s Served) Is(info Info) bool { return s.Problem == "" && s.SHA256 == info.SHA256 }

// Serves says whether what is served would do for an agent, be it the
// certificate in the Secret or the one before.
func (s Served) Serves(hostname string, now time.Time) bool {
	info := &Info{DNSNames: s.DNSNames, CommonName: s.CommonName, NotBefore: s.NotBefore, NotAfter: s.NotAfter}
	return s.Problem == "" && covers(info, hostname, now) == nil && current(info, hostname, now) == nil
}
