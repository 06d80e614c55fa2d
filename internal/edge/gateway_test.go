package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway"
	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

// gatewaySecret is the tenant's; behind the gateway the manager has another.
const gatewaySecret = "gateway-secret-0123456789"

// newGateway is the real enrollment gateway in front of a manager. It believes
// PROXY headers of this machine's own HAProxy, and insists on one.
func newGateway(t *testing.T, m *manager.Manager, n int) *gateway.Gateway {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(policy.Policy{
		Generation: 1, Secret: policy.DigestOf([]byte(gatewaySecret)),
		Proxy: policy.Proxy{Mode: policy.ProxyRequired, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t)
	for name, content := range map[string][]byte{
		"tls/tls.crt": cert, "tls/tls.key": key, "policy/policy.json": text,
		"secrets/authd.pass": []byte(secretOf(n) + "\n"), "secrets/token": []byte("admin-token-0123456789"), "state/.keep": nil,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	g, err := gateway.Start(gateway.Config{
		Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Metrics: "127.0.0.1:0", CertDir: at("tls"), AdminCertDir: at("tls"), PolicyDir: at("policy"),
		AdminTokenFile: at("secrets/token"), PasswordFile: at("secrets/authd.pass"), StateDir: at("state"), Manager: m.Addresses().Enroll,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"tenant.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// enrollFrom enrolls at a tenant's port from an address of its own.
func (s *site) enrollFrom(n int, source, name, secret string) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	_, err := wazuh.Enroll(s.Context(), wazuh.EnrollOptions{
		Address: s.port(n, 1), Timeout: 20 * time.Second, Dial: dialer.DialContext, Request: wazuh.EnrollRequest{Name: name, Password: wazuh.NewSecret(secret)},
	})
	return err
}

// The gateway's audit has the agents' own addresses, and a tenant without a
// gateway gets no header, which its authd would not survive. A tenant changes
// over without a reload. A HAProxy that is started again while the edge is away
// still tells the gateway.
func TestTheGatewayIsToldTheTrueAddress(t *testing.T) {
	haproxies.Each(t, testTheGatewayIsToldTheTrueAddress)
}

func testTheGatewayIsToldTheTrueAddress(t *testing.T) {
	s := newSite(t)
	direct, behind := newManager(t, 0), newManager(t, 1)
	g := newGateway(t, behind, 1)
	gated := func(r *haproxy.Route) { r.Ports[1].Proxy = true }
	s.tenant(0, direct.Addresses().Events, direct.Addresses().Enroll)
	s.tenant(1, behind.Addresses().Events, g.Addresses().Enrollment, gated)
	s.apply()
	before := s.worker()
	from := func(name string) (found audit.Record) {
		s.eventually("a record about "+name, func() bool {
			for _, record := range g.Enrollments(0, 1000).Records {
				if record.Name == name {
					found = record
				}
			}
			return found.Name != ""
		})
		return found
	}
	enrolls := func(n int, source, name, secret string) {
		t.Helper()
		if err := s.enrollFrom(n, source, name, secret); err != nil {
			t.Fatalf("enroll %s at tenant %d: %v", name, n, err)
		}
	}
	enrolls(0, "127.3.0.1", "plain", secretOf(0))
	enrolls(1, "127.3.0.2", "gated", gatewaySecret)
	if record := from("gated"); record.Source != "127.3.0.2" || record.Via != "127.0.0.1" || record.ID == "" {
		t.Errorf("the audit says %+v", record)
	}
	if err := s.enrollFrom(1, "127.3.0.3", "guesser", secretOf(1)); err == nil {
		t.Error("the manager's own secret is good at the gateway")
	}
	if record := from("guesser"); record.Source != "127.3.0.3" {
		t.Errorf("a guesser comes from %s, says the audit", record.Source)
	}
	// Tenant 0 gets a gateway too, in front of the same manager.
	second := newGateway(t, direct, 0)
	s.tenant(0, direct.Addresses().Events, second.Addresses().Enrollment, gated)
	s.apply()
	enrolls(0, "127.3.0.4", "changed-over", gatewaySecret)
	if s.worker() != before {
		t.Error("haproxy was reloaded for it")
	}
	s.exact()
	s.stop()
	s.restartHAProxy()
	enrolls(1, "127.3.0.5", "without-edge", gatewaySecret)
	if record := from("without-edge"); record.Source != "127.3.0.5" {
		t.Errorf("after a restart the audit says %+v", record)
	}
	s.begin()
	s.exact()
}

// restartHAProxy does what systemd does, while the edge is away.
func (s *site) restartHAProxy() {
	s.Helper()
	s.killHAProxy()
	s.startHAProxy()
	s.eventually("haproxy serves again", func() bool { _, err := s.edge.runtime.info(s.Context()); return err == nil })
}

func (s *site) killHAProxy() {
	s.Helper()
	master, err := s.edge.process.masterPID()
	if err != nil {
		s.Fatal(err)
	}
	worker, err := strconv.Atoi(s.worker())
	if err != nil {
		s.Fatal(err)
	}
	_ = syscall.Kill(master, syscall.SIGKILL)
	_ = syscall.Kill(worker, syscall.SIGKILL)
	s.eventually("its sockets are closed", func() bool { _, err := s.edge.runtime.info(s.Context()); return err != nil })
}

func (s *site) startHAProxy() {
	s.Helper()
	config := s.edge.config
	command := exec.Command(s.options.Program, "-W", "-S", config.File(haproxy.FileMaster), "-p", config.File(haproxy.FilePID), "-f", config.File(haproxy.FileConfig))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		s.Fatal(err)
	}
	go func() { _ = command.Wait() }() // the site ends it
}
