package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// edgeCommand runs one command line below `edge` and returns its standard output.
func edgeCommand(ctx context.Context, args ...string) (string, error) {
	var out, errOut bytes.Buffer
	s := newSession(Program{Streams: IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut}})
	command := newEdgeCommand(s)
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(&out)
	command.SetErr(&errOut)
	command.SetArgs(args)
	err := command.ExecuteContext(ctx)
	return out.String(), err
}

const routesFile = `apiVersion: v1
kind: List
items:
- metadata: {name: acme}
  spec:
    region: eu
    slot: 0
    ports:
    - {name: events, port: 15140, target: {ip: TARGET, port: PORT}}
    - {name: enrollment, port: 15141, target: {ip: TARGET, port: 1515}}
- metadata: {name: elsewhere}
  spec:
    region: us
    slot: 0
    ports:
    - {name: events, port: 15140, target: {ip: TARGET, port: 1514}}
    - {name: enrollment, port: 15141, target: {ip: TARGET, port: 1515}}
`

func writeRoutes(t *testing.T, target, port string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "routes.yaml")
	text := strings.NewReplacer("TARGET", target, "PORT", port).Replace(routesFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEdgeRender(t *testing.T) {
	file := writeRoutes(t, "10.2.0.11", "1514")
	for format, want := range map[string]string{"haproxy": "default_backend tenant-acme-events", "nginx": "proxy_pass 10.2.0.11:1514;", "envoy": `"tenant-acme-enroll"`, "own": "route.map"} {
		out, err := edgeCommand(t.Context(), "render", "--routes", file, "--region", "eu", "--format", format)
		if err != nil || !strings.Contains(out, want) || strings.Contains(out, "ssl_sni") {
			t.Errorf("%s: %v, and %q is not in:\n%s", format, err, want, out)
		}
	}
	for want, args := range map[string][]string{
		`format "apache"`:                {"render", "--format", "apache"},
		`--ports: "15140"`:               {"render", "--ports", "15140"},
		`--address: "edge"`:              {"render", "--address", "edge"},
		`slot 0 belongs to tenant`:       {"render", "--routes", file},
		"say where the routes come from": {"run"},
	} {
		if _, err := edgeCommand(t.Context(), args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v does not say %q", args, err, want)
		}
	}
}

// An edge on a machine of its own: routes from a file, HAProxy beside it, and its numbers.
func TestEdgeRunAndStatus(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("haproxy is not installed; hack/install-peers.sh installs it")
		}
		t.Skip("haproxy is not installed; hack/install-peers.sh installs it")
	}
	manager, err := net.Listen("tcp", "127.10.9.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	go func() {
		for {
			conn, err := manager.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	_, port, _ := net.SplitHostPort(manager.Addr().String())
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := edgeCommand(ctx, "run", "--name", "vm-1", "--region", "eu", "--routes", writeRoutes(t, "127.10.9.1", port),
			"--dir", dir, "--address", "127.9.251.1", "--ports", "15140-15159")
		done <- err
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("edge run: %v", err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "haproxy.pid")); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
		_ = os.RemoveAll(dir)
	}()
	var status edge.Status
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.9.251.1:15140")
		if err == nil {
			_, err = conn.Write([]byte("\x20\x00\x00\x00!007!#AES:0123456789abcdef01234"))
			_, errRead := conn.Read(make([]byte, 10))
			_ = conn.Close()
			if err == nil && errRead == nil {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the edge does not serve")
		}
	}
	out, err := edgeCommand(t.Context(), "status", "--dir", dir, "-o", "json")
	if err != nil || json.Unmarshal([]byte(out), &status) != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	if len(status.Tenants) != 1 || status.Tenants[0].Tenant != "acme" || status.Tenants[0].Counters[naming.PortEvents].Total < 1 {
		t.Errorf("status: %+v", status)
	}
	if out, err = edgeCommand(t.Context(), "status", "--dir", dir); err != nil || !strings.Contains(out, "acme     events       15140    active") {
		t.Errorf("status: %v\n%s", err, out)
	}
	if out, err = edgeCommand(t.Context(), "agents", "--dir", dir); err != nil || !strings.Contains(out, "acme     007     127.") {
		t.Errorf("agents: %v\n%s", err, out)
	}
	if _, err = edgeCommand(t.Context(), "reload", "--dir", dir); err != nil {
		t.Errorf("reload: %v", err)
	}
}
