package manager

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Every trap of authd.pass, as tried on a real authd.
func TestPasswordTraps(t *testing.T) {
	for content, want := range map[string]string{
		"secret\n":                "secret",
		"secret":                  "secret",
		"secret\r\n":              "secret\r",
		"secret \n":               "secret ",
		"secret\nsecond\n":        "secret",
		"ab\n":                    "ab",
		"abc":                     "abc",
		"\nsecret\n":              "", // no password is asked for
		"a\n":                     "",
		"ab":                      "",
		strings.Repeat("x", 5000): strings.Repeat("x", 4094),
	} {
		got, err := passwordFrom([]byte(content))
		if err != nil || got.Reveal() != want {
			t.Errorf("%.20q: got %.20q, %v; want %.20q", content, got.Reveal(), err, want)
		}
	}
	for _, content := range []string{"", "\n", "a"} {
		if _, err := passwordFrom([]byte(content)); err == nil {
			t.Errorf("%q: authd starts, but the real one doesn't", content)
		}
	}
}

func TestEnrollAnswers(t *testing.T) {
	s := newSite(t)
	const pass = "OSSEC PASS: " + password + " "
	for request, want := range map[string]string{
		pass + "OSSEC A:'x'\n":                          "ERROR: Invalid agent name: x. Unable to add agent",
		pass + "OSSEC A:'wazuh-manager'\n":              "ERROR: Invalid agent name: wazuh-manager. Unable to add agent",
		"OSSEC PASS: wrong OSSEC A:'x'\n":               "ERROR: Invalid password. Unable to add agent",
		"OSSEC A:'web-09'\n":                            "ERROR: Invalid password. Unable to add agent",
		pass + " OSSEC A:'web-09'\n":                    "ERROR: Invalid request for new agent. Unable to add agent",
		pass + "OSSEC A:'web-09' G:'nowhere'\n":         "ERROR: Invalid group: nowhere. Unable to add agent",
		pass + "OSSEC A:'web-09' V:'v4.15.0' G:'a b'\n": "ERROR: Agent version must be lower or equal to manager version. Unable to add agent",
		pass + "OSSEC A:'web-09' IP:'300.1.1.1'\n":      "ERROR: Invalid IP: 300.1.1.1. Unable to add agent",
	} {
		if diff := cmp.Diff([]string{want}, s.ask(request)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", request, diff)
		}
	}
	for _, request := range []string{
		pass + "OSSEC A:'web-01' V:'v4.14.9'\n",            // patch level doesn't count
		pass + "OSSEC A:'web-02' G:'default' V:'v9.0.0'\n", // V out of order isn't seen
		pass + "OSSEC A:'web-03' IP:'10.9.0.0/16' rubbish\n",
		pass + "OSSEC A:'web-04' IP:'src'\n",
	} {
		records := s.ask(request)
		if len(records) != 1 || !strings.HasPrefix(records[0], "OSSEC K:'00") || strings.HasSuffix(records[0], "\n") {
			t.Errorf("%q: got %q", request, records)
		}
	}
	if k, _ := s.m.store.find(func(k wazuh.Key) bool { return k.Name == "web-04" }); k.IP != "127.0.0.1" {
		t.Errorf("source address registered as %q", k.IP)
	}
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-05", IP: "10.9.0.0/16"}); reason != "Duplicate IP: 10.9.0.0/16" {
		t.Errorf("same address: %q", reason)
	}
}

// The outcomes that were observed on a real authd.
func TestMayReplace(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	lax := defaultConfig().Auth.Force
	lax.CheckDisconnected, lax.AfterRegistration = false, 0
	off := defaultConfig().Auth.Force
	off.Enabled = false
	old := ago(48 * time.Hour)
	for name, c := range map[string]struct {
		force force
		row   row
		hash  string
		want  bool
	}{
		"never connected, young":    {force: defaultConfig().Auth.Force, row: row{Status: "never_connected", Added: ago(time.Minute)}},
		"never connected, old":      {force: defaultConfig().Auth.Force, row: row{Status: "never_connected", Added: old}, want: true},
		"active":                    {force: defaultConfig().Auth.Force, row: row{Status: "active", Added: old}},
		"pending":                   {force: defaultConfig().Auth.Force, row: row{Status: "pending", Added: old}},
		"disconnected a minute":     {force: defaultConfig().Auth.Force, row: row{Status: "disconnected", Added: old, Disconnected: ago(time.Minute)}},
		"disconnected two hours":    {force: defaultConfig().Auth.Force, row: row{Status: "disconnected", Added: old, Disconnected: ago(2 * time.Hour)}, want: true},
		"the same key":              {force: defaultConfig().Auth.Force, row: row{Status: "never_connected", Added: old}, hash: "same"},
		"another key":               {force: defaultConfig().Auth.Force, row: row{Status: "never_connected", Added: old}, hash: "other", want: true},
		"active, without the check": {force: lax, row: row{Status: "active", Added: now}, want: true},
		"switched off":              {force: off, row: row{Status: "never_connected", Added: old}},
	} {
		if got := mayReplace(c.force, c.row, c.hash, "same", now); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestTakeOverAfterAnHour(t *testing.T) {
	s := newSite(t)
	first := s.agent("web-01")
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01"}); reason != "Duplicate agent name: web-01" {
		t.Errorf("at once: %q", reason)
	}
	s.clock.advance(time.Hour)
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01", KeyHash: first.Hash()}); reason == "" {
		t.Error("replaced an agent that still has its key")
	}
	second, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01"})
	if reason != "" || second.ID != "002" {
		t.Errorf("after an hour: %v %q", second, reason)
	}
	if s.status(first.ID) != "" || s.status(second.ID) != wazuh.StatusNeverConnected {
		t.Errorf("states %q and %q", s.status(first.ID), s.status(second.ID))
	}
}

// Certificate and password are what authd read when it started, whatever is on file now.
func TestAuthdRestart(t *testing.T) {
	s := newSite(t)
	session := s.connect(s.agent("web-01"))
	before := s.m.State().Authd
	s.write(passFile, "An0ther-Secret\n")
	for _, f := range []string{"/var/ossec/etc/sslmanager.cert", "/var/ossec/etc/sslmanager.key"} {
		if err := os.Remove(filepath.Join(s.dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-02"}); reason != "" {
		t.Errorf("the old password before the restart: %q", reason)
	}
	if err := s.m.SetFault(FaultCertStale, true); err != nil {
		t.Fatal(err)
	}
	s.restartAuthd()
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-03"}); reason != wazuh.ReasonInvalidPassword {
		t.Errorf("the old password after the restart: %q", reason)
	}
	if s.m.State().Authd.Fingerprint != before.Fingerprint {
		t.Error("cert-stale: the certificate changed")
	}
	_ = s.m.SetFault(FaultCertStale, false)
	s.restartAuthd()
	if s.m.State().Authd.Fingerprint == before.Fingerprint {
		t.Error("the certificate didn't change")
	}
	if err := session.KeepAlive(t.Context()); err != nil {
		t.Errorf("the restart cost a session: %v", err)
	}
	if pids, _ := filepath.Glob(filepath.Join(s.path(runDir), "wazuh-authd-*.pid")); len(pids) != 1 {
		t.Errorf("pid files %v", pids)
	}
}

func (s *site) restartAuthd() {
	s.Helper()
	if err := s.m.RestartAuthd(); err != nil {
		s.Fatal(err)
	}
}

// An authd that can't start stays down, and deletes fail meanwhile.
func TestAuthdDown(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	s.write(passFile, "\n")
	if err := s.m.RestartAuthd(); err == nil {
		t.Error("authd started with an empty password file")
	}
	if _, err := s.api().DeleteAgents(t.Context(), key.ID); !wazuh.HasCode(err, wazuh.CodeAuthdDown) {
		t.Errorf("delete: %v", err)
	}
	status, err := s.api().ManagerStatus(t.Context())
	if diff := cmp.Diff([]string{"wazuh-authd"}, status.NotRunning()); diff != "" || err != nil {
		t.Errorf("not running (-want +got):\n%s%v", diff, err)
	}
	s.write(passFile, password+"\n")
	s.restartAuthd()
	if _, err := s.api().DeleteAgents(t.Context(), key.ID); err != nil {
		t.Error(err)
	}
}

// Two enrollments at a time, and some agents have a key but no row. Requests go out together over
// connections made before.
func TestRace(t *testing.T) {
	s := newSite(t, func(s *site) { s.opts.Faults = []string{"race"} })
	const together = 8
	var conns []*tls.Conn
	for range together {
		conn, err := tls.Dial("tcp", s.m.Addresses().Enroll, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	var all sync.WaitGroup
	for i, conn := range conns {
		all.Go(func() {
			r := wazuh.EnrollRequest{Password: wazuh.NewSecret(password), Name: "web-0" + string(rune('a'+i))}
			_, _ = conn.Write(wazuh.AppendEnrollRequest(nil, r))
			buf := make([]byte, 1024)
			for {
				if _, err := conn.Read(buf); err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	s.eventually("all rows written", func() bool { return s.m.State().Authd.Connections == 0 })
	if keys, rows := len(s.m.store.live()), len(s.m.rows()); keys != together || rows >= keys {
		t.Errorf("%d keys, %d rows: want fewer rows than keys", keys, rows)
	}
}

func TestMutualTLS(t *testing.T) {
	s := newSite(t, func(s *site) {
		s.write("etc/ossec.conf", strings.Replace(withAuth, "<auth>", "<auth><ssl_agent_ca>etc/sslmanager.cert</ssl_agent_ca>", 1))
	})
	_, err := wazuh.Enroll(t.Context(), wazuh.EnrollOptions{Address: s.m.Addresses().Enroll, Request: wazuh.EnrollRequest{Name: "web-01"}})
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v", err)
	}
	own, err := s.m.keyPair(s.m.conf.Auth.Cert, s.m.conf.Auth.Key, true) // self-signed: its own CA
	if err != nil {
		t.Fatal(err)
	}
	key, err := wazuh.Enroll(t.Context(), wazuh.EnrollOptions{
		Address: s.m.Addresses().Enroll, ClientCertificate: &own,
		Request: wazuh.EnrollRequest{Name: "web-01", Password: wazuh.NewSecret(password)},
	})
	if err != nil || key.ID != "001" {
		t.Errorf("with one: %v %v", key, err)
	}
}

func TestAuthdFaults(t *testing.T) {
	s := newSite(t)
	enroll := func(patience time.Duration) error {
		_, err := wazuh.Enroll(t.Context(), wazuh.EnrollOptions{
			Address: s.m.Addresses().Enroll, Timeout: patience, Request: wazuh.EnrollRequest{Name: "web-01", Password: wazuh.NewSecret(password)},
		})
		return err
	}
	for _, f := range []Fault{FaultAuthdSilent, FaultAuthdFull, FaultAuthdSplit, FaultAuthdOpen} {
		patience := 30 * time.Second
		if f == FaultAuthdSilent { // the one that ends by patience alone
			patience = 100 * time.Millisecond
		}
		_ = s.m.SetFault(f, true)
		err := enroll(patience)
		var refused *wazuh.Refused
		if err == nil || errors.As(err, &refused) != (f == FaultAuthdOpen) {
			t.Errorf("%s: got %v", f, err)
		}
		_ = s.m.SetFault(f, false)
	}
}
