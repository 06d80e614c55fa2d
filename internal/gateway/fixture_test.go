package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/soctalk/soctalk-ingress/internal/gateway"
	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The secrets of these tests. None of them may ever be seen in an output.
const (
	tenantSecret   = "tenant-secret-0123456789"
	previousSecret = "previous-secret-0123456789"
	tokenSecret    = "token-secret-0123456789"
	wrongSecret    = "wrong-secret-0123456789"
	internalSecret = "internal-secret-0123456789"
	adminToken     = "admin-token-0123456789"
)

func digest(secret string) policy.Digest { return policy.DigestOf([]byte(secret)) }

// basic is a policy that only knows the tenant's secret.
func basic() *policy.Policy {
	return &policy.Policy{Generation: 1, Secret: digest(tenantSecret)}
}

// site is a gateway in front of a simulated manager.
type site struct {
	testing.TB
	dir     string
	version string // of the manager; empty is today's
	manager *manager.Manager
	gateway *gateway.Gateway
	config  gateway.Config
	clock   *clock
	log     *buffer
	client  *http.Client
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// clock is real time plus what a test adds; limits and expiries look at it.
type clock struct {
	mu    sync.Mutex
	added time.Duration
	still time.Time // when set, real time does not pass
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.still.IsZero() {
		return c.still.Add(c.added)
	}
	return time.Now().Add(c.added)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added += d
}

// newSite starts both; the manager knows the groups given.
func newSite(t testing.TB, p *policy.Policy, change ...func(*site)) *site {
	t.Helper()
	return newSiteOf(t, "", p, change...)
}

// newSiteOf is newSite with another version of the manager.
func newSiteOf(t testing.TB, version string, p *policy.Policy, change ...func(*site)) *site {
	t.Helper()
	s := &site{TB: t, dir: t.TempDir(), version: version, clock: &clock{}, log: &buffer{}}
	s.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	s.startManager()
	s.swap("tls", keyPair(t, "first"))
	s.swap("admin-tls", keyPair(t, "admin"))
	s.swap("policy", map[string][]byte{"policy.json": encode(t, p)})
	s.swap("secrets", map[string][]byte{"authd.pass": []byte(internalSecret + "\n"), "token": []byte(adminToken)})
	must(t, os.MkdirAll(s.path("state"), 0o700))
	s.config = gateway.Config{
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Metrics: "127.0.0.1:0",
		CertDir: s.path("tls"), PolicyDir: s.path("policy"), AdminCertDir: s.path("admin-tls"),
		AdminTokenFile: s.path("secrets/token"), PasswordFile: s.path("secrets/authd.pass"), StateDir: s.path("state"),
		Manager: s.manager.Addresses().Enroll, Poll: 10 * time.Millisecond, CheckManager: time.Hour, Grace: 5 * time.Second,
		Log: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: s.clock.Now,
	}
	for _, c := range change {
		c(s)
	}
	s.start()
	return s
}

func (s *site) startManager() {
	s.Helper()
	root := s.path("manager")
	home, conf, err := manager.Unpack(root, s.version)
	must(s, err)
	files := map[string]string{home + "/etc/authd.pass": internalSecret + "\n"}
	if conf == "etc/ossec.conf" {
		files[home+"/"+conf] = `<ossec_config><auth><purge>yes</purge><use_password>yes</use_password></auth></ossec_config>`
	}
	for name, content := range files {
		must(s, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		must(s, os.WriteFile(filepath.Join(root, name), []byte(content), 0o600))
	}
	for _, group := range []string{"berlin", "web"} {
		must(s, os.MkdirAll(filepath.Join(root, home, "etc/shared", group), 0o755))
	}
	m, err := manager.Start(manager.Options{Root: root, Version: s.version})
	must(s, err)
	s.manager = m
	s.Cleanup(func() { _ = m.Close() })
}

func (s *site) start() {
	s.Helper()
	g, err := gateway.Start(s.config)
	must(s, err)
	s.gateway = g
	s.Cleanup(func() { _ = g.Close() })
}

// restart is a new process on the same disk and mounts.
func (s *site) restart() {
	s.Helper()
	must(s, s.gateway.Close())
	s.start()
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// swap puts files into a mount as a kubelet does: all at once.
func (s *site) swap(mount string, files map[string][]byte) {
	s.Helper()
	dir := s.path(mount)
	must(s, os.MkdirAll(dir, 0o755))
	version, err := os.MkdirTemp(dir, "..version")
	must(s, err)
	for name, content := range files {
		must(s, os.WriteFile(filepath.Join(version, name), content, 0o600))
		if link := filepath.Join(dir, name); !exists(link) {
			must(s, os.Symlink(filepath.Join("..data", name), link))
		}
	}
	must(s, os.Symlink(filepath.Base(version), filepath.Join(dir, "..data_tmp")))
	must(s, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return text
}

// keyPair makes a self-signed ECDSA certificate.
func keyPair(t testing.TB, name string) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return signed(t, name, key, key.Public())
}

func rsaPair(t testing.TB, name string) map[string][]byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return signed(t, name, key, key.Public())
}

func signed(t testing.TB, name string, key, public any) map[string][]byte {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

// from dials from an address of the loopback network.
func from(address string) wazuh.DialFunc {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
}

// enroll returns the key, or what the agent was told instead.
func (s *site) enroll(secret string, r wazuh.EnrollRequest, source ...string) (wazuh.Key, string) {
	s.Helper()
	key, err := s.tryEnroll(secret, r, source...)
	var refused *wazuh.Refused
	if errors.As(err, &refused) {
		return key, refused.Reason
	}
	must(s, err)
	return key, ""
}

func (s *site) tryEnroll(secret string, r wazuh.EnrollRequest, source ...string) (wazuh.Key, error) {
	r.Password = wazuh.NewSecret(secret)
	o := wazuh.EnrollOptions{Address: s.gateway.Addresses().Enrollment, Request: r, Timeout: 5 * time.Minute}
	if len(source) > 0 {
		o.Dial = from(source[0])
	}
	return wazuh.Enroll(context.Background(), o)
}

// want enrolls and expects an answer; "" is a key.
func (s *site) want(answer, secret string, r wazuh.EnrollRequest, source ...string) wazuh.Key {
	s.Helper()
	key, got := s.enroll(secret, r, source...)
	if got != answer {
		s.Fatalf("enroll %q: the agent was told %q, want %q", r.Name, got, answer)
	}
	return key
}

func (s *site) admin() *admin.Client {
	return &admin.Client{URL: "https://" + s.gateway.Addresses().Admin, Token: wazuh.NewSecret(adminToken), HTTP: s.client}
}

func (s *site) push(p *policy.Policy) {
	s.Helper()
	pushed, err := s.admin().PutPolicy(context.Background(), p)
	must(s, err)
	if !pushed.Persisted || pushed.Generation != p.Generation {
		s.Fatalf("pushed generation %d, got %+v", p.Generation, pushed)
	}
}

// last waits for the newest record of the audit to be about name.
func (s *site) last(name string) audit.Record {
	s.Helper()
	var found audit.Record
	s.eventually("a record about "+name, func() bool {
		records := s.gateway.Enrollments(0, 100_000).Records
		for i := len(records) - 1; i >= 0; i-- {
			if records[i].Name == name {
				found = records[i]
				return true
			}
		}
		return false
	})
	return found
}

func (s *site) wantReason(name string, reason policy.Reason) audit.Record {
	s.Helper()
	r := s.last(name)
	if r.Reason != reason {
		s.Errorf("the audit says %q of %q, want %q", r.Reason, name, reason)
	}
	return r
}

// eventually waits for what another goroutine does on its own.
func (s *site) eventually(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("never: %s", what)
		}
	}
}

// metric reads one line of /metrics.
func (s *site) metric(line string) string {
	s.Helper()
	for found := range strings.Lines(s.metricsPage()) {
		if value, ok := strings.CutPrefix(found, line+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (s *site) metricsPage() string {
	s.Helper()
	response, err := s.client.Get("http://" + s.gateway.Addresses().Metrics + "/metrics")
	must(s, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(s, err)
	return string(text)
}

func attempts(outcome string, reason policy.Reason) string {
	return fmt.Sprintf(`soctalk_gateway_attempts_total{outcome=%q,reason=%q}`, outcome, reason)
}

// talk sends bytes over TLS to an address and returns each read of the answer.
func talk(t testing.TB, address, text string) (records []string) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = io.WriteString(conn, text)
	must(t, err)
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			records = append(records, string(buf[:n]))
		}
		if errors.Is(err, io.EOF) { // of TLS: a close_notify came
			return records
		}
		if err != nil {
			t.Fatalf("no clean end after %q: %v", records, err)
		}
	}
}
