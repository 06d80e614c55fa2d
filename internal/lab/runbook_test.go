package lab_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/cli"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/installer"
)

// commands are the blocks of a page that are there to be run: for the provider,
// or on an endpoint.
var commands = regexp.MustCompile("(?ms)^```sh( endpoint)?\n(.*?)^```$")

// The runbook "a customer's first agent" is followed to the letter: by the
// provider at a command line, and by the customer on a bare host.
func TestTheOnboardingRunbook(t *testing.T) {
	l := installation(t)
	page, err := os.ReadFile("../../docs/guide/onboarding.md")
	if err != nil {
		t.Fatal(err)
	}
	removed(t, l, "acme")
	desk := t.TempDir()
	var endpoint *installer.Host
	said := map[string]string{}
	for _, block := range commands.FindAllStringSubmatch(string(page), -1) {
		script := block[2]
		if block[1] == "" {
			said[script] = provider(t, l, desk, script)
			continue
		}
		if endpoint == nil {
			endpoint = customer(t, l, desk)
		}
		if err := endpoint.Run(t.Context(), script); err != nil {
			t.Fatalf("on the endpoint: %v\n%s\n%s", err, script, endpoint.Output())
		}
		if strings.Contains(script, "install-") {
			arrive(t, endpoint)
		}
	}
	if len(said) < 8 || endpoint == nil || !endpoint.Started() {
		t.Fatalf("%d blocks were run, and no agent started", len(said))
	}
	if strings.Contains(endpoint.Output(), "FAILED") || !strings.Contains(endpoint.Output(), "#pong") {
		t.Errorf("the check on the endpoint:\n%s", endpoint.Output())
	}
	for script, want := range map[string]string{
		"handover list acme": "opened", "agents list acme": "first-agent", "secret status acme": v1alpha1.EventHandoverOpened,
	} {
		found := false
		for block, out := range said {
			found = found || strings.Contains(block, script) && strings.Contains(out, want)
		}
		if !found {
			t.Errorf("%s does not show %q: %v", script, want, said)
		}
	}
	secret := enrollmentSecret(t, l, "acme").Reveal()
	for script, out := range said {
		if strings.Contains(out, secret) {
			t.Errorf("%s prints the secret", script)
		}
	}
}

// provider runs a block at the provider's desk and returns what it printed.
func provider(t *testing.T, l *lab.Lab, desk, script string) string {
	t.Helper()
	// The list is looked at after the customer was sent the link.
	if strings.Contains(script, "handover list") {
		customerOpens(t, l, desk)
	}
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		t.Fatalf("%v in\n%s", err, script)
	}
	var out strings.Builder
	run, err := interp.New(interp.Dir(desk), interp.StdIO(nil, &out, &out), interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
		return func(ctx context.Context, args []string) error {
			at := interp.HandlerCtx(ctx)
			switch args[0] {
			case "soctalk-ingress":
				args = append(args[1:], "--kubeconfig", l.Plane.Kubeconfig())
				for i, word := range args { // files are where the person is
					switch word {
					case "--to-file", "--bundle", "--report", "--key", "verify":
						args[i+1] = filepath.Join(desk, args[i+1])
					}
				}
				if code := cli.Main(ctx, args, genericiooptions.IOStreams{In: strings.NewReader(""), Out: at.Stdout, ErrOut: at.Stderr}); code != 0 {
					return fmt.Errorf("exit %d", code)
				}
				return nil
			case "kubectl":
				command := exec.CommandContext(ctx, l.Plane.Binary(), append([]string{"kubectl", "--kubeconfig", l.Plane.Kubeconfig()}, args[1:]...)...)
				command.Stdout, command.Stderr = at.Stdout, at.Stderr
				return command.Run()
			}
			return fmt.Errorf("the runbook uses %s, which a provider need not have", args[0])
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Run(t.Context(), file); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, script, out.String())
	}
	return out.String()
}

const savedKit = "acme-wazuh-agents.zip"

// customerOpens presses the button of the link that was sent, and saves the kit.
func customerOpens(t *testing.T, l *lab.Lab, desk string) {
	t.Helper()
	link, err := os.ReadFile(filepath.Join(desk, "link.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, fragment, _ := strings.Cut(strings.TrimSpace(string(link)), "#")
	server, _ := site(t, l, nil)
	kit := open(t, server, fragment)
	if kit.Status != 200 || kit.File != savedKit {
		t.Fatalf("the link opens with %d %s, %q", kit.Status, kit.Code, kit.File)
	}
	if err := os.WriteFile(filepath.Join(desk, savedKit), kit.Bundle, 0o600); err != nil {
		t.Fatal(err)
	}
}

// customer is the host that is to get an agent, with the archive and no more.
func customer(t *testing.T, l *lab.Lab, desk string) *installer.Host {
	t.Helper()
	host, err := installer.New(t.TempDir(), installer.Debian)
	if err != nil {
		t.Fatal(err)
	}
	tenant := get(t, l, "acme")
	host.Secret = enrollmentSecret(t, l, "acme").Reveal()
	host.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if name, _, _ := net.SplitHostPort(address); name != tenant.Status.Hostname {
			return nil, fmt.Errorf("dial %s: no such host", address)
		}
		return dialPort(tenant.Status.Address)(ctx, network, address)
	}
	kit, err := os.ReadFile(filepath.Join(desk, savedKit))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host.Work(), savedKit), kit, 0o600); err != nil {
		t.Fatal(err)
	}
	return host
}

// arrive lets the installed agent enroll and connect, as its configuration says.
func arrive(t *testing.T, host *installer.Host) {
	t.Helper()
	options, err := host.Agent("first-agent")
	if err != nil {
		t.Fatal(err)
	}
	options.TimeScale = 10
	made, err := agent.New(options)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent arrives", func(ctx context.Context) (bool, error) {
		err := made.Once(ctx)
		return err == nil, err
	})
}

// The rights the runbook names are enough to hand a kit over, and not enough to
// see the secret.
func TestWhoHandsOverNeedNotSeeTheSecret(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "delegated", v1alpha1.TenantSpec{})
	becomesReady(t, l, "delegated")
	subject := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "helpdesk"}}
	grant := func(namespace, name string, rules ...rbacv1.PolicyRule) {
		meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
		var objects []client.Object
		if namespace == "" {
			objects = []client.Object{&rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules},
				&rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}}}
		} else {
			objects = []client.Object{&rbacv1.Role{ObjectMeta: meta, Rules: rules},
				&rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subject, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name}}}
		}
		for _, object := range objects {
			if err := l.Client.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Client.Delete(context.WithoutCancel(t.Context()), object) })
		}
	}
	grant("", "helpdesk", rbacv1.PolicyRule{APIGroups: []string{"ingress.soctalk.io"}, Resources: []string{"tenants", "regions"}, Verbs: []string{"get", "list"}})
	grant("default", "helpdesk-events", rbacv1.PolicyRule{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create"}})
	grant(naming.Namespace("delegated"), "helpdesk-handovers", rbacv1.PolicyRule{
		APIGroups: []string{"ingress.soctalk.io"}, Resources: []string{"handovers"}, Verbs: []string{"create", "list", "get", "update"},
	})
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, key(t, l, "delegated", naming.SecretTLS, naming.KeyTLSCA), 0o600); err != nil {
		t.Fatal(err)
	}
	as := []string{"--as", "helpdesk"}
	link := ""
	eventually(t, "the rights are in force", func(context.Context) (bool, error) {
		code, out, talk := run(t, l, append([]string{"handover", "create", "delegated", "--url", "https://onboard.example.com", "--why", "by the helpdesk", "--ca-file", authority}, as...)...)
		link = strings.TrimSpace(out)
		if code != 0 {
			return false, fmt.Errorf("exit %d: %s", code, talk)
		}
		return true, nil
	})
	if code, out, _ := run(t, l, append([]string{"secret", "reveal", "delegated", "--why", "curious"}, as...)...); code != 1 || out != "" {
		t.Errorf("the helpdesk reveals the secret: exit %d", code)
	}
	succeed(t, l, append([]string{"handover", "list", "delegated"}, as...)...)
	_, fragment, _ := strings.Cut(link, "#")
	if held := handoverOf(t, l, "delegated", fragment); held.Spec.CreatedBy != "helpdesk" {
		t.Errorf("made by %q", held.Spec.CreatedBy)
	}
	server, _ := site(t, l, nil)
	if got := open(t, server, fragment); got.Status != 200 {
		t.Errorf("the helpdesk's link: %d %s", got.Status, got.Code)
	}
}
