package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

const (
	firstPort = 15140
	lastPort  = 15739 // 300 tenants
)

// hand is a source that a test moves by hand.
type hand struct {
	updates chan Update
	mu      sync.Mutex
	words   map[string]v1alpha1.RouteEdge // the last of each tenant; a report has only what is new
}

func (h *hand) Watch(ctx context.Context, updates chan<- Update) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case update := <-h.updates:
			select {
			case updates <- update:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func (h *hand) Report(_ context.Context, words []v1alpha1.RouteEdge, slugs []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, slug := range slugs {
		h.words[slug] = words[i]
	}
	return nil
}

// site is an edge with the real HAProxy, on an address of the test's own.
type site struct {
	*testing.T
	edge    *Edge
	address string
	dir     string
	source  *hand
	routes  map[string]haproxy.Route
	stop    func()
	options Options
	custom  Source            // instead of the hand
	write   func()            // brings the routes to the custom source
	awaits  func(Status) bool // what begin waits for; in step, unless set
}

// newSite starts an edge; change may adjust its options before.
func newSite(t *testing.T, change ...func(*Options)) *site {
	t.Helper()
	program := haproxies.Need(t)
	dir, err := os.MkdirTemp("", "edge") // a socket's path is short; t.TempDir() is long
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, dir: dir, address: ownAddress(t), routes: map[string]haproxy.Route{}}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	s.options = Options{
		Name: "edge-1", Program: program, Check: time.Hour, Second: 200 * time.Millisecond,
		Config: haproxy.Config{Addresses: []netip.Addr{netip.MustParseAddr(s.address)}, First: firstPort, Last: lastPort, Dir: dir, MaxFiles: int(limit.Cur)},
		Log:    slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, c := range change {
		c(&s.options)
	}
	t.Cleanup(func() {
		s.stop()
		_ = s.edge.process.stop() // it may be stopped already
		s.eventually("haproxy ends", func() bool { return !s.edge.process.alive() })
		for _, line := range complaints(t, dir) {
			t.Errorf("haproxy says of its configuration: %s", line)
		}
		_ = os.RemoveAll(dir)
	})
	s.begin()
	return s
}

// complaints are what HAProxy said of its configuration as it started. That the
// test runs it as root is the test's affair.
func complaints(t *testing.T, dir string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, fileLog))
	if err != nil {
		t.Errorf("haproxy's log: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if ofConfig.MatchString(line) && !strings.Contains(line, "was started as") {
			lines = append(lines, line)
		}
	}
	return lines
}

var ofConfig = regexp.MustCompile(`\[(WARNING|ALERT)\].*(config :|parsing|deprecated|\.main\(\)\])`)

// begin runs the edge until stop.
func (s *site) begin() {
	s.Helper()
	s.source = &hand{updates: make(chan Update), words: map[string]v1alpha1.RouteEdge{}}
	s.options.Source = s.source
	if s.custom != nil {
		s.options.Source = s.custom
	}
	made, err := New(s.options)
	if err != nil {
		s.Fatal(err)
	}
	s.edge = made
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- made.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) {
			s.Logf("the edge ended: %v", err)
		}
	})
	s.eventually("the edge serves", func() bool {
		select {
		case err := <-done:
			done <- err
			s.Fatalf("the edge ended at its start: %v", err)
		default:
		}
		if s.awaits != nil {
			return s.awaits(made.Status())
		}
		return made.Status().InStep
	})
}

// hand gives the routes to the edge without anybody in between.
func (s *site) hand() {
	update := Update{Hashes: map[string]string{}}
	for _, route := range s.routes {
		update.Routes = append(update.Routes, route)
		update.Hashes[route.Tenant] = "h"
	}
	s.source.updates <- update
}

// apply makes the site's routes those in force.
func (s *site) apply() {
	s.Helper()
	if s.write != nil {
		s.write()
	} else {
		s.hand()
	}
	s.eventually("the routes are in force", func() bool {
		inForce := map[string]haproxy.Route{}
		for _, route := range s.edge.routes() {
			inForce[route.Tenant] = route
		}
		status := s.edge.Status()
		if !status.InStep {
			return false
		}
		for slug, route := range s.routes {
			if s.refused(slug) == "" && !inForce[slug].Equal(route.WithDefaults()) {
				return false
			}
			delete(inForce, slug)
		}
		return len(inForce) == 0
	})
}

func (s *site) refused(slug string) string {
	s.edge.mu.RLock()
	defer s.edge.mu.RUnlock()
	if err := s.edge.board.Refused(slug); err != nil {
		return err.Error()
	}
	return ""
}

// tenant puts the n-th tenant on the site; it is served after apply.
func (s *site) tenant(n int, events, enrollment string, change ...func(*haproxy.Route)) haproxy.Route {
	route := haproxy.Route{Tenant: "t" + strconv.Itoa(n), Slot: int32(n), Ports: []haproxy.Port{
		{Name: haproxy.PortEvents, Public: int32(firstPort + 2*n), Target: netip.MustParseAddrPort(events)},
		{Name: haproxy.PortEnrollment, Public: int32(firstPort + 2*n + 1), Target: netip.MustParseAddrPort(enrollment)},
	}}
	for _, c := range change {
		c(&route)
	}
	s.routes[route.Tenant] = route
	return route
}

// port is the address of a tenant's events port, or with 1 its enrollment port.
func (s *site) port(n, which int) string {
	return net.JoinHostPort(s.address, strconv.Itoa(firstPort+2*n+which))
}

// wanted are the lines of the routes in force.
func (s *site) wanted() tables { return tablesOf(s.edge.config, slices.Values(s.edge.routes())) }

// exact compares HAProxy's own tables with the site's routes.
func (s *site) exact() {
	s.Helper()
	have, doubled, err := s.edge.runtime.read(s.Context(), s.edge.config)
	if err != nil || doubled {
		s.Fatalf("read tables: %v, doubled %v", err, doubled)
	}
	if steps := difference(have, s.wanted()); steps.count() > 0 {
		s.Errorf("haproxy is not as the routes say; missing: %+v", steps)
	}
}

func (s *site) worker() string {
	s.Helper()
	info, err := s.edge.runtime.info(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return info["Pid"]
}

func (s *site) eventually(what string, check func() bool) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited 30s in vain: %s", what)
		}
	}
}

// frame is what an agent with this id could begin with; no manager could open it.
func frame(id string) []byte {
	payload := "!" + id + "!#AES:0123456789abcdef0123456789abcdef"
	return append([]byte{byte(len(payload)), 0, 0, 0}, payload...)
}

// talk connects from a source, says something and returns the first answer.
func talk(t *testing.T, source, address string, say []byte) (net.Conn, string, error) {
	t.Helper()
	dialer := net.Dialer{Timeout: 30 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, "", err
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if len(say) > 0 {
		if _, err := conn.Write(say); err != nil {
			return conn, "", err
		}
	}
	answer := make([]byte, 200)
	n, err := conn.Read(answer)
	return conn, string(answer[:n]), err
}

// isReset is true when the far end reset the connection instead of serving it.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// echo is a manager that says its name before everything it hears.
type echo struct {
	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
	total    int
}

func newEcho(t *testing.T, address, name string) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{listener: listener, open: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = listener.Close(); e.hangUp() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			e.note(conn, true)
			go func() {
				defer e.note(conn, false)
				defer conn.Close()
				buffer := make([]byte, 4096)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					if _, err := io.WriteString(conn, name+":"+string(buffer[:n])); err != nil {
						return
					}
				}
			}()
		}
	}()
	return e
}

func (e *echo) address() string { return e.listener.Addr().String() }

func (e *echo) note(conn net.Conn, open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if open {
		e.open[conn] = true
		e.total++
		return
	}
	delete(e.open, conn)
}

func (e *echo) count() (open, total int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.open), e.total
}

func (e *echo) hangUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for conn := range e.open {
		_ = conn.Close()
	}
}

// ownAddress gives every test of every run an address nobody else listens on.
func ownAddress(t *testing.T) string {
	t.Helper()
	for n := range 2000 {
		address := fmt.Sprintf("127.9.%d.%d", (os.Getpid()+n/200)%250, n%200+1)
		probe, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(firstPort)))
		if err != nil {
			continue
		}
		_ = probe.Close()
		if !slices.Contains(taken.addresses, address) {
			taken.addresses = append(taken.addresses, address)
			return address
		}
	}
	t.Fatal("no free address in 127.9.0.0/16")
	return ""
}

// taken are the addresses given out; tests of this package do not run in parallel.
var taken struct{ addresses []string }

// testLog sends an edge's warnings to the test's log.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(string(line[:len(line)-1]))
	}
	return len(line), nil
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
