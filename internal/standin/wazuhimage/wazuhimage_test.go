package wazuhimage_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/standin/wazuhimage"
)

// container lays out a root with a claim below etc, a config mount and a hook.
func container(t *testing.T, hook string) wazuhimage.Start {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		".volumes/data/etc/keep":            "kept",
		"var/ossec/other":                   "",
		"wazuh-config-mount/etc/ossec.conf": "<new/>",
		"wazuh-config-mount/etc/authd.pass": "pass",
		"wazuh-config-mount/fresh/file":     "fresh",
		"secrets/authd.pass":                "old",
		"entrypoint-scripts/10-hook.sh":     hook,
	} {
		write(t, filepath.Join(root, name), content)
	}
	if err := os.Symlink("../../.volumes/data/etc", filepath.Join(root, "var/ossec/etc")); err != nil {
		t.Fatal(err)
	}
	return wazuhimage.Start{Root: root, Folders: []string{"/var/ossec/etc"}, Hostname: "wazuh-manager-0",
		Env: map[string]string{"API_USERNAME": "operator"}, LogFile: filepath.Join(t.TempDir(), "log")}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, start wazuhimage.Start, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(start.Root, name))
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestPrepare(t *testing.T) {
	start := container(t, `cp "$ROOT/var/ossec/etc/ossec.conf" "$ROOT/seen"; echo "$API_USERNAME $HOSTNAME" > "$ROOT/who"
while :; do sleep 1; done &`)
	if err := wazuhimage.Prepare(start); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		".volumes/data/etc/ossec.conf": "<new/>", // written into the claim
		"var/ossec/etc/keep":           "kept",
		"var/ossec/etc/authd.pass":     "pass",
		"var/ossec/fresh/file":         "fresh",
		"seen":                         "<new/>", // the hook ran after the copy
		"who":                          "operator wazuh-manager-0\n",
	} {
		if got := read(t, start, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAbsoluteLinksStayInTheRoot(t *testing.T) {
	start := container(t, "true")
	if err := os.Symlink("/secrets/authd.pass", filepath.Join(start.Root, "var/ossec/etc/authd.pass")); err != nil {
		t.Fatal(err)
	}
	if err := wazuhimage.Prepare(start); err != nil {
		t.Fatal(err)
	}
	if got := read(t, start, "secrets/authd.pass"); got != "pass" {
		t.Errorf("the linked file is %q: cp writes through a link, inside the container", got)
	}
}

func TestLinksAreCopiedAsLinks(t *testing.T) {
	// What "cp -r" makes of a Secret mounted as a folder.
	start := container(t, "true")
	if err := os.Symlink("..data/x", filepath.Join(start.Root, "wazuh-config-mount/etc/x")); err != nil {
		t.Fatal(err)
	}
	if err := wazuhimage.Prepare(start); err != nil {
		t.Fatal(err)
	}
	if link, err := os.Readlink(filepath.Join(start.Root, "var/ossec/etc/x")); err != nil || link != "..data/x" {
		t.Errorf("copied link %q, %v", link, err)
	}
}

func TestFailingHook(t *testing.T) {
	err := wazuhimage.Prepare(container(t, "echo no certificate >&2; exit 4"))
	if err == nil || !strings.Contains(err.Error(), "10-hook.sh ended: exit status 4") || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("error %v, want the hook's name and words", err)
	}
}
