//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// The addresses of the world. The router has the first of each network, and the
// control plane lives there.
var (
	segment      = netip.MustParsePrefix("172.30.0.0/24") // nodes, and the addresses MetalLB gives
	internet     = netip.MustParsePrefix("203.0.113.0/24")
	router       = netip.MustParseAddr("172.30.0.1")
	internetGate = netip.MustParseAddr("203.0.113.1")
	podNetwork   = netip.MustParsePrefix("10.244.0.0/16")
)

// Pool is what MetalLB gives addresses from.
const Pool = "172.30.0.200-172.30.0.239"

// space is a network namespace, and for a node also mounts and a host name of its
// own, held open by a process that sleeps.
type space struct {
	holder *process.Process
	flags  []string // what nsenter enters
}

// newSpace makes one; script prepares it from within.
func newSpace(name, script string, kinds ...string) (*space, error) {
	arguments := []string{"--net"}
	flags := []string{"--net"}
	for _, kind := range kinds {
		arguments = append(arguments, "--"+kind)
		flags = append(flags, "--"+kind)
	}
	ready := filepath.Join(dir(), name+".ready")
	arguments = append(arguments, "sh", "-ec", script+"\ntouch "+ready+"\nexec sleep infinity")
	holder, err := process.Start(process.Spec{Name: "namespaces of " + name, Path: "unshare", Args: arguments, LogFile: filepath.Join(logs(), name+".log")})
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(ready); err == nil {
			return &space{holder: holder, flags: flags}, nil
		}
		select {
		case <-holder.Done():
			return nil, holder.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// command is the arguments that run a program in the space.
func (s *space) command(arguments ...string) []string {
	enter := append([]string{"nsenter", "--target", strconv.Itoa(s.holder.PID())}, s.flags...)
	return append(append(enter, "--"), arguments...)
}

// run runs a short program in the space.
func (s *space) run(ctx context.Context, arguments ...string) error {
	_, err := output(ctx, s.command(arguments...)...)
	return err
}

// join puts a veth pair between the router and a space, where it is called eth0.
func (s *space) join(ctx context.Context, name string, addresses []netip.Prefix, gate netip.Addr, bridge string) error {
	if err := run(ctx, "ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(s.holder.PID())); err != nil {
		return err
	}
	if bridge != "" {
		if err := run(ctx, "ip", "link", "set", name, "master", bridge); err != nil {
			return err
		}
	}
	steps := [][]string{{"ip", "link", "set", "lo", "up"}, {"ip", "link", "set", "eth0", "up"}}
	for _, address := range addresses {
		steps = append(steps, []string{"ip", "address", "add", address.String(), "dev", "eth0"})
	}
	steps = append(steps, []string{"ip", "route", "add", "default", "via", gate.String()})
	if err := run(ctx, "ip", "link", "set", name, "up"); err != nil {
		return err
	}
	for _, step := range steps {
		if err := s.run(ctx, step...); err != nil {
			return err
		}
	}
	return nil
}

// Internet is where agents are: behind the router, with as many addresses as a test
// likes to have.
type Internet struct{ space *space }

// makeNetwork makes the segment, its router and the internet.
func makeNetwork(ctx context.Context) (*Internet, error) {
	for _, step := range [][]string{
		{"ip", "link", "add", "segment", "type", "bridge"},
		{"ip", "address", "add", netip.PrefixFrom(router, segment.Bits()).String(), "dev", "segment"},
		{"ip", "link", "set", "segment", "up"},
		{"sysctl", "-qw", "net.ipv4.ip_forward=1"},
	} {
		if err := run(ctx, step...); err != nil {
			return nil, err
		}
	}
	space, err := newSpace("internet", "true")
	if err != nil {
		return nil, err
	}
	var addresses []netip.Prefix
	for host := byte(10); host < 40; host++ {
		addresses = append(addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, host}), internet.Bits()))
	}
	if err := space.join(ctx, "internet", addresses, internetGate, ""); err != nil {
		return nil, err
	}
	return &Internet{space}, run(ctx, "ip", "address", "add", netip.PrefixFrom(internetGate, internet.Bits()).String(), "dev", "internet")
}

// DialFrom dials as a machine with this address.
func (i *Internet) DialFrom(source netip.Addr) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		type dialled struct {
			conn net.Conn
			err  error
		}
		done := make(chan dialled, 1)
		go func() {
			// A thread that has been elsewhere is not used again: it ends with its goroutine.
			runtime.LockOSThread()
			if err := i.space.enter(); err != nil {
				done <- dialled{err: err}
				return
			}
			dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
			conn, err := dialer.DialContext(ctx, network, address)
			done <- dialled{conn, err}
		}()
		got := <-done
		return got.conn, got.err
	}
}

// enter moves the calling thread into the space's network.
func (s *space) enter() error {
	file, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", s.holder.PID()))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return unix.Setns(int(file.Fd()), unix.CLONE_NEWNET)
}

func run(ctx context.Context, arguments ...string) error {
	_, err := output(ctx, arguments...)
	return err
}

// output is what a short program prints; its error quotes it.
func output(ctx context.Context, arguments ...string) (string, error) {
	text, err := exec.CommandContext(ctx, arguments[0], arguments[1:]...).CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("%s: %w", strings.Join(arguments, " "), err), errors.New(strings.TrimSpace(string(text))))
	}
	return string(text), nil
}
