package manager

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

func version(v string) func(*site) {
	return func(s *site) {
		s.opts.Version = v
		s.unpack()
	}
}

// A manager of 4.3 refuses in two texts, and stops reading at an agent's version: the group behind
// it is lost.
func TestEnrollmentOf43(t *testing.T) {
	s := newSite(t, version("v4.3.11"))
	const pass = "OSSEC PASS: " + password + " "
	want := []string{"ERROR: Invalid agent name: x", "ERROR: Unable to add agent"}
	if diff := cmp.Diff(want, s.ask(pass+"OSSEC A:'x'\n")); diff != "" {
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01", Version: "v4.14.7", Groups: "nowhere"}); reason != "" {
		t.Errorf("a version and a group behind it: %q", reason)
	}
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-02", Groups: "nowhere"}); reason != "Invalid group: nowhere" {
		t.Errorf("a group alone: %q", reason)
	}
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "web-01"}); reason != "Duplicate agent name: web-01" {
		t.Errorf("twice: %q", reason)
	}
}

// The client gets along with the API of 4.3, which knows no login by POST.
func TestAPIOf43(t *testing.T) {
	s := newSite(t, version("v4.3.11"))
	key := s.agent("web-01")
	api := s.api()
	if got, err := api.AgentsSummary(t.Context()); err != nil || got != (wazuh.Summary{NeverConnected: 1, Total: 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if gone, err := api.DeleteAgents(t.Context(), key.ID); err != nil || len(gone) != 1 {
		t.Errorf("deleted %v, %v", gone, err)
	}
	response, err := s.client().Post("https://"+s.m.Addresses().API+"/security/user/authenticate", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a login by POST: %s", response.Status)
	}
}

// authd of Wazuh 5 speaks TLS 1.3 only, and lets an agent have the manager's own name.
func TestEnrollmentOfWazuh5(t *testing.T) {
	s := newSite(t, version("v5.0.0"))
	_, err := tls.Dial("tcp", s.m.Addresses().Enroll, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil {
		t.Error("it speaks TLS 1.2")
	}
	if _, reason := s.enroll(wazuh.EnrollRequest{Name: "wazuh-manager", Version: "v4.14.7"}); reason != "" {
		t.Errorf("the manager's own name: %q", reason)
	}
}

// newSite5 is a folder for a manager of Wazuh 5 that doesn't run yet.
func newSite5(t *testing.T) *site {
	s := &site{T: t, dir: t.TempDir()}
	s.opts = Options{Root: s.dir, Version: "v5.0.0"}
	s.unpack()
	return s
}

// The manager of Wazuh 5 starts nothing at all with a configuration its schema forbids, without the
// authority of its certificate, or without a pair for its API.
func TestWazuh5DoesNotStart(t *testing.T) {
	for name, spoil := range map[string]func(*site){
		"the file of Wazuh 4": func(s *site) { s.write("etc/wazuh-manager.conf", withAuth) },
		"no indexer":          func(s *site) { s.write("etc/wazuh-manager.conf", strings.ReplaceAll(template5, "host>", "node>")) },
		"a short cluster key": func(s *site) { s.write("etc/wazuh-manager.conf", strings.Replace(template5, "<key>0", "<key>", 1)) },
		"no authority":        func(s *site) { _ = os.Remove(s.path(authority5)) },
		"no key of the API":   func(s *site) { _ = os.Remove(s.path("etc/certs/apid-key.pem")) },
		"no pair of the API": func(s *site) {
			_ = os.Remove(s.path("etc/certs/apid-key.pem"))
			_ = os.Remove(s.path("etc/certs/apid.pem"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite5(t)
			spoil(s)
			if m, err := Start(s.opts); err == nil {
				_ = m.Close()
				t.Error("it starts")
			}
		})
	}
	s := newSite5(t)
	s.start()
}

// What opens enrollment of Wazuh 4 keeps authd of Wazuh 5 from starting.
func TestPasswordOfWazuh5(t *testing.T) {
	for _, content := range []string{"\nsecret\n", "a\n", "ab"} {
		s := newSite5(t)
		s.write(passFile, content)
		if m, err := Start(s.opts); err == nil {
			_ = m.Close()
			t.Errorf("%q: authd starts", content)
		}
	}
	s := newSite5(t)
	if err := os.Remove(s.path(passFile)); err != nil {
		t.Fatal(err)
	}
	m, err := Start(s.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	made, err := m.root.read(passFile)
	if err != nil || len(made) != 33 || !strings.HasSuffix(string(made), "\n") || !m.authd.password.Equal(wazuh.NewSecret(string(made[:32]))) {
		t.Errorf("it wrote %d bytes, which are not its password (%v)", len(made), err)
	}
}

// A removed agent's connection is closed at its next message by Wazuh 4, and left open by Wazuh 5,
// which answers nothing on it any more. Both say who it was.
func TestUnknownIDs(t *testing.T) {
	for v, tag := range map[string]string{"v4.14.7": "wazuh-remoted", "v5.0.0": "wazuh-manager-remoted"} {
		t.Run(v, func(t *testing.T) {
			s := newSite(t, version(v))
			key := s.agent("web-01")
			session := s.connect(key)
			if _, err := s.api().DeleteAgents(t.Context(), key.ID); err != nil {
				t.Fatal(err)
			}
			s.clock.advance(10 * time.Second)
			if err := session.SendEvent(t.Context(), wazuh.Event{Queue: '1', Location: "x", Text: "y"}); err != nil {
				t.Fatal(err)
			}
			s.eventually("a line about it", func() bool {
				ids, err := s.api().RefusedIDs(t.Context())
				return err == nil && !ids[key.ID].IsZero()
			})
			if got := s.m.journal.all()[0].Tag; got != tag {
				t.Errorf("the line is %s's, want %s's", got, tag)
			}
			if s.m.before(5, 0) {
				<-session.Done()
				return
			}
			if s.m.remoted.conns.count() != 1 || session.Err() != nil {
				t.Errorf("the connection was closed: %v", session.Err())
			}
		})
	}
}

// Without an id remoted has only the source to name.
func TestUnknownSource(t *testing.T) {
	s := newSite(t)
	conn := s.rawDial()
	if _, err := conn.Write(wazuh.AppendFrame(nil, []byte("#AES:0123456789abcdef"))); err != nil {
		t.Fatal(err)
	}
	s.eventually("a line about it", func() bool { return len(s.m.journal.all()) > 0 })
	if got := s.m.journal.all()[0].Description; !strings.HasPrefix(got, "(1213): Message from '127.0.0.1' not allowed") {
		t.Errorf("it says %q", got)
	}
	if ids, err := s.api().RefusedIDs(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("ids nobody named: %v %v", ids, err)
	}
}
