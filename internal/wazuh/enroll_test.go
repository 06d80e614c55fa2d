package wazuh

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ = x509.ParseCertificate(der)
	return authority{cert, key}
}

func (a authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a authority) issue(t *testing.T, cn string, dns []string, ips ...net.IP) tls.Certificate {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: cn}, DNSNames: dns, IPAddresses: ips,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// The table of agent-auth 4.14.7, run against real certificates.
func TestCheckServer(t *testing.T) {
	ca := newAuthority(t)
	const name = "t1.edge.example"
	for what, c := range map[string]struct {
		cn   string
		dns  []string
		ip   string
		host string
		ok   bool
	}{
		"SAN":                {dns: []string{name}, host: name, ok: true},
		"SAN, other case":    {dns: []string{name}, host: "T1.Edge.Example", ok: true},
		"wildcard":           {dns: []string{"*.edge.example"}, host: name, ok: true},
		"wildcard, 2 labels": {dns: []string{"*.edge.example"}, host: "a.t1.edge.example"},
		"CN only":            {cn: name, host: name, ok: true},
		"CN beside a SAN":    {cn: name, dns: []string{"other.example"}, host: name},
		"SAN IP":             {ip: "192.0.2.1", host: "192.0.2.1", ok: true},
		"SAN DNS, host IP":   {dns: []string{name}, host: "192.0.2.1"},
		"underscore":         {dns: []string{"t_1.edge.example"}, host: "t_1.edge.example"},
		"another name":       {dns: []string{name}, host: "t2.edge.example"},
	} {
		var ips []net.IP
		if c.ip != "" {
			ips = append(ips, net.ParseIP(c.ip))
		}
		leaf := ca.issue(t, c.cn, c.dns, ips...).Leaf
		err := CheckServer([]*x509.Certificate{leaf}, ca.pool(), c.host)
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v", what, err)
		}
	}
	leaf := ca.issue(t, "", []string{name}).Leaf
	if err := CheckServer([]*x509.Certificate{leaf}, newAuthority(t).pool(), name); err == nil {
		t.Error("accepted another CA's certificate")
	}
}

// fakeAuthd answers each connection with writes, each its own TLS record, and reports what it saw.
type fakeAuthd struct {
	address string
	sni     chan string
	line    chan string
}

func startAuthd(t *testing.T, cert tls.Certificate, writes ...string) fakeAuthd {
	t.Helper()
	f := fakeAuthd{sni: make(chan string, 1), line: make(chan string, 1)}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			f.sni <- h.ServerName
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return
		}
		f.line <- line
		for _, w := range writes {
			_, _ = conn.Write([]byte(w))
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return f
}

func TestEnroll(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "", []string{"manager.example"})
	raw := strings.Repeat("ab", 32)
	f := startAuthd(t, cert, "OSSEC K:'007 web-01 any "+raw+"'")
	var served *x509.Certificate
	key, err := Enroll(t.Context(), EnrollOptions{
		Address: "manager.example:1515", CA: ca.pool(),
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.address)
		},
		Request:     EnrollRequest{Password: NewSecret("pw"), Name: "web-01", Version: DefaultVersion},
		OnConnected: func(cs tls.ConnectionState) { served = cs.PeerCertificates[0] },
	})
	if err != nil {
		t.Fatal(err)
	}
	if key.ID != "007" || key.Raw.Reveal() != raw {
		t.Errorf("got key %v", key)
	}
	if sni := <-f.sni; sni != "" {
		t.Errorf("sent SNI %q; agents send none", sni)
	}
	if line := <-f.line; line != "OSSEC PASS: pw OSSEC A:'web-01' V:'v4.14.7'\n" {
		t.Errorf("sent %q", line)
	}
	if !served.Equal(cert.Leaf) {
		t.Error("OnConnected saw another certificate")
	}
}

func TestEnrollFailures(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "", nil, net.IPv4(127, 0, 0, 1))
	for what, c := range map[string]struct {
		writes []string
		want   string
	}{
		"refused":        {[]string{"ERROR: Invalid password. Unable to add agent"}, `refused the enrollment: "Invalid password"`},
		"nothing":        {nil, "without an answer"},
		"rubbish":        {[]string{"220 smtp.example ESMTP"}, "not an answer of authd"},
		"in two records": {[]string{"OSSEC K:'007 web-01 any ", strings.Repeat("ab", 32) + "'"}, "not an answer of authd"},
	} {
		f := startAuthd(t, cert, c.writes...)
		_, err := Enroll(t.Context(), EnrollOptions{Address: f.address, Request: EnrollRequest{Name: "web-01"}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", what, err, c.want)
		}
	}
	f := startAuthd(t, cert)
	_, err := Enroll(t.Context(), EnrollOptions{Address: f.address, CA: newAuthority(t).pool(), Request: EnrollRequest{Name: "web-01"}})
	var wrong *tls.CertificateVerificationError
	if !errors.As(err, &wrong) {
		t.Errorf("another CA: got %v", err)
	}
}

// A manager that accepts and says nothing must not hold the caller beyond its context.
func TestEnrollGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Enroll(ctx, EnrollOptions{Address: l.Addr().String(), Request: EnrollRequest{Name: "web-01"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestEnrollRefusesQuotes(t *testing.T) {
	for _, r := range []EnrollRequest{{Name: "a' V:'v1"}, {Name: "a", Groups: "b\n"}, {Name: "a", Password: NewSecret("x\ny")}} {
		if _, err := Enroll(t.Context(), EnrollOptions{Address: "127.0.0.1:1", Request: r}); err == nil || strings.Contains(err.Error(), "dial") {
			t.Errorf("%v: got %v", r, err)
		}
	}
}
