// Package named runs a real BIND 9 for a test or the demo: on loopback, on a free
// port, with zones that take RFC 2136 updates signed with a TSIG key made for the
// occasion.
//
// Start with [Start], or without a test with [Open]. A test can stop the server and start it again at the same
// address ([Server.Down], [Server.Up]), read what it answers ([Server.Lookup])
// and change a zone as a person would ([Server.Change]).
package named

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// KeyName is the name of every server's TSIG key, and Algorithm its algorithm.
const (
	KeyName   = "soctalk-test"
	Algorithm = dns.HmacSHA256
)

// Options say what the server serves.
type Options struct {
	// Zones the server is primary for.
	Zones []Zone
	// Address to listen on, one that an interface has; the zero value is 127.0.0.1.
	Address netip.Addr
	// Port to listen on; 0 takes a free one.
	Port uint16
	// Secret of the TSIG key, base64; empty makes a new one.
	Secret string
}

// Zone is one zone.
type Zone struct {
	// Name of the zone, such as soc.example.com.
	Name string
	// Servers are the addresses of the zone's name servers, ns1.<zone> and so on;
	// none means the server itself.
	Servers []netip.Addr
	// Records are further lines in a zone file's form, such as "* 60 IN A 192.0.2.1".
	Records []string
	// Grant are the only types of records the key may update, such as "A TXT"; empty
	// means all.
	Grant string
	// Frozen refuses every update.
	Frozen bool
}

// Server is a running BIND.
type Server struct {
	tb      TB
	dir     string
	program string
	options Options
	process *process.Process
}

// TB is what is used of a testing.TB; the demo is built without package testing.
type TB interface {
	Helper()
	Skip(...any)
	Fatal(...any)
	Fatalf(string, ...any)
	TempDir() string
	Cleanup(func())
}

// ErrNotInstalled is the error of a machine without BIND.
var ErrNotInstalled = errors.New("BIND 9 (named) is not installed; as root, run: bash hack/install-peers.sh")

// program finds BIND where Debian puts it, which need not be in a user's PATH.
func program() (string, error) {
	if path, err := exec.LookPath("named"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/named"
	if _, err := os.Stat(debian); err != nil {
		return "", ErrNotInstalled
	}
	return debian, nil
}

// Installed is true on a machine with BIND.
func Installed() bool {
	_, err := program()
	return err == nil
}

// Start returns when the server answers for its zones; it ends with the test. A
// machine without BIND skips the test, and says how to get it; in continuous
// integration that is a failure.
func Start(tb TB, options Options) *Server {
	tb.Helper()
	s, err := Open(tb.TempDir(), options)
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv("CI") == "":
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
	s.tb = tb
	tb.Cleanup(s.Down)
	return s
}

// Open returns when the server answers for its zones; its files are in a folder of
// the caller's, who ends it with [Server.Down].
func Open(dir string, options Options) (*Server, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	if !options.Address.IsValid() {
		options.Address = netip.MustParseAddr("127.0.0.1")
	}
	if options.Secret == "" {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails, says its documentation
		options.Secret = base64.StdEncoding.EncodeToString(secret)
	}
	// A copy, because the profile that AppArmor attaches to the package's path
	// forbids BIND to read a test's folder.
	s := &Server{dir: dir, options: options, program: filepath.Join(dir, "named")}
	if err := copyProgram(path, s.program); err != nil {
		return nil, fmt.Errorf("copy %s: %w", path, err)
	}
	return s, s.findPort()
}

// findPort starts on the port that was asked for, or on free ones until nobody
// else was faster.
func (s *Server) findPort() error {
	attempts, wanted := 5, s.options.Port
	if wanted != 0 {
		attempts = 1
	}
	var err error
	for range attempts {
		if wanted == 0 {
			if s.options.Port, err = freePort(s.options.Address); err != nil {
				return err
			}
		}
		if err = s.writeFiles(); err != nil {
			return err
		}
		if err = s.start(); err == nil {
			return nil
		}
	}
	return err
}

// freePort finds one that is free for UDP and TCP.
func freePort(address netip.Addr) (port uint16, err error) {
	for range 20 {
		packets, err := net.ListenPacket("udp", net.JoinHostPort(address.String(), "0"))
		if err != nil {
			return 0, fmt.Errorf("find a free port of %s: %w", address, err)
		}
		stream, err := net.Listen("tcp", packets.LocalAddr().String())
		_ = packets.Close()
		if err == nil {
			_ = stream.Close()
			return netip.MustParseAddrPort(packets.LocalAddr().String()).Port(), nil
		}
	}
	return 0, fmt.Errorf("find a port of %s that is free for UDP and TCP: none in 20 attempts", address)
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Up starts the server again at the address it had, with the zones as they were.
func (s *Server) Up() {
	s.tb.Helper()
	if err := s.start(); err != nil {
		s.tb.Fatal(err)
	}
}

// Down ends the server; its zones stay on disk.
func (s *Server) Down() {
	if s.process != nil {
		s.process.Stop(20 * time.Second)
		s.process = nil
	}
}

// start runs BIND and waits until it answers for every zone.
func (s *Server) start() error {
	if err := os.Remove(s.logPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start BIND: %w", err)
	}
	var err error
	s.process, err = process.Start(process.Spec{
		Name: "BIND", Path: s.program, Args: []string{"-g", "-n", "1", "-c", filepath.Join(s.dir, "named.conf")}, LogFile: s.logPath(),
	})
	if err != nil {
		return fmt.Errorf("start BIND: %w", err)
	}
	if err := s.waitReady(); err != nil {
		s.Down()
		text, _ := os.ReadFile(s.logPath())
		return fmt.Errorf("%w; it said:\n%s", err, text)
	}
	return nil
}

func (s *Server) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if s.ready(ctx) {
			return nil
		}
		// It would go on without an address to listen on, or without one transport.
		if text, _ := os.ReadFile(s.logPath()); bytes.Contains(text, []byte("not listening on any interfaces")) || bytes.Contains(text, []byte("address in use")) {
			return fmt.Errorf("BIND cannot listen on %s: taken, or not an address of this machine", s.Address())
		}
		select {
		case <-s.process.Done():
			return errors.New("BIND ended before it answered")
		case <-ctx.Done():
			return errors.New("BIND did not answer for its zones within 30 s")
		case <-ticker.C:
		}
	}
}

// ready is true when both transports answer for every zone.
func (s *Server) ready(ctx context.Context) bool {
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: time.Second}
		for _, zone := range s.options.Zones {
			question := new(dns.Msg)
			question.SetQuestion(dns.Fqdn(zone.Name), dns.TypeSOA)
			answer, _, err := client.ExchangeContext(ctx, question, s.Address())
			if err != nil || !answer.Authoritative || len(answer.Answer) == 0 {
				return false
			}
		}
	}
	return true
}

// Address is host:port, for UDP and TCP alike.
func (s *Server) Address() string {
	return net.JoinHostPort(s.options.Address.String(), strconv.Itoa(int(s.options.Port)))
}

func (s *Server) logPath() string { return filepath.Join(s.dir, "named.log") }

// Port is the port alone.
func (s *Server) Port() uint16 { return s.options.Port }

// Secret is the secret of the TSIG key, base64.
func (s *Server) Secret() string { return s.options.Secret }
