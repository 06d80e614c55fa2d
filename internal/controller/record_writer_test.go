package controller

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/dnswebhook"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// TestAProviderBehindTLS: it is trusted by the Secret's authority alone, sees our
// certificate, and a renewed Secret counts at once.
func TestAProviderBehindTLS(t *testing.T) {
	authority, stranger := newAuthority(t), newAuthority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/external.dns.webhook+json;version=1")
		answer := "{}"
		if r.URL.Path == "/records" {
			answer = `[{"dnsName":"acme.soc.example.com","recordType":"A","targets":["192.0.2.7"]}]`
		}
		_, _ = w.Write([]byte(answer))
	}))
	own, err := tls.X509KeyPair(issue(t, authority, "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refusals are what is tested
	server.StartTLS()
	t.Cleanup(server.Close)

	certificate, key := issue(t, authority, "soctalk-ingress")
	good := map[string][]byte{naming.KeyTLSCA: authority.CertPEM, corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key}
	open := newProviders(time.Minute, time.Now)
	for _, c := range []struct {
		name, version string
		data          map[string][]byte
		want          string
		refused       bool
	}{
		{"no authority", "1", map[string][]byte{}, `Secret soctalk-system/dns-tls, which dns.webhook.tlsSecretRef names: its key "ca.crt" holds no certificate`, true},
		{"another authority", "2", map[string][]byte{naming.KeyTLSCA: stranger.CertPEM, corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key}, "certificate signed by unknown authority", false},
		{"a key of another certificate", "3", map[string][]byte{naming.KeyTLSCA: authority.CertPEM, corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: stranger.KeyPEM}, "private key does not match", true},
		{"no certificate", "4", map[string][]byte{naming.KeyTLSCA: authority.CertPEM}, "certificate required", false},
		{"all of it", "5", good, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			held := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "soctalk-system", Name: "dns-tls", ResourceVersion: c.version}, Data: c.data}
			provider, err := open.at(strings.Replace(server.URL, "127.0.0.1", "localhost", 1), held)
			var found []record.Current
			if err == nil {
				found, err = (&dnswebhook.Writer{Provider: provider, OwnerID: "eu-1"}).Read(t.Context(), []string{"acme.soc.example.com"})
			}
			var refused *record.Refused
			switch {
			case c.want == "" && (err != nil || len(found) != 1):
				t.Errorf("found %v, %v", found, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &refused) != c.refused):
				t.Errorf("error %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE") {
				t.Error("the error holds a key")
			}
		})
	}
}

func newAuthority(t *testing.T) *ca.Authority {
	t.Helper()
	authority, err := ca.New("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func issue(t *testing.T, authority *ca.Authority, name string) (certificate, key []byte) {
	t.Helper()
	pair, err := authority.Issue([]string{name}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pair.CertPEM, pair.KeyPEM
}
