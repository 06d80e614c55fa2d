package lab_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// The clients the provider knows.
const (
	confidentialClient = "console"
	publicClient       = "console-public"
)

// identityProvider is a real OpenID provider, on loopback with TLS.
type identityProvider struct {
	t       *testing.T
	binary  string
	dir     string
	listen  string
	issuer  string
	secret  string
	caPEM   []byte
	roots   *x509.CertPool
	clients *http.Client
}

// newProvider chooses where a provider will be; it runs after start.
func newProvider(t *testing.T) *identityProvider {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := listener.Addr().String()
	_ = listener.Close()
	_, port, _ := net.SplitHostPort(listen)
	authority, err := ca.New("the provider's HTTPS", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue([]string{"localhost"}, 24*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{
		t: t, binary: controlplanetest.Program(t, controlplane.OIDC), dir: t.TempDir(), listen: listen, issuer: "https://localhost:" + port,
		secret: "a-secret-of-the-client-alone", caPEM: authority.CertPEM, roots: x509.NewCertPool(),
	}
	p.roots.AppendCertsFromPEM(p.caPEM)
	p.clients = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}}}
	for name, text := range map[string][]byte{"tls.crt": pair.CertPEM, "tls.key": pair.KeyPEM, "ca.crt": p.caPEM, "secret": []byte(p.secret + "\n")} {
		if err := os.WriteFile(p.file(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *identityProvider) file(name string) string { return filepath.Join(p.dir, name) }

// start runs the provider for consoles with these URLs.
func (p *identityProvider) start(homes ...string) {
	p.t.Helper()
	var redirects, loggedOut []string
	for _, home := range homes {
		redirects, loggedOut = append(redirects, home+"/auth/callback"), append(loggedOut, home+"/")
	}
	person := func(name string, groups ...string) map[string]any {
		return map[string]any{"password": name + "s-password", "email": name + "@mssp.example.com", "groups": groups}
	}
	text, err := json.Marshal(map[string]any{
		"listen": p.listen, "issuer": p.issuer, "certificate": p.file("tls.crt"), "key": p.file("tls.key"), "secret": p.secret,
		"redirect": redirects, "loggedOut": loggedOut,
		"people": map[string]any{"alice": person("alice", "analysts"), "bob": person("bob", "operators")},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.file("provider.json"), text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	child, err := process.Start(process.Spec{
		Name: "openid-provider", Path: p.binary, Args: []string{"-config", p.file("provider.json")},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, Dir: p.dir, LogFile: p.file("provider.log"),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { child.Stop(time.Second) })
	eventually(p.t, "the provider answers", func(context.Context) (bool, error) {
		if !child.Running() {
			p.t.Fatal(child.Err())
		}
		answer, err := p.clients.Get(p.issuer + "/control")
		if err != nil {
			return false, err
		}
		return answer.StatusCode == http.StatusOK, answer.Body.Close()
	})
}

// behaviour is how the provider behaves; see peers/oidc.
type behaviour struct {
	IDTokenSeconds int      `json:"idTokenSeconds,omitempty"`
	Revoked        *bool    `json:"revoked,omitempty"`
	WrongNonce     *bool    `json:"wrongNonce,omitempty"`
	Down           *bool    `json:"down,omitempty"`
	Refreshes      int      `json:"refreshes,omitempty"`
	Heard          []string `json:"heard,omitempty"`
}

// set changes what is named, and tells how things are.
func (p *identityProvider) set(change behaviour) behaviour {
	p.t.Helper()
	text, err := json.Marshal(change)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.clients.Post(p.issuer+"/control", "application/json", bytes.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var now behaviour
	if err := json.Unmarshal(got, &now); err != nil {
		p.t.Fatalf("%v in %s", err, got)
	}
	return now
}
