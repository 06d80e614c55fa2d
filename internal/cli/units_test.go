package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
)

const unitsFolder = "../../deploy/systemd"

func unitFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(unitsFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings are the values a unit gives to a name, in its order.
func settings(unit, name string) (values []string) {
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// The guide leads to every file that is installed.
func TestTheGuideLeadsToTheUnits(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(unitsFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.Contains(string(page), "("+unitsFolder+"/"+file.Name()+")") {
			t.Errorf("docs/guide/edge.md does not lead to %s/%s", unitsFolder, file.Name())
		}
	}
}

// What the units start exists and takes these arguments, and the two agree on what
// they share: the user, the folder and the limit of open files.
func TestTheUnitsAgree(t *testing.T) {
	edge, proxy := unitFile(t, "soctalk-edge.service"), unitFile(t, "soctalk-edge-haproxy.service")
	arguments := settings(unitFile(t, "edge.env"), "EDGE_ARGS")
	if len(arguments) != 1 {
		t.Fatalf("EDGE_ARGS: %q", arguments)
	}
	for _, command := range append(settings(edge, "ExecStart"), settings(proxy, "ExecReload")...) {
		words := strings.Fields(strings.ReplaceAll(command, "$EDGE_ARGS", arguments[0]))
		if words[0] != "/usr/local/bin/soctalk-ingress" {
			t.Errorf("%q starts another program", command)
		}
		if err := wouldRun(words[1:], true); err != nil {
			t.Errorf("%q: %v", command, err)
		}
	}
	for _, name := range []string{"User", "StateDirectory", "StateDirectoryMode", "UMask", "LimitNOFILE"} {
		if a, b := settings(edge, name), settings(proxy, name); len(a) != 1 || !slices.Equal(a, b) {
			t.Errorf("%s: %q for the edge and %q for HAProxy; want the same", name, a, b)
		}
	}
	dir := newEdgeRunCommand(newSession(Program{})).Flags().Lookup("dir").DefValue
	if want := "/var/lib/" + settings(edge, "StateDirectory")[0]; dir != want {
		t.Errorf("the edge's folder is %q unless told, the units' %q", dir, want)
	}
	for _, path := range regexp.MustCompile(`/var/lib/\S+/`).FindAllString(proxy, -1) {
		if path != dir+"/" {
			t.Errorf("HAProxy's unit names %q, the edge's folder is %q", path, dir)
		}
	}
	if !strings.Contains(unitFile(t, "soctalk-edge.sysusers"), "u "+settings(edge, "User")[0]+" ") {
		t.Error("the units' user is not in soctalk-edge.sysusers")
	}
}

// The account for a machine has the rights of the chart's, no more and no fewer; the
// kubeconfig is one, and holds no secret.
func TestTheMachinesAccount(t *testing.T) {
	var machine, chart rbacv1.ClusterRole
	for document := range strings.SplitSeq(unitFile(t, "account.yaml"), "\n---\n") {
		if strings.Contains(document, "kind: ClusterRole\n") {
			if err := yaml.UnmarshalStrict([]byte(document), &machine); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile("../../charts/soctalk-ingress/files/edge/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &chart); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(chart.Rules, machine.Rules); diff != "" {
		t.Errorf("-the chart's +account.yaml's:\n%s", diff)
	}
	config, err := clientcmd.Load([]byte(unitFile(t, "kubeconfig")))
	if err != nil {
		t.Fatal(err)
	}
	user := config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo]
	if user.TokenFile != "/etc/soctalk-edge/token" || user.Token != "" {
		t.Errorf("the kubeconfig's user: %+v", user)
	}
}

// systemd itself reads the units: every setting is one, every program is there, and
// what each may do is little. The score is systemd's own, from 0 (nothing) to 10.
func TestSystemdTakesTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not on this machine; it is in the package systemd")
	}
	dir := t.TempDir()
	var units []string
	for _, name := range []string{"soctalk-edge.service", "soctalk-edge-haproxy.service"} {
		text := strings.NewReplacer("/usr/local/bin/soctalk-ingress", os.Args[0], "/usr/sbin/haproxy", haproxies.Need(t)).Replace(unitFile(t, name))
		unit := filepath.Join(dir, name)
		if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		units = append(units, unit)
	}
	say := func(args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), analyze, args...)
		command.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "SYSTEMD_COLORS=0")
		out, err := command.CombinedOutput()
		return string(out), err
	}
	if out, err := say(append([]string{"verify", "--man=no"}, units...)...); err != nil || out != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for _, unit := range units {
		out, err := say("security", "--offline=yes", "--threshold=20", unit)
		if err != nil {
			t.Errorf("systemd-analyze security: %v\n%s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		t.Log(lines[len(lines)-1])
	}
	wrong := filepath.Join(dir, "wrong.service")
	if err := os.WriteFile(wrong, []byte("[Service]\nExecStart=/bin/true\nNoNewPrivilege=yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := say("verify", "--man=no", wrong); !strings.Contains(out, "NoNewPrivilege") {
		t.Errorf("systemd-analyze does not mind a misspelt setting: %q", out)
	}
	if out, err := say("security", "--offline=yes", "--threshold=20", wrong); err == nil {
		t.Errorf("systemd-analyze does not mind a unit without limits: %s", out)
	}
}
