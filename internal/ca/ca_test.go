package ca

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/cert"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T) *Authority {
	t.Helper()
	authority, err := New("Test CA", noon)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// What an agent does that was told the authority: chain, name, time.
func TestAnIssuedCertificateIsAccepted(t *testing.T) {
	authority := newAuthority(t)
	pair, err := authority.Issue([]string{"acme.soc.example.com"}, LeafLifetime, noon)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := cert.Leaf(pair.CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CertPEM)
	for name, at := range map[string]time.Time{"at once": noon, "on a clock half an hour slow": noon.Add(-30 * time.Minute), "on the last day": noon.Add(LeafLifetime - time.Hour)} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "acme.soc.example.com", CurrentTime: at}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "beta.soc.example.com", CurrentTime: noon}); err == nil {
		t.Error("accepted for another tenant's name")
	}
	info := cert.Inspect(pair.CertPEM, pair.KeyPEM)
	if failure, ok := cert.Check(&info, "acme.soc.example.com", noon); !ok {
		t.Errorf("our own check refuses it: %s", failure.Message)
	}
}

func TestTheAuthoritySurvivesItsSecret(t *testing.T) {
	first := newAuthority(t)
	again, err := Load(first.Pair)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := again.Issue([]string{"acme.soc.example.com"}, time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := cert.Leaf(pair.CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignatureFrom(first.certificate); err != nil {
		t.Error(err)
	}
}

func TestALongNameLivesInTheSANAlone(t *testing.T) {
	long := strings.Repeat("a", 56) + ".soc.mssp.example.com"
	pair, err := newAuthority(t).Issue([]string{long}, time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := cert.Leaf(pair.CertPEM)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Subject.CommonName != "" || leaf.VerifyHostname(long) != nil {
		t.Errorf("common name %q, names %v", leaf.Subject.CommonName, leaf.DNSNames)
	}
}

func TestLoadRefuses(t *testing.T) {
	authority := newAuthority(t)
	leaf, err := authority.Issue([]string{"acme.soc.example.com"}, time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string]Pair{
		"nothing":           {},
		"a leaf":            leaf,
		"another one's key": {CertPEM: authority.CertPEM, KeyPEM: leaf.KeyPEM},
	} {
		if _, err := Load(pair); err == nil {
			t.Errorf("%s was accepted as an authority", name)
		}
	}
	if _, err := authority.Issue(nil, time.Hour, noon); err == nil {
		t.Error("a certificate for no name was issued")
	}
}
