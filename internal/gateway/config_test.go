package gateway_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/gateway"
)

// What is missing is said all at once, each with what to do.
func TestConfigIsChecked(t *testing.T) {
	_, err := gateway.Start(gateway.Config{Manager: "wazuh-manager.tenant-acme.svc:1515"})
	if err == nil {
		t.Fatal("an empty configuration was accepted")
	}
	for _, want := range []string{
		"certificate folder", "policy folder", "admin certificate folder", "admin token file", "state folder", "manager password file",
		`"wazuh-manager.tenant-acme.svc:1515" is not on the loopback`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not mention %q", err, want)
		}
	}
}

// A gateway does not start on what would let everybody in, or nobody.
func TestABadStartIsRefused(t *testing.T) {
	s := newSite(t, basic())
	must(t, s.gateway.Close())
	for what, c := range map[string]struct {
		spoil func(*gateway.Config)
		want  string
	}{
		"no policy":                 {func(c *gateway.Config) { c.PolicyDir, c.StateDir = t.TempDir(), t.TempDir() }, "policy.json"},
		"an empty password":         {func(c *gateway.Config) { c.PasswordFile = s.file("\nsecret\n") }, "is empty"},
		"an empty admin token":      {func(c *gateway.Config) { c.AdminTokenFile = s.file("") }, "is empty"},
		"a CA file without a CA":    {func(c *gateway.Config) { c.ManagerCAFile = s.file("nothing") }, "contains no certificate"},
		"a state folder is missing": {func(c *gateway.Config) { c.StateDir = s.path("nowhere") }, "token uses"},
		"a taken port":              {func(c *gateway.Config) { c.Admin = s.manager.Addresses().API }, "address already in use"},
	} {
		config := s.config
		c.spoil(&config)
		g, err := gateway.Start(config)
		if err == nil {
			_ = g.Close()
			t.Errorf("%s: it started", what)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", what, err, c.want)
		}
	}
}

func (s *site) file(content string) string {
	s.Helper()
	file, err := os.CreateTemp(s.dir, "file")
	must(s, err)
	_, err = file.WriteString(content)
	must(s, err)
	must(s, file.Close())
	return file.Name()
}

// The manager's certificate is judged when a CA is named: somebody else in its
// place does not get the password.
func TestTheManagersCertificateIsChecked(t *testing.T) {
	other := keyPair(t, "other")
	s := newSite(t, basic(), func(s *site) { s.config.ManagerCAFile = s.file(string(other["tls.crt"])) })
	_, answer := s.enroll(tenantSecret, agent("web-01"))
	if !strings.HasPrefix(answer, "Internal manager error") || len(s.groups()) != 0 {
		t.Errorf("the agent was told %q by a manager nobody vouched for", answer)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := newSite(t, basic())
	must(t, s.gateway.Close())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- gateway.Run(ctx, s.config) }()
	s.eventually("an open gateway", func() bool { return strings.Count(s.log.String(), "gateway is open") == 2 })
	cancel()
	must(t, <-done)
}
