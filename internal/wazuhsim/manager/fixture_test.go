package manager

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that only a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const (
	password = "T3nant-Secret"
	withAuth = `<ossec_config><auth><purge>yes</purge><use_password>yes</use_password></auth></ossec_config>`
)

// site is a running manager, its folder, and its clock.
type site struct {
	*testing.T
	m     *Manager
	dir   string
	clock *clock
	opts  Options
}

// newSite starts a manager that asks for a password; change may adjust the folder and the options.
func newSite(t *testing.T, change ...func(*site)) *site {
	t.Helper()
	s := &site{T: t, dir: t.TempDir(), clock: &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}}
	s.opts = Options{Root: s.dir, Now: s.clock.Now}
	s.unpack()
	for _, c := range change {
		c(s)
	}
	s.start()
	return s
}

func (s *site) start() {
	s.Helper()
	m, err := Start(s.opts)
	if err != nil {
		s.Fatal(err)
	}
	s.m = m
	s.Cleanup(func() { _ = m.Close() })
}

// unpack lays out what the manager of the site's version starts with.
func (s *site) unpack() {
	s.Helper()
	_, conf, err := Unpack(s.dir, s.opts.Version)
	if err != nil {
		s.Fatal(err)
	}
	if conf == "etc/ossec.conf" {
		s.write(conf, withAuth)
	}
	s.write(passFile, password+"\n")
}

// path finds what isn't absolute in the manager's home.
func (s *site) path(inside string) string {
	m := &Manager{o: s.opts.withDefaults()}
	if !filepath.IsAbs(inside) {
		inside = filepath.Join(placeOf(m.before(5, 0)).home, inside)
	}
	return filepath.Join(s.dir, inside)
}

func (s *site) write(inside, content string) {
	s.Helper()
	path := s.path(inside)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.Fatal(err)
	}
}

// enroll returns the key, or the reason for which there is none.
func (s *site) enroll(r wazuh.EnrollRequest) (wazuh.Key, string) {
	s.Helper()
	if r.Password.IsZero() {
		r.Password = wazuh.NewSecret(password)
	}
	key, err := wazuh.Enroll(s.Context(), wazuh.EnrollOptions{Address: s.m.Addresses().Enroll, Request: r, Timeout: 30 * time.Second})
	var refused *wazuh.Refused
	if errors.As(err, &refused) {
		return key, refused.Reason
	}
	if err != nil {
		s.Fatal(err)
	}
	// The database hears of a new agent after the agent has its answer.
	s.eventually("a row for "+key.ID, func() bool { return s.status(key.ID) != "" })
	return key, ""
}

// agent enrolls and waits until remoted knows the key.
func (s *site) agent(name string) wazuh.Key {
	s.Helper()
	key, reason := s.enroll(wazuh.EnrollRequest{Name: name})
	if reason != "" {
		s.Fatalf("enroll %s: %s", name, reason)
	}
	s.clock.advance(10 * time.Second)
	return key
}

func (s *site) dial(key wazuh.Key) (*wazuh.Session, error) {
	s.Helper()
	session, err := wazuh.Dial(s.Context(), s.m.Addresses().Events, wazuh.SessionOptions{
		Key: key, AgentIP: "192.0.2.10", Handshake: 30 * time.Second,
	})
	if err == nil {
		s.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

func (s *site) connect(key wazuh.Key) *wazuh.Session {
	s.Helper()
	session, err := s.dial(key)
	if err != nil {
		s.Fatal(err)
	}
	return session
}

func (s *site) api() *wazuh.API {
	s.Helper()
	api, err := wazuh.NewAPI(wazuh.APIOptions{
		URL: "https://" + s.m.Addresses().API, User: "wazuh", Password: wazuh.NewSecret("wazuh"), HTTP: s.client(),
		Pause: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		s.Fatal(err)
	}
	return api
}

// client is an HTTP client that leaves no idle connection behind.
func (s *site) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	s.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// status returns an agent's status, or "" when the database doesn't have it.
func (s *site) status(id string) string {
	s.Helper()
	for _, r := range s.m.rows() {
		if r.ID == id {
			return r.Status
		}
	}
	return ""
}

// eventually waits for what another goroutine does on its own.
func (s *site) eventually(what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("never: %s", what)
		}
	}
}

// ask sends bytes over TLS and returns each read of the answer.
func (s *site) ask(request string) (records []string) {
	s.Helper()
	conn, err := tls.Dial("tcp", s.m.Addresses().Enroll, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		s.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			records = append(records, string(buf[:n]))
		}
		if errors.Is(err, io.EOF) { // of TLS: a close_notify came
			return records
		}
		if err != nil {
			s.Fatalf("no clean end after %q: %v", records, err)
		}
	}
}

// rawDial opens a plain connection to the events port.
func (s *site) rawDial() net.Conn {
	s.Helper()
	conn, err := net.Dial("tcp", s.m.Addresses().Events)
	if err != nil {
		s.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	s.Cleanup(func() { _ = conn.Close() })
	return conn
}

// fakeConn is a connection that only knows how to close; the pointer tells one from another.
type fakeConn struct{ id *int }

func (fakeConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (fakeConn) Write(b []byte) (int, error)      { return len(b), nil }
func (fakeConn) Close() error                     { return nil }
func (fakeConn) LocalAddr() net.Addr              { return nil }
func (fakeConn) RemoteAddr() net.Addr             { return nil }
func (fakeConn) SetDeadline(time.Time) error      { return nil }
func (fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (fakeConn) SetWriteDeadline(time.Time) error { return nil }
