package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/mount"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Config says where everything is. Folders are mounted Secrets, except StateDir.
type Config struct {
	// Listen is where agents enroll, such as :1515; Admin where the operator
	// asks; Metrics where /metrics, /healthz and /readyz are.
	Listen, Admin, Metrics string

	// CertDir holds tls.crt and tls.key of the tenant, PolicyDir policy.json.
	CertDir, PolicyDir string
	// AdminCertDir holds tls.crt and tls.key of the admin port, AdminTokenFile
	// the bearer token.
	AdminCertDir, AdminTokenFile string
	// StateDir is a folder of our own that survives restarts.
	StateDir string

	// Manager is authd, host:port. PasswordFile is the internal password, one
	// line, as in authd.pass. ManagerCAFile is needed unless authd is on the
	// loopback: whoever else stands in its place would learn that password.
	Manager, PasswordFile, ManagerCAFile string
	// ManagerName is the name in authd's certificate; empty means Manager's host.
	// A certificate that stands in ManagerCAFile itself needs none.
	ManagerName string
	// OmitAgentVersion leaves the agent's version out of what authd is asked: one
	// before 4.6 does not know that field, and stops reading at it.
	OmitAgentVersion bool

	// Poll is how often mounted files are looked at; CheckManager how often
	// authd is asked whether it still knows us.
	Poll, CheckManager time.Duration
	// Grace is how long enrollments under way may take when we are stopped.
	Grace time.Duration

	Log *slog.Logger
	Now func() time.Time

	// Confirm, when set, is called after each enrollment and checks that the
	// manager's database knows the agent. With one request at a time authd 4.14
	// does not lose rows; this is the place for a repair should a manager do so.
	// It does not delay the agent's answer.
	Confirm func(ctx context.Context, id, name string) error
}

// Files in the mounted folders.
const (
	fileCert   = "tls.crt"
	fileKey    = "tls.key"
	filePolicy = "policy.json"
)

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, ":1515")
	c.Admin = cmp.Or(c.Admin, ":9515")
	c.Metrics = cmp.Or(c.Metrics, ":9516")
	c.Manager = cmp.Or(c.Manager, "127.0.0.1:11515")
	c.Poll = cmp.Or(c.Poll, 2*time.Second)
	c.CheckManager = cmp.Or(c.CheckManager, 5*time.Minute)
	c.Grace = cmp.Or(c.Grace, 15*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	var missing []error
	for _, f := range []struct{ name, value, why string }{
		{"certificate folder", c.CertDir, "the tenant's certificate"},
		{"policy folder", c.PolicyDir, filePolicy},
		{"admin certificate folder", c.AdminCertDir, "the admin port's certificate"},
		{"admin token file", c.AdminTokenFile, "the operator's bearer token"},
		{"state folder", c.StateDir, "what must survive a restart"},
		{"manager password file", c.PasswordFile, "authd's internal password"},
	} {
		if f.value == "" {
			missing = append(missing, fmt.Errorf("the %s is not given: name where %s is", f.name, f.why))
		}
	}
	if c.ManagerCAFile == "" && !onLoopback(c.Manager) {
		missing = append(missing, fmt.Errorf("manager address %q is not on the loopback: name a CA file for its certificate, or whoever answers there learns authd's password", c.Manager))
	}
	return errors.Join(missing...)
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// managerName is what authd's certificate must be for.
func (c Config) managerName() string {
	host, _, _ := net.SplitHostPort(c.Manager)
	return cmp.Or(c.ManagerName, host)
}

// readSecret reads the first line of a file, which must not be empty: an empty
// password is how authd is told to ask for none.
func readSecret(path, what string) (wazuh.Secret, error) {
	text, err := mount.ReadFile(path)
	if err != nil {
		return wazuh.Secret{}, fmt.Errorf("read %s: %w", what, err)
	}
	line := firstLine(text)
	if line == "" {
		return wazuh.Secret{}, fmt.Errorf("read %s: the first line of %q is empty", what, path)
	}
	return wazuh.NewSecret(line), nil
}

func firstLine(text []byte) string {
	for i, c := range text {
		if c == '\n' || c == '\r' {
			return string(text[:i])
		}
	}
	return string(text)
}
