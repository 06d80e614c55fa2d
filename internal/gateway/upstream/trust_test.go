package upstream

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/ca"
)

// A certificate is believed when its authority and its name are right, or when it
// is the very one that was pinned, whatever it says of itself.
func TestWhichCertificatesAreBelieved(t *testing.T) {
	now := time.Now()
	authority, other := made(t, now), made(t, now)
	issue := func(by *ca.Authority, name string, at time.Time) []byte {
		pair, err := by.Issue([]string{name}, time.Hour, at)
		if err != nil {
			t.Fatal(err)
		}
		return pair.CertPEM
	}
	own := issue(authority, "wazuh", now)
	for what, c := range map[string]struct {
		trusted, served []byte
		name            string
		believed        bool
	}{
		"signed, right name":      {authority.CertPEM, own, "wazuh", true},
		"signed, another name":    {authority.CertPEM, own, "authd.svc", false},
		"another authority":       {other.CertPEM, own, "wazuh", false},
		"pinned, another name":    {own, own, "authd.svc", true},
		"pinned, long expired":    {issue(authority, "old", now.Add(-48*time.Hour)), nil, "authd.svc", true},
		"one of the same name":    {own, issue(authority, "wazuh", now), "wazuh", false},
		"pinned beside another":   {append(append([]byte{}, other.CertPEM...), own...), own, "authd.svc", true},
		"expired and not pinned":  {authority.CertPEM, issue(authority, "wazuh", now.Add(-48*time.Hour)), "wazuh", false},
		"no certificate was sent": {authority.CertPEM, []byte{}, "wazuh", false},
	} {
		t.Run(what, func(t *testing.T) {
			trust, err := ReadTrust(c.trusted, c.name)
			if err != nil {
				t.Fatal(err)
			}
			if c.served == nil {
				c.served = c.trusted
			}
			if err := trust.check(chain(t, c.served)); (err == nil) != c.believed {
				t.Errorf("believed: %t (%v), want %t", err == nil, err, c.believed)
			}
		})
	}
	if _, err := ReadTrust([]byte("nothing"), "wazuh"); err == nil {
		t.Error("a file without a certificate was taken")
	}
	if (*Trust)(nil).check(chain(t, own)) == nil {
		t.Error("without anything to go by it was believed")
	}
}

func made(t *testing.T, now time.Time) *ca.Authority {
	t.Helper()
	authority, err := ca.New("test", now.Add(-96*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func chain(t *testing.T, text []byte) []*x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{certificate}
}
