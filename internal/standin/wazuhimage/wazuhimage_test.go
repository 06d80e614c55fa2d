package wazuhimage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

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
	if err := wazuhimage.Prepare(t.Context(), start); err != nil {
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
	if err := wazuhimage.Prepare(t.Context(), start); err != nil {
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
	if err := wazuhimage.Prepare(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	if link, err := os.Readlink(filepath.Join(start.Root, "var/ossec/etc/x")); err != nil || link != "..data/x" {
		t.Errorf("copied link %q, %v", link, err)
	}
}

// The image of Wazuh 5 has its manager in a folder of another name.
func TestHomeOfWazuh5(t *testing.T) {
	start := container(t, "exit 0")
	start.Env = map[string]string{"SOCTALK_WAZUH_MAJOR": "5"}
	if err := wazuhimage.Prepare(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	if got := read(t, start, "var/wazuh-manager/etc/authd.pass"); got != "pass" {
		t.Errorf("authd.pass has %q", got)
	}
}

func TestHooksAreRunAsTheImageRunsThem(t *testing.T) {
	start := container(t, "exit 4") // ignored
	write(t, filepath.Join(start.Root, "entrypoint-scripts/15-next.sh"), `touch "$ROOT/next"`)
	write(t, filepath.Join(start.Root, "entrypoint-scripts/20-authd-watch.sh"), `touch "$ROOT/watch"`)
	write(t, filepath.Join(start.Root, "entrypoint-scripts/lib.bash"), `touch "$ROOT/lib"`)
	if err := wazuhimage.Prepare(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"next": true, "watch": false, "lib": false} {
		if _, err := os.Stat(filepath.Join(start.Root, name)); (err == nil) != want {
			t.Errorf("%s was run: %v, want %v", name, err == nil, want)
		}
	}
}

func TestWaitingHookEndsWithItsPod(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	start := container(t, `touch "$ROOT/waiting"; while :; do sleep 0.1; done`)
	ended := make(chan error, 1)
	go func() { ended <- wazuhimage.Prepare(ctx, start) }()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(filepath.Join(start.Root, "waiting")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the hook did not start")
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}
