package cert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// member is one certificate of a chain, with the key to sign the next.
type member struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newMember(t *testing.T, name string, issuer *member, from, to time.Time) *member {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	if strings.Contains(name, ".") { // a leaf
		template.IsCA, template.DNSNames, template.KeyUsage = false, []string{name}, x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &member{certificate, key}
}

func chainOf(members ...*member) (chain []*x509.Certificate, text []byte) {
	var out bytes.Buffer
	for _, m := range members {
		chain = append(chain, m.certificate)
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: m.certificate.Raw})
	}
	return chain, out.Bytes()
}

func TestTrust(t *testing.T) {
	from, to := noon.Add(-time.Hour), noon.Add(time.Hour)
	root := newMember(t, "root", nil, from, to)
	stranger := newMember(t, "stranger", nil, from, to)
	middle := newMember(t, "middle", root, from, to)
	stale := newMember(t, "stale", root, from.Add(-time.Hour), from)
	leaf := newMember(t, "a.example.com", middle, from, to)
	over := newMember(t, "b.example.com", middle, from, noon.Add(-time.Minute))
	underStale := newMember(t, "c.example.com", stale, from, to)
	roots := x509.NewCertPool()
	roots.AddCert(root.certificate)
	for name, c := range map[string]struct {
		chain []*member
		says  string
	}{
		"whole":                               {[]*member{leaf, middle}, ""},
		"with its root":                       {[]*member{leaf, middle, root}, ""},
		"over, which is another check":        {[]*member{over, middle}, ""},
		"the intermediate is missing":         {[]*member{leaf}, "CN=middle, which signed the last certificate in the file; it may be an intermediate"},
		"another authority":                   {[]*member{stranger}, "trust the authority CN=stranger"},
		"the authority's own time is over":    {[]*member{underStale, stale}, "certificate CN=stale is valid from"},
		"of another root, with everything in": {[]*member{newMember(t, "d.example.com", stranger, from, to), stranger}, "trust the authority CN=stranger"},
	} {
		chain, _ := chainOf(c.chain...)
		got := Trust(chain, roots, noon)
		if (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q in it", name, got, c.says)
		}
	}
}

func TestChainOrder(t *testing.T) {
	from, to := noon.Add(-time.Hour), noon.Add(time.Hour)
	root := newMember(t, "root", nil, from, to)
	middle := newMember(t, "middle", root, from, to)
	leaf := newMember(t, "a.example.com", middle, from, to)
	for name, c := range map[string]struct {
		chain []*member
		says  string
	}{
		"in order":        {[]*member{leaf, middle, root}, ""},
		"the leaf alone":  {[]*member{leaf}, ""},
		"one left out":    {[]*member{leaf, root}, "certificate 1 (CN=a.example.com) is not signed by the one after it (CN=root)"},
		"turned around":   {[]*member{leaf, root, middle}, "certificate 1"},
		"the root first":  {[]*member{root, middle, leaf}, "certificate 1 (CN=root)"},
		"a stray at last": {[]*member{leaf, middle, leaf}, "certificate 2 (CN=middle)"},
	} {
		_, text := chainOf(c.chain...)
		info := Inspect(text, nil)
		if got := Inspect(text, []byte("-----BEGIN X-----\n-----END X-----\n")).ChainProblem; got != "" {
			t.Errorf("%s: a Secret without a readable key tells %q first", name, got)
		}
		chain, err := Chain(text)
		if err != nil || info.Problem == "" {
			t.Fatal(name, err, info)
		}
		if got := broken(chain); (c.says == "") != (got == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
	}
}

func TestServed(t *testing.T) {
	from, to := noon.Add(-time.Hour), noon.Add(time.Hour)
	leaf := newMember(t, "a.example.com", nil, from, to)
	served := NewServed(leaf.certificate)
	_, text := chainOf(leaf)
	info := Inspect(text, nil)
	info.SHA256 = Fingerprint(leaf.certificate)
	if !served.Is(info) || served.Is(Info{SHA256: "00"}) || (Served{Problem: "refused"}).Is(Info{}) {
		t.Error("what is served is known by its fingerprint")
	}
	if !served.Serves("a.example.com", noon) || served.Serves("b.example.com", noon) || served.Serves("a.example.com", to.Add(time.Second)) {
		t.Error("what is served must be for the name, and in its time")
	}
}
