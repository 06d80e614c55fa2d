package lab_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/cli"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// run calls the command line as a person would and returns exit code and output.
func run(t *testing.T, l *lab.Lab, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	code = cli.Main(t.Context(), append(arguments, "--kubeconfig", l.Plane.Kubeconfig()),
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &talk})
	return code, out.String(), talk.String()
}

// succeed is run for commands that must end with 0.
func succeed(t *testing.T, l *lab.Lab, arguments ...string) string {
	t.Helper()
	code, out, talk := run(t, l, arguments...)
	if code != 0 {
		t.Fatalf("%v ended with %d:\n%s%s", arguments, code, out, talk)
	}
	return out
}

// A tenant's life from the command line, against a real API server.
func TestTheCommandLine(t *testing.T) {
	t.Parallel()
	l := installation(t)
	succeed(t, l, "tenant", "create", "typed", "--display-name", "Typed Ltd", "--wait", "--timeout", "90s")
	removed(t, l, "typed")
	if _, err := enroll(t, l, "typed", "typed-web-01", enrollmentSecret(t, l, "typed")); err != nil {
		t.Fatal(err)
	}

	table := succeed(t, l, "tenant", "get", "typed")
	for _, want := range []string{"NAME", "MODE", "ADDRESS", "HOSTNAME", "AGENTS", "CERT EXPIRES", "READY", "AGE", "typed", "loadbalancer", "typed." + domain, "True"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table does not show %q:\n%s", want, table)
		}
	}
	var tenant v1alpha1.Tenant
	if err := json.Unmarshal([]byte(succeed(t, l, "tenant", "get", "typed", "-o", "json")), &tenant); err != nil {
		t.Fatal(err)
	}
	if tenant.Spec.DisplayName != "Typed Ltd" {
		t.Errorf("display name %q", tenant.Spec.DisplayName)
	}
	readsWell(t, l, "typed")
	described := succeed(t, l, "tenant", "describe", "typed")
	for _, condition := range v1alpha1.HopConditions() {
		if !strings.Contains(described, condition) {
			t.Errorf("describe does not speak of %s:\n%s", condition, described)
		}
	}
	agents := succeed(t, l, "agents", "list", "typed")
	if !strings.Contains(agents, "typed-web-01") || regexp.MustCompile(`(?m)^000\b`).MatchString(agents) {
		t.Errorf("want typed-web-01 and not the manager itself:\n%s", agents)
	}
	sheet := succeed(t, l, "onboard", "typed")
	for _, want := range []string{"typed." + domain, "1514", "1515", "BEGIN CERTIFICATE"} {
		if !strings.Contains(sheet, want) {
			t.Errorf("the sheet does not say %q", want)
		}
	}
	if strings.Contains(sheet, enrollmentSecret(t, l, "typed").Reveal()) {
		t.Error("the sheet shows the enrollment secret")
	}
	if code, _, talk := run(t, l, "tenant", "create", "typist", "--hostname", "typed."+domain); code != 4 || !strings.Contains(talk, `belongs to tenant "typed"`) {
		t.Errorf("a taken hostname: exit %d, %s", code, talk)
	}
	if code, _, talk := run(t, l, "tenant", "get", "nobody"); code != 3 {
		t.Errorf("a tenant that does not exist: exit %d, %s", code, talk)
	}
	succeed(t, l, "tenant", "delete", "typed", "--yes", "--wait", "--timeout", "90s")
	if code, _, _ := run(t, l, "tenant", "get", "typed"); code != 3 {
		t.Errorf("the deleted tenant is still there: exit %d", code)
	}
}

// readsWell wants what kubectl shows of a tenant to hold nothing that is empty: an
// operator reads it at night.
func readsWell(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	kubectl := func(arguments ...string) string {
		out, err := exec.CommandContext(t.Context(), l.Plane.Binary(), append([]string{"kubectl", "--kubeconfig", l.Plane.Kubeconfig()}, arguments...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("kubectl %v: %v\n%s", arguments, err, out)
		}
		return string(out)
	}
	described := kubectl("describe", "tenant", slug)
	lines := strings.Split(described, "\n")
	for i, line := range lines[:len(lines)-1] {
		depth := len(line) - len(strings.TrimLeft(line, " "))
		next := len(lines[i+1]) - len(strings.TrimLeft(lines[i+1], " "))
		// The fields of an entry of a list begin two columns further left than its name says.
		if strings.HasSuffix(line, ":") && next <= depth {
			t.Errorf("kubectl describe shows %q with nothing in it:\n%s", strings.TrimSpace(line), described)
		}
	}
	if whole := kubectl("get", "tenant", slug, "-o", "yaml"); strings.Contains(whole, "{}") || strings.Contains(whole, "null") {
		t.Errorf("kubectl get -o yaml shows what is empty:\n%s", whole)
	}
	wide := kubectl("get", "tenants", slug, "-o", "wide")
	if ours := succeed(t, l, "tenant", "get", slug, "-o", "wide"); strings.Fields(ours)[0] != "NAME" || strings.Fields(wide)[0] != "NAME" {
		t.Errorf("kubectl and the command line:\n%s\n%s", wide, ours)
	}
	for _, want := range []string{"1514/1515", "main", "Message", "agents come in at " + slug + "." + domain} {
		if !strings.Contains(strings.ToLower(wide), strings.ToLower(want)) {
			t.Errorf("-o wide does not show %q:\n%s", want, wide)
		}
	}
}
