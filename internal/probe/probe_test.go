package probe_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/probe"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

const (
	right = "T3nant-Secret"
	host  = "acme.soc.mssp.example.com"
)

// site is a manager with a certificate of its own authority.
type site struct {
	manager   *manager.Manager
	authority *ca.Authority
	pair      ca.Pair
	root      string
}

func newSite(t *testing.T, usePassword string, faults ...string) site {
	t.Helper()
	return newSiteOf(t, wazuh.DefaultVersion, usePassword, faults...)
}

func newSiteOf(t *testing.T, version, usePassword string, faults ...string) site {
	t.Helper()
	s := site{root: t.TempDir()}
	var err error
	if s.authority, err = ca.New("test", time.Now()); err != nil {
		t.Fatal(err)
	}
	if s.pair, err = s.authority.Issue([]string{host}, time.Hour, time.Now()); err != nil {
		t.Fatal(err)
	}
	home, conf, err := manager.Unpack(s.root, version)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"etc/authd.pass": right + "\n", "etc/sslmanager.cert": string(s.pair.CertPEM), "etc/sslmanager.key": string(s.pair.KeyPEM)}
	if conf == "etc/ossec.conf" {
		files[conf] = "<ossec_config><auth><use_password>" + usePassword + "</use_password></auth></ossec_config>"
	}
	for name, content := range files {
		path := filepath.Join(s.root, home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s.manager, err = manager.Start(manager.Options{Root: s.root, Version: version, Faults: faults}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.manager.Close() })
	return s
}

func TestCertificate(t *testing.T) {
	s := newSite(t, "yes")
	var sni string
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return recordingConn{conn, &sni}, err
	}
	served, err := probe.Certificate(t.Context(), dial, s.manager.Addresses().Enroll)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(s.pair.CertPEM, s.pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if served.Serial() != fmt.Sprintf("%x", leaf.SerialNumber) || !served.NotAfter().Equal(leaf.NotAfter) {
		t.Errorf("served %s until %s, want %x until %s", served.Serial(), served.NotAfter(), leaf.SerialNumber, leaf.NotAfter)
	}
	if len(served.SHA256()) != 64 || len(served.Names()) != 1 || served.Names()[0] != host {
		t.Errorf("SHA-256 %s, names %v", served.SHA256(), served.Names())
	}
	if sni != "" {
		t.Errorf("the probe named %q in its hello; agents name nobody", sni)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.authority.CertPEM)
	if err := served.Verify(host, roots); err != nil {
		t.Error(err)
	}
	if err := served.Verify("beta.soc.mssp.example.com", roots); err == nil {
		t.Error("verified for a name it does not have")
	}
	if err := served.Verify(host, nil); err == nil {
		t.Error("verified by the system's roots, which do not know this authority")
	}
}

// recordingConn notes the server name of the ClientHello it carries.
type recordingConn struct {
	net.Conn
	sni *string
}

func (c recordingConn) Write(b []byte) (int, error) {
	if name := serverName(b); name != "" {
		*c.sni = name
	}
	return c.Conn.Write(b)
}

// serverName lets crypto/tls itself read the hello.
func serverName(hello []byte) (name string) {
	inside, outside := net.Pipe()
	defer outside.Close()
	go func() { _, _ = outside.Write(hello); _ = outside.Close() }()
	_ = tls.Server(inside, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, fmt.Errorf("seen")
	}}).Handshake()
	return name
}

func TestSecret(t *testing.T) {
	for name, c := range map[string]struct {
		usePassword, fault, secret string
		want                       probe.Outcome
	}{
		"right":                          {"yes", "", right, probe.Accepted},
		"wrong":                          {"yes", "", "T3nant-Secrex", probe.Refused},
		"none shown":                     {"yes", "", "", probe.Refused},
		"the right one and more":         {"yes", "", right + " more", probe.Refused},
		"nobody asks for one":            {"no", "", right, probe.Open},
		"nobody asks for one, none sent": {"no", "", "", probe.Open},
		"open by accident":               {"yes", "authd-open", right, probe.Open},
	} {
		t.Run(name, func(t *testing.T) {
			var faults []string
			if c.fault != "" {
				faults = append(faults, c.fault)
			}
			s := newSite(t, c.usePassword, faults...)
			got, err := probe.Secret(t.Context(), nil, s.manager.Addresses().Enroll, wazuh.NewSecret(c.secret))
			if err != nil || got != c.want {
				t.Errorf("%q %v, want %q", got, err, c.want)
			}
			keys, err := os.ReadFile(filepath.Join(s.root, "var/ossec/etc/client.keys"))
			if len(keys) > 0 {
				t.Errorf("the probe made an agent: %v %v", len(keys), err)
			}
		})
	}
}

// Managers of every age answer the same question: older ones in two texts, Wazuh 5 over TLS 1.3 only.
func TestSecretOfEveryVersion(t *testing.T) {
	for _, version := range []string{"v4.3.11", "v4.9.2", "v5.0.0"} {
		s := newSiteOf(t, version, "yes")
		for secret, want := range map[string]probe.Outcome{right: probe.Accepted, "T3nant-Secrex": probe.Refused, "": probe.Refused, right + " more": probe.Refused} {
			got, err := probe.Secret(t.Context(), nil, s.manager.Addresses().Enroll, wazuh.NewSecret(secret))
			if err != nil || got != want {
				t.Errorf("%s, a secret of %d letters: %q %v, want %q", version, len(secret), got, err, want)
			}
		}
	}
}

// Whoever does not answer is neither open nor shut.
func TestSecretWithoutAnswer(t *testing.T) {
	full := newSite(t, "yes", "authd-full")
	if got, err := probe.Secret(t.Context(), nil, full.manager.Addresses().Enroll, wazuh.NewSecret(right)); err == nil || got != "" {
		t.Errorf("a manager that hangs up: %q %v", got, err)
	}
	silent := newSite(t, "yes", "authd-silent")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got, err := probe.Secret(ctx, nil, silent.manager.Addresses().Enroll, wazuh.NewSecret(right)); err == nil || got != "" {
		t.Errorf("a silent manager: %q %v", got, err)
	}
	if _, err := probe.Certificate(t.Context(), nil, full.manager.Addresses().Enroll); err == nil {
		t.Error("a manager that hangs up shows no certificate")
	}
}
