package chart

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/secret"
)

// goodSecret is a text no script may ever print.
const goodSecret = "Q7mVtestSecretOfNobody-0123456789_abcdefghij"

// pod is a folder that stands for the root of a manager's container.
type pod struct {
	t       *testing.T
	root    string
	scripts string
	env     []string
}

func newPod(t *testing.T) *pod {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("bash is not installed")
	}
	p := &pod{t: t, root: t.TempDir(), scripts: t.TempDir()}
	entries, err := charts.Tenant.ReadDir(charts.TenantDir + "/files/scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := charts.Tenant.ReadFile(charts.TenantDir + "/files/scripts/" + entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.scripts, entry.Name()), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	id := strconv.Itoa(os.Getuid())
	p.env = append(os.Environ(), "ROOT="+p.root, "SOCTALK_RETRY_SECONDS=0.05", "SOCTALK_WATCH_SECONDS=0.05",
		"SOCTALK_WAZUH_USER="+id, "SOCTALK_WAZUH_GROUP="+strconv.Itoa(os.Getgid()))
	for _, dir := range []string{"var/ossec/etc", "var/ossec/bin", "var/ossec/var/run", "etc/soctalk/enrollment", "etc/soctalk/tls"} {
		if err := os.MkdirAll(filepath.Join(p.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// write puts a file in place the way kubelet does: whole, in one step.
func (p *pod) write(path, text string, mode os.FileMode) {
	p.t.Helper()
	file := filepath.Join(p.root, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) read(path string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.root, path))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// output collects what a running script says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a script until the test ends, or the script does.
func (p *pod) start(script string, args ...string) (*output, <-chan error) {
	p.t.Helper()
	out := &output{}
	command := exec.CommandContext(p.t.Context(), "bash", append([]string{filepath.Join(p.scripts, script)}, args...)...)
	command.Env, command.Stdout, command.Stderr = p.env, out, out
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	finished := make(chan struct{})
	go func() { done <- command.Wait(); close(finished) }()
	p.t.Cleanup(func() {
		<-finished // the test's context has ended it
		if strings.Contains(out.String(), goodSecret[:12]) {
			p.t.Errorf("%s printed the secret", script)
		}
	})
	return out, done
}

// run waits for a script that ends by itself.
func (p *pod) run(script string, args ...string) (string, error) {
	p.t.Helper()
	out, done := p.start(script, args...)
	select {
	case err := <-done:
		return out.String(), err
	case <-time.After(time.Minute):
		p.t.Fatalf("%s does not end; it said:\n%s", script, out)
		return "", nil
	}
}

// eventually waits for a condition; a minute is for the slowest machine.
func eventually(t *testing.T, what string, out io.Writer, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s; output so far:\n%v", what, out)
		}
	}
}

func TestEnrollmentSecretIsLinked(t *testing.T) {
	p := newPod(t)
	p.write("etc/soctalk/enrollment/authd.pass", goodSecret+"\n", 0o400)
	p.write("var/ossec/etc/authd.pass", "an old copy\n", 0o640)
	out, err := p.run("10-enrollment-secret.sh")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	link, err := os.Readlink(filepath.Join(p.root, "var/ossec/etc/authd.pass"))
	if err != nil || link != "../../../etc/soctalk/enrollment/authd.pass" {
		t.Errorf("authd.pass links to %q (%v)", link, err)
	}
	if got := p.read("var/ossec/etc/authd.pass"); got != goodSecret+"\n" {
		t.Error("the link does not lead to the secret")
	}
}

// Each of these would open enrollment, or shut it for everybody. The script and
// internal/secret judge alike.
func TestBadSecretKeepsTheManagerDown(t *testing.T) {
	for name, bad := range map[string]string{
		"empty":            "",
		"only newline":     "\n",
		"empty first line": "\n" + goodSecret + "\n",
		"one character":    "x",
		"two characters":   "xy",
		"one and newline":  "x\n",
		"short":            "0123456789abcdefghi\n",
		"no newline":       goodSecret,
		"two newlines":     goodSecret + "\n\n",
		"second line":      goodSecret + "\nmore\n",
		"unfinished line":  goodSecret + "\nmore",
		"carriage return":  goodSecret + "\r\n",
		"trailing space":   goodSecret + " \n",
		"leading space":    " " + goodSecret + "\n",
		"quote":            goodSecret + "'\n",
		"zero byte":        goodSecret + "\x00\n",
		"not ASCII":        goodSecret + "ä\n",
		"longer than 4094": strings.Repeat("a", 4095) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if secret.CheckEnrollment([]byte(bad)) == nil {
				t.Error("internal/secret accepts it")
			}
			p := newPod(t)
			p.write("etc/soctalk/enrollment/authd.pass", bad, 0o400)
			out, done := p.start("10-enrollment-secret.sh")
			eventually(t, "a complaint", out, func() bool {
				return strings.Contains(out.String(), "the manager is not started")
			})
			if _, err := os.Lstat(filepath.Join(p.root, "var/ossec/etc/authd.pass")); err == nil {
				t.Error("the bad secret was handed to authd")
			}
			select {
			case err := <-done:
				t.Fatalf("the script let the manager start (%v)", err)
			default:
			}
			p.write("etc/soctalk/enrollment/authd.pass", goodSecret+"\n", 0o400)
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			case <-time.After(time.Minute):
				t.Fatalf("a repaired secret does not start the manager:\n%s", out)
			}
			if n := strings.Count(out.String(), "the manager is not started"); n != 1 {
				t.Errorf("complained %d times about one thing", n)
			}
		})
	}
}

func TestGoodSecretsAreAccepted(t *testing.T) {
	for _, good := range []string{"0123456789abcdefghij\n", strings.Repeat("a", 4094) + "\n"} {
		if err := secret.CheckEnrollment([]byte(good)); err != nil {
			t.Errorf("internal/secret refuses %d characters: %v", len(good)-1, err)
		}
		p := newPod(t)
		p.write("etc/soctalk/enrollment/authd.pass", good, 0o400)
		if out, err := p.run("10-enrollment-secret.sh"); err != nil {
			t.Errorf("%d characters: %v\n%s", len(good)-1, err, out)
		}
	}
}

// remoted answers the ping whatever its state of mind; authd is looked up in
// the kernel's table.
func TestProbe(t *testing.T) {
	p := newPod(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	answer := make(chan string, 8)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			request := make([]byte, 9)
			if _, err := io.ReadFull(conn, request); err == nil && string(request) == "\x05\x00\x00\x00#ping" {
				io.WriteString(conn, <-answer)
			}
			conn.Close()
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	p.env = append(p.env, "SOCTALK_PORT_EVENTS="+strconv.Itoa(port), "SOCTALK_PROBE_SECONDS=30")
	listening := "  sl  local_address rem_address   st\n   0: 00000000:05EB 00000000:0000 0A 00000000:00000000\n"
	both := listening + "   1: 00000000:05ED 00000000:0000 0A 00000000:00000000\n"
	other := "  sl  local_address rem_address   st\n   0: 0100007F:05EB 0100007F:9999 01 00000000:00000000\n"

	pong := "\x05\x00\x00\x00#pong"
	for _, step := range []struct{ name, https, reply, table, want string }{
		{"healthy", "", pong, listening, ""},
		{"authd gone", "", pong, other, "authd does not listen on port 1515"},
		{"another service", "", "HTTP/1.1 ", listening, "remoted does not answer"},
		{"closed at once", "", "", listening, "remoted does not answer"},
		{"healthy Wazuh 5", "1517", pong, both, ""},
		{"no HTTPS", "1517", pong, listening, "remoted does not listen on port 1517"},
	} {
		p.env = append(p.env, "SOCTALK_PORT_HTTPS="+step.https)
		p.write("proc/net/tcp", step.table, 0o644)
		answer <- step.reply
		out, err := p.run("probe.bash")
		if (err == nil) != (step.want == "") || !strings.Contains(out, step.want) {
			t.Errorf("%s: %v, said %q, want %q", step.name, err, out, step.want)
		}
	}
	listener.Close()
	if out, err := p.run("probe.bash"); err == nil || !strings.Contains(out, "remoted does not listen") {
		t.Errorf("nobody there: %v, said %q", err, out)
	}
}
