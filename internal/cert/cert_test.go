package cert

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func selfSigned(t testing.TB, key any, public any, names ...string) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(42), Subject: pkix.Name{CommonName: "cn.example.com"},
		DNSNames: names, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func block(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Every form of key that authd reads.
func TestInspectReadsEveryKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, sec1Err := x509.MarshalECPrivateKey(ec)
	p8, p8Err := x509.MarshalPKCS8PrivateKey(rs)
	p8ed, p8edErr := x509.MarshalPKCS8PrivateKey(ed)
	for name, c := range map[string]struct{ chain, key []byte }{
		"ECDSA, SEC 1":    {selfSigned(t, ec, ec.Public(), "a.example.com"), block("EC PRIVATE KEY", sec1, sec1Err)},
		"RSA, PKCS#1":     {selfSigned(t, rs, rs.Public(), "a.example.com"), block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs), nil)},
		"RSA, PKCS#8":     {selfSigned(t, rs, rs.Public(), "a.example.com"), block("PRIVATE KEY", p8, p8Err)},
		"Ed25519, PKCS#8": {selfSigned(t, ed, public, "a.example.com"), block("PRIVATE KEY", p8ed, p8edErr)},
	} {
		info := Inspect(c.chain, c.key)
		if info.Problem != "" || !info.KeyMatches || info.Serial != "2a" {
			t.Errorf("%s: %+v", name, info)
		}
	}
	other := Inspect(selfSigned(t, rs, rs.Public(), "a.example.com"), block("EC PRIVATE KEY", sec1, sec1Err))
	if failure, ok := Check(&other, "a.example.com", noon); ok || failure.Fault != FaultKey {
		t.Errorf("another certificate's key: %+v", failure)
	}
}

// The first check that fails is the one that is told.
func TestCheck(t *testing.T) {
	good := Info{KeyMatches: true, DNSNames: []string{"a.example.com"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour)}
	with := func(change func(*Info)) *Info {
		info := good
		change(&info)
		return &info
	}
	for name, c := range map[string]struct {
		info *Info
		host string
		want Fault
	}{
		"all is well":                     {&good, "a.example.com", ""},
		"upper case":                      {&good, "A.Example.com", ""},
		"no secret":                       {nil, "a.example.com", FaultMissing},
		"not a certificate":               {with(func(i *Info) { i.Problem = "no PEM" }), "a.example.com", FaultUnreadable},
		"another name":                    {&good, "b.example.com", FaultName},
		"no name at all":                  {with(func(i *Info) { i.DNSNames = nil }), "a.example.com", FaultName},
		"common name without SAN":         {with(func(i *Info) { i.DNSNames, i.CommonName = nil, "a.example.com" }), "a.example.com", ""},
		"common name beside a SAN":        {with(func(i *Info) { i.DNSNames, i.CommonName = []string{"b.example.com"}, "a.example.com" }), "a.example.com", FaultName},
		"wildcard":                        {with(func(i *Info) { i.DNSNames = []string{"*.example.com"} }), "a.example.com", ""},
		"wildcard, two labels":            {with(func(i *Info) { i.DNSNames = []string{"*.example.com"} }), "a.b.example.com", FaultName},
		"over":                            {with(func(i *Info) { i.NotAfter = noon.Add(-time.Second) }), "a.example.com", FaultTime},
		"not begun":                       {with(func(i *Info) { i.NotBefore = noon.Add(time.Second) }), "a.example.com", FaultTime},
		"out of order":                    {with(func(i *Info) { i.ChainProblem = "out of order" }), "a.example.com", FaultChain},
		"nobody's authority":              {with(func(i *Info) { i.TrustProblem = "unknown" }), "a.example.com", FaultTrust},
		"untrusted and over: trust first": {with(func(i *Info) { i.TrustProblem, i.NotAfter = "unknown", noon.Add(-time.Second) }), "a.example.com", FaultTrust},
		"wrong name and over: name first": {with(func(i *Info) { i.NotAfter = noon.Add(-time.Second) }), "b.example.com", FaultName},
	} {
		failure, ok := Check(c.info, c.host, noon)
		if failure.Fault != c.want || ok != (c.want == "") {
			t.Errorf("%s: %+v, want %q", name, failure, c.want)
		}
	}
}

func TestRenewalDue(t *testing.T) {
	info := Info{NotBefore: noon, NotAfter: noon.Add(90 * 24 * time.Hour)}
	if RenewalDue(info, noon.Add(59*24*time.Hour)) || !RenewalDue(info, noon.Add(61*24*time.Hour)) {
		t.Error("renewal is due after two thirds of the lifetime, not before")
	}
}

func FuzzInspect(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(selfSigned(f, key, key.Public(), "a.example.com"), block("EC PRIVATE KEY", der, nil))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), []byte(""))
	f.Fuzz(func(t *testing.T, chain, key []byte) {
		info := Inspect(chain, key)
		if info.Problem != "" && info.KeyMatches {
			t.Error("a problem and a matching key at once")
		}
		if text := strings.TrimSpace(string(key)); len(text) > 20 && strings.Contains(info.Problem, text) {
			t.Error("the problem quotes the key")
		}
	})
}
