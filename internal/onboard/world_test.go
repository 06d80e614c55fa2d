package onboard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/onboard/kit"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/installer"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

const (
	hostname = "acme.soc.mssp.example.com"
	secret   = "Tenant-Secret_0123456789-abcdefghijklmnopqrstuvwxyz"
)

// tenantWorld is a manager, reached by the tenant's name and ports and no others.
type tenantWorld struct {
	manager            *manager.Manager
	authority          []byte
	events, enrollment int32
}

func newTenantWorld(t *testing.T, events, enrollment int32) *tenantWorld {
	t.Helper()
	authority, err := ca.New("Acme test authority", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue([]string{hostname}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for name, text := range map[string]string{
		"ossec.conf": `<ossec_config><auth><purge>yes</purge><use_password>yes</use_password></auth></ossec_config>`,
		"authd.pass": secret + "\n", "sslmanager.cert": string(pair.CertPEM), "sslmanager.key": string(pair.KeyPEM),
	} {
		path := filepath.Join(root, "var/ossec/etc", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	made, err := manager.Start(manager.Options{Root: root, KeyReload: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = made.Close() })
	return &tenantWorld{manager: made, authority: authority.CertPEM, events: events, enrollment: enrollment}
}

// dial leads the tenant's name and ports to the manager; everything else is a
// closed port, as the customer's firewall would have it.
func (w *tenantWorld) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	switch address {
	case fmt.Sprintf("%s:%d", hostname, w.events):
		return d.DialContext(ctx, network, w.manager.Addresses().Events)
	case fmt.Sprintf("%s:%d", hostname, w.enrollment):
		return d.DialContext(ctx, network, w.manager.Addresses().Enroll)
	}
	return nil, fmt.Errorf("dial %s: connection refused", address)
}

func (w *tenantWorld) input(public bool) onboard.Input {
	in := onboard.Input{AgentGroup: "default"}
	in.Tenant.Name = "acme"
	in.Tenant.Status = v1alpha1.TenantStatus{
		Region: "eu", Mode: v1alpha1.ModeLoadBalancer, Hostname: hostname, Address: "198.51.100.21",
		Ports: []v1alpha1.PortStatus{{Name: naming.PortEvents, Port: w.events}, {Name: naming.PortEnrollment, Port: w.enrollment}},
	}
	if w.events != 1514 {
		in.Tenant.Status.Mode = v1alpha1.ModeEdgeHAProxy
	}
	if !public {
		in.AuthorityPEM = string(w.authority)
	}
	return in
}

// endpoint is a bare host with what the administrator was handed beside it.
func (w *tenantWorld) endpoint(t *testing.T, system installer.System, files ...kit.File) *installer.Host {
	t.Helper()
	host, err := installer.New(t.TempDir(), system)
	if err != nil {
		t.Fatal(err)
	}
	host.Dial, host.PublicCA, host.Secret = w.dial, w.authority, secret
	if err := host.AddPublicCA(); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(host.Work(), file.Name), file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return host
}

// handedOver are the secret and the authority, as separate files.
func (w *tenantWorld) handedOver(public bool) []kit.File {
	files := []kit.File{{Name: onboard.SecretFile, Data: []byte(secret + "\n")}}
	if !public {
		files = append(files, kit.File{Name: onboard.CAFile, Data: w.authority})
	}
	return files
}

func perform(t *testing.T, host *installer.Host, steps ...onboard.Step) {
	t.Helper()
	for _, step := range steps {
		run := host.Run
		if step.Shell == onboard.ShellPowerShell {
			run = host.RunPowerShell
		}
		if err := run(t.Context(), step.Run); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", step.Title, err, step.Run, host.Output())
		}
	}
}

// arrives lets the agent that was installed do its first round.
func arrives(t *testing.T, host *installer.Host, name string) {
	t.Helper()
	options, err := host.Agent(name)
	if err != nil {
		t.Fatal(err)
	}
	options.TimeScale = 2000
	options.Report = func(step agent.Step) {
		line := map[string]string{agent.StepEnrolled: "INFO: Valid key received", agent.StepConnected: "INFO: Connected to the server"}[step.Step]
		if line != "" {
			if err := host.Log(line); err != nil {
				t.Error(err)
			}
		}
	}
	made, err := agent.New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Once(t.Context()); err != nil {
		t.Fatalf("%s does not arrive: %v", name, err)
	}
}

// systemsOf a platform: a package can be for more than one distribution.
func systemsOf(platform string) []installer.System {
	switch {
	case strings.HasPrefix(platform, "rpm"):
		return []installer.System{installer.RedHat, installer.SUSE}
	case strings.HasPrefix(platform, "windows"):
		return []installer.System{installer.Windows}
	case strings.HasPrefix(platform, "macos"):
		return []installer.System{installer.MacOS}
	}
	return []installer.System{installer.Debian}
}

// eachWorld runs a test for both modes, and for an authority of our own and a
// public one.
func eachWorld(t *testing.T, run func(t *testing.T, w *tenantWorld, sheet onboard.Sheet, public bool)) {
	for mode, ports := range map[string][2]int32{"loadbalancer": {1514, 1515}, "edge": {15142, 15143}} {
		for trust, public := range map[string]bool{"own authority": false, "public authority": true} {
			t.Run(mode+", "+trust, func(t *testing.T) {
				w := newTenantWorld(t, ports[0], ports[1])
				sheet, err := onboard.NewSheet(w.input(public))
				if err != nil {
					t.Fatal(err)
				}
				run(t, w, sheet, public)
			})
		}
	}
}
