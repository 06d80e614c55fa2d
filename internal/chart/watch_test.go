package chart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeDaemon goes into the background and leaves a pid file, as Wazuh's daemons
// do, and notes what it reads at its start.
const fakeDaemon = `#!/bin/bash
home=$(cd "$(dirname "$0")/.." && pwd)
name=$(basename "$0")
echo start >>"$home/$name.starts"
cat "$home/etc/authd.pass" >"$home/$name.secret" 2>/dev/null
if [ -f "$home/$name.broken" ]; then exit 1; fi
sleep 600 </dev/null >/dev/null 2>&1 &
echo $! >"$home/var/run/$name-$!.pid"
`

// pair is a fresh self-signed certificate with its key, in PEM.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// manager is a pod with a fake authd, API and remoted that run.
func manager(t *testing.T) *pod {
	t.Helper()
	p := newPod(t)
	p.write("etc/soctalk/enrollment/authd.pass", goodSecret+"\n", 0o400)
	p.renew("etc/soctalk/tls")
	p.renew("etc/soctalk/api-tls")
	for _, name := range []string{"wazuh-authd", "wazuh-apid", "wazuh-remoted"} {
		p.write("var/ossec/bin/"+name, fakeDaemon, 0o755)
	}
	t.Cleanup(func() {
		for _, pid := range p.pids("wazuh-") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	for _, script := range []string{"10-enrollment-secret.sh", "15-certificates.sh"} {
		if out, err := p.run(script); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	return p
}

func (p *pod) renew(dir string) {
	p.t.Helper()
	cert, key := pair(p.t)
	// Both at once, as kubelet does, so that the watch never sees half of it.
	next := filepath.Join(p.root, "next"+strconv.Itoa(time.Now().Nanosecond()))
	for name, text := range map[string]string{"tls.crt": cert, "tls.key": key} {
		if err := os.MkdirAll(next, 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(next, name), []byte(text), 0o400); err != nil {
			p.t.Fatal(err)
		}
	}
	target := filepath.Join(p.root, dir)
	if info, err := os.Lstat(target); err == nil && info.IsDir() {
		if err := os.RemoveAll(target); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := os.Symlink(next, target+".new"); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(target+".new", target); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) launch(names ...string) {
	p.t.Helper()
	for _, name := range names {
		// The daemon's own output must not keep a pipe of the test open.
		process, err := os.StartProcess(filepath.Join(p.root, "var/ossec/bin", name), []string{name}, &os.ProcAttr{})
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := process.Wait(); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *pod) pids(prefix string) []int {
	files, _ := filepath.Glob(filepath.Join(p.root, "var/ossec/var/run", prefix+"*.pid"))
	var out []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

func (p *pod) starts(name string) int {
	text, _ := os.ReadFile(filepath.Join(p.root, "var/ossec", name+".starts"))
	return strings.Count(string(text), "start")
}

func TestWatchRestartsAuthdAlone(t *testing.T) {
	p := manager(t)
	p.launch("wazuh-authd", "wazuh-apid", "wazuh-remoted")
	remoted, api := p.pids("wazuh-remoted"), p.pids("wazuh-apid")
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })

	old := p.pids("wazuh-authd")[0]
	p.renew("etc/soctalk/tls")
	eventually(t, "a restart for the new certificate", out, func() bool {
		return strings.Count(out.String(), "authd restarted") == 1
	})
	now := p.pids("wazuh-authd")
	if len(now) != 1 || now[0] == old {
		t.Errorf("authd was process %d, now %v; want one other", old, now)
	}

	rotated := strings.ReplaceAll(goodSecret, "Nobody", "Anybody")
	p.write("etc/soctalk/enrollment/authd.pass", rotated+"\n", 0o400)
	eventually(t, "a restart for the new secret", out, func() bool {
		return strings.Count(out.String(), "authd restarted") == 2
	})
	if got := p.read("var/ossec/wazuh-authd.secret"); got != rotated+"\n" {
		t.Error("authd did not read the new secret")
	}
	if got := p.pids("wazuh-remoted"); len(got) != 1 || got[0] != remoted[0] || p.starts("wazuh-remoted") != 1 {
		t.Errorf("remoted was touched: %v, then %v", remoted, got)
	}
	if got := p.pids("wazuh-apid"); len(got) != 1 || got[0] != api[0] {
		t.Errorf("the API was touched: %v, then %v", api, got)
	}
}

// Behind the gateway a renewed certificate restarts nothing, not even one that is
// broken: only the internal secret is authd's own business.
func TestWatchBehindTheGateway(t *testing.T) {
	p := manager(t)
	p.env = append(p.env, "SOCTALK_ENROLLMENT=gateway")
	p.launch("wazuh-authd")
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })
	p.renew("etc/soctalk/tls")
	p.write("etc/soctalk/tls/tls.crt", "half a certificate", 0o400)
	p.write("etc/soctalk/enrollment/authd.pass", strings.ReplaceAll(goodSecret, "Nobody", "Anybody")+"\n", 0o400)
	eventually(t, "a restart for the internal secret", out, func() bool {
		return strings.Count(out.String(), "authd restarted") == 1
	})
	// The certificate changed before the secret did, so its restart would have been first.
	if got := p.starts("wazuh-authd"); got != 2 {
		t.Errorf("authd was started %d times, want 2: the first time, and for its secret", got)
	}
}

func TestWatchKeepsAuthdFromABadSecret(t *testing.T) {
	p := manager(t)
	p.launch("wazuh-authd")
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })
	p.write("etc/soctalk/enrollment/authd.pass", "\n"+goodSecret+"\n", 0o400)
	eventually(t, "a refusal", out, func() bool { return strings.Contains(out.String(), "keeps its enrollment secret") })
	if p.starts("wazuh-authd") != 1 {
		t.Fatal("authd was restarted with a secret that opens enrollment")
	}
	cert, _ := pair(t)
	p.write("etc/soctalk/enrollment/authd.pass", goodSecret+"-2\n", 0o400)
	eventually(t, "a restart", out, func() bool { return strings.Contains(out.String(), "authd restarted") })

	if !hasOpenSSL() {
		return
	}
	if err := os.Chmod(filepath.Join(p.root, "etc/soctalk/tls/tls.crt"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.write("etc/soctalk/tls/tls.crt", cert, 0o400)
	eventually(t, "a refusal of half a pair", out, func() bool { return strings.Contains(out.String(), "not a pair") })
	if p.starts("wazuh-authd") != 2 {
		t.Error("authd was restarted with a certificate it cannot serve")
	}
}

func TestWatchTriesAgainAfterAFailedStart(t *testing.T) {
	p := manager(t)
	p.env = append(p.env, "SOCTALK_STOP_TENTHS=3")
	p.launch("wazuh-authd")
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })
	p.write("var/ossec/wazuh-authd.broken", "", 0o644)
	p.renew("etc/soctalk/tls")
	eventually(t, "a failed start", out, func() bool { return strings.Contains(out.String(), "trying again") })
	if err := os.Remove(filepath.Join(p.root, "var/ossec/wazuh-authd.broken")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "authd to run again", out, func() bool { return strings.Contains(out.String(), "authd restarted") })
	if len(p.pids("wazuh-authd")) != 1 {
		t.Errorf("authd processes: %v, want one", p.pids("wazuh-authd"))
	}
}

// Before Wazuh has started authd for the first time, it is not the watch's.
func TestWatchWaitsForAuthd(t *testing.T) {
	p := manager(t)
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })
	p.renew("etc/soctalk/tls")
	p.launch("wazuh-authd")
	eventually(t, "the restart that was due", out, func() bool { return strings.Contains(out.String(), "authd restarted") })
	if p.starts("wazuh-authd") != 2 {
		t.Errorf("authd started %d times, want once by Wazuh and once by the watch", p.starts("wazuh-authd"))
	}
}

func TestCertificatesOfTheAPI(t *testing.T) {
	p := manager(t)
	if p.read("var/ossec/api/configuration/ssl/server.key") != p.read("etc/soctalk/api-tls/tls.key") {
		t.Error("the API does not get its key")
	}
	info, err := os.Lstat(filepath.Join(p.root, "var/ossec/api/configuration/ssl/server.key"))
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o640 {
		t.Errorf("the API's key is %v (%v), want a file of mode 0640", info.Mode(), err)
	}
	p.launch("wazuh-authd", "wazuh-apid")
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })
	p.renew("etc/soctalk/api-tls")
	eventually(t, "the API to restart", out, func() bool { return strings.Contains(out.String(), "the API restarted") })
	if p.read("var/ossec/api/configuration/ssl/server.crt") != p.read("etc/soctalk/api-tls/tls.crt") {
		t.Error("the API does not get the new certificate")
	}
	if p.starts("wazuh-authd") != 1 {
		t.Error("authd was restarted for the API's certificate")
	}
}

// In the background the script must not hold the image's start up.
func TestWatchGoesToTheBackground(t *testing.T) {
	p := manager(t)
	p.launch("wazuh-authd")
	log := filepath.Join(p.root, "log")
	script := "trap '' HUP; bash " + filepath.Join(p.scripts, "20-authd-watch.sh") + " >" + log + " 2>&1"
	if err := os.WriteFile(filepath.Join(p.scripts, "outer.bash"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := p.run("outer.bash"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := func() string { text, _ := os.ReadFile(log); return string(text) }
	t.Cleanup(func() { stopLoops(t, p.scripts) })
	eventually(t, "the watch to begin", os.Stderr, func() bool { return strings.Contains(said(), "watching") })
	p.renew("etc/soctalk/tls")
	eventually(t, "a restart", os.Stderr, func() bool { return strings.Contains(said(), "authd restarted") })
}

// remoted of Wazuh 5 shows the certificate on 1517 and reads it at its start: a
// renewal restarts it, behind the gateway too, where authd needs none.
func TestWatchRestartsRemotedOfWazuh5(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the copies belong to root")
	}
	p := newPod(t)
	p.env = append(p.env, "SOCTALK_WAZUH_MAJOR=5", "SOCTALK_WAZUH_HOME=/var/ossec", "SOCTALK_ENROLLMENT=gateway", "SOCTALK_PORT_HTTPS=1517")
	p.write("etc/soctalk/enrollment/authd.pass", goodSecret+"\n", 0o400)
	p.renew("etc/soctalk/tls")
	for _, name := range []string{"wazuh-manager-authd", "wazuh-manager-remoted"} {
		p.write("var/ossec/bin/"+name, strings.Replace(fakeDaemon, "echo start", "sleep 0.3\necho start", 1), 0o755)
	}
	t.Cleanup(func() {
		for _, pid := range p.pids("wazuh-manager-") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if out, err := p.run("15-certificates.sh"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.launch("wazuh-manager-authd", "wazuh-manager-remoted")
	old := p.pids("wazuh-manager-remoted")[0]
	out, _ := p.start("20-authd-watch.sh", "loop")
	eventually(t, "the watch to begin", out, func() bool { return strings.Contains(out.String(), "watching") })

	p.renew("etc/soctalk/tls")
	// The image ends the container when it finds a daemon's name without a live process. A file may
	// go while it is read, hence in a row: the daemon takes 30 looks to start.
	gone := 0
	eventually(t, "remoted to restart", out, func() bool {
		gone++
		if slices.ContainsFunc(p.pids("wazuh-manager-remoted"), func(pid int) bool { return syscall.Kill(pid, 0) == nil }) {
			gone = 0
		}
		if gone > 3 {
			t.Fatal("nothing lived under remoted's name")
		}
		return strings.Contains(out.String(), "remoted restarted")
	})
	if now := p.pids("wazuh-manager-remoted"); len(now) != 1 || now[0] == old {
		t.Errorf("remoted was process %d, now %v; want one other", old, now)
	}
	if p.read("var/ossec/etc/certs/remoted.pem") != p.read("etc/soctalk/tls/tls.crt") || p.read("var/ossec/etc/certs/remoted-key.pem") != p.read("etc/soctalk/tls/tls.key") {
		t.Error("remoted does not get the new certificate")
	}
	p.write("etc/soctalk/tls/tls.crt", "", 0o400)
	eventually(t, "a refusal", out, func() bool { return strings.Contains(out.String(), "remoted keeps its certificate") })
	if p.starts("wazuh-manager-authd") != 1 || p.starts("wazuh-manager-remoted") != 2 {
		t.Errorf("authd started %d times, want 1; remoted %d, want 2", p.starts("wazuh-manager-authd"), p.starts("wazuh-manager-remoted"))
	}
}
