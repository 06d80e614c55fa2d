package manager

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

func TestParseConfig(t *testing.T) {
	const text = `<!-- two roots, as real files have -->
<ossec_config>
  <global><agents_disconnection_time>10m</agents_disconnection_time><logall>no</logall></global>
  <remote><connection>secure</connection><port>21514</port><connection_overtake_time>30</connection_overtake_time></remote>
  <auth>
    <use_password>yes</use_password><purge>yes</purge><port>21515</port>
    <ssl_manager_cert>/certs/tls.crt</ssl_manager_cert><ssl_manager_key>etc/own.key</ssl_manager_key>
    <force><disconnected_time enabled="no">5m</disconnected_time><after_registration_time>0</after_registration_time></force>
    <agents><allow_higher_versions>yes</allow_higher_versions></agents>
  </auth>
</ossec_config>
<ossec_config><auth><purge>no</purge></auth></ossec_config>`
	got, err := parseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Global.DisconnectionTime = 10 * time.Minute
	want.Remote = remoteConfig{Port: 21514, Overtake: 30 * time.Second}
	want.Auth.UsePassword, want.Auth.AllowHigher, want.Auth.Port = true, true, 21515
	want.Auth.Cert, want.Auth.Key = "/certs/tls.crt", "etc/own.key"
	want.Auth.Force = force{Enabled: true, KeyMismatch: true, Disconnected: 5 * time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "<other/>", "<ossec_config><auth><purge>maybe</purge></auth></ossec_config>", "<ossec_config><remote><port>x</port></remote></ossec_config>"} {
		if _, err := parseConfig([]byte(bad)); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(withAuth))
	f.Add([]byte(templateConf))
	f.Add([]byte(template5))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = parseConfig(text)
		_, _ = parseConfig5(text)
	})
}

// Links lead to places inside the root, as for a process in the container.
func TestRootResolvesInside(t *testing.T) {
	dir := t.TempDir()
	r := root{dir: dir}
	for link, target := range map[string]string{
		"absolute": "/secrets/..data/pw", "relative": "secrets/pw", "secrets/pw": "..data/pw",
		"secrets/..data": "..2026", "escape": "../../../etc/passwd", "loop": "loop",
	} {
		path := filepath.Join(dir, link)
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	for inside, want := range map[string]string{
		"/absolute": "/secrets/..2026/pw", "/relative": "/secrets/..2026/pw", "/escape": "/etc/passwd",
		"/../../x": "/x", "/secrets/../y": "/y", "/not/there": "/not/there",
	} {
		got, err := r.resolve(inside)
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s: got %s %v, want %s", inside, got, err, want)
		}
	}
	if _, err := r.resolve("/loop"); err == nil {
		t.Error("followed a loop to its end")
	}
}

// The way a chart delivers configuration and secret: a config mount, and links into volumes.
func TestMountsLikeTheImage(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.write("/wazuh-config-mount/etc/ossec.conf", strings.Replace(withAuth, "<auth>", "<auth><ssl_manager_cert>/certs/tls.crt</ssl_manager_cert><ssl_manager_key>/certs/tls.key</ssl_manager_key>", 1))
		s.write("/secrets/..2026/authd.pass", "Mounted-Secret\n")
		_ = os.Remove(s.path(passFile))
		for link, target := range map[string]string{"/secrets/..data": "..2026", "/secrets/authd.pass": "..data/authd.pass", passFile: "/secrets/authd.pass"} {
			if err := os.Symlink(target, s.path(link)); err != nil {
				s.Fatal(err)
			}
		}
	})
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01", Password: wazuh.NewSecret("Mounted-Secret")}); reason != "" {
		t.Error(reason)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "certs/tls.crt")); err != nil {
		t.Error(err)
	}
}

// Keys survive a restart. With purge, so does nothing of a removed agent: its id can come back.
func TestRestartKeepsKeys(t *testing.T) {
	s := newSite(t)
	first, second := s.agent("web-01"), s.agent("web-02")
	if _, err := s.api().DeleteAgents(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.m.Close(); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.keepAlive(s.connect(first))
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01"}); reason != "Duplicate agent name: web-01" {
		t.Errorf("registration time forgotten: %q", reason)
	}
	if third, _ := s.enroll(wazuh.EnrollRequest{Name: "web-03"}); third.ID != second.ID {
		t.Errorf("got id %s, want %s again", third.ID, second.ID)
	}
}

func TestRemovedLinesKeepIDs(t *testing.T) {
	s := newSite(t, func(s *site) { s.write("etc/ossec.conf", strings.Replace(withAuth, "<purge>yes", "<purge>no", 1)) })
	key := s.agent("web-01")
	s.m.store.mu.Lock()
	err := s.m.store.remove(key.ID, false)
	s.m.store.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	s.restartAuthd()
	if next, _ := s.enroll(wazuh.EnrollRequest{Name: "web-02"}); next.ID != "002" {
		t.Errorf("got id %s", next.ID)
	}
	if lines, _ := s.m.root.read(keysFile); !strings.HasPrefix(string(lines), "001 !web-01 any ") {
		t.Errorf("client.keys:\n%s", lines)
	}
}

func TestSlots(t *testing.T) {
	c := newConnections(1)
	a, b := fakeConn{new(int)}, fakeConn{new(int)}
	if !c.add(a) || c.add(b) {
		t.Error("a full pool took another connection")
	}
	c.remove(a)
	if !c.add(b) {
		t.Error("a freed slot isn't free")
	}
}

func TestControlPort(t *testing.T) {
	s := newSite(t)
	session := s.connect(s.agent("web-01"))
	if err := session.SendEvent(t.Context(), canary("marker-2")); err != nil {
		t.Fatal(err)
	}
	s.keepAlive(session)
	ask := func(method, path string, want int, into any) string {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+s.m.Addresses().Control+path, nil)
		res, err := s.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var raw json.RawMessage
		if err := json.NewDecoder(res.Body).Decode(&raw); err != nil || res.StatusCode != want {
			t.Fatalf("%s %s: %d %v", method, path, res.StatusCode, err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	var state State
	text := ask("GET", "/state", 200, &state)
	if state.Agents != 1 || state.Connections != 1 || state.Alerts != 1 || !state.Authd.Password || strings.Contains(text, password) {
		t.Errorf("state %s", text)
	}
	var reply map[string]any
	if text := ask("GET", "/alerts?q=marker-2", 200, &reply); !strings.Contains(text, `"value":1`) {
		t.Errorf("alerts %s", text)
	}
	ask("POST", "/faults/api-down", 200, &reply)
	ask("POST", "/faults/no-such", 404, &reply)
	ask("POST", "/restart?daemon=authd", 200, &state)
	ask("POST", "/restart?daemon=x", 400, &reply)
	if diff := cmp.Diff([]string{"api-down"}, state.Faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	ask("DELETE", "/faults/api-down", 200, &reply)
	var agents []map[string]any
	ask("GET", "/agents", 200, &agents)
	if fmt.Sprintf("%v %v", agents[0]["name"], agents[0]["status"]) != "web-01 active" {
		t.Errorf("agents %v", agents)
	}
}

func TestStartRefuses(t *testing.T) {
	for what, o := range map[string]Options{
		"no root":       {},
		"weak password": {Root: t.TempDir(), APIUser: "probe", APIPassword: wazuh.NewSecret("only-lower-case-1")},
		"a backslash":   {Root: t.TempDir(), APIUser: "wazuh", APIPassword: wazuh.NewSecret(`Good-0ne\but`)},
		"unknown fault": {Root: t.TempDir(), Faults: []string{"gremlins"}},
		"bad address":   {Root: t.TempDir(), Listen: "not-an-ip"},
	} {
		if m, err := Start(o); err == nil {
			_ = m.Close()
			t.Errorf("%s: started", what)
		} else if strings.Contains(err.Error(), o.APIPassword.Reveal()) && !o.APIPassword.IsZero() {
			t.Errorf("%s: the error shows the password", what)
		}
	}
}
