package installer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"mvdan.cc/sh/v3/interp"
)

// quiet is how long nc waits for more once the other side has nothing to say.
const quiet = 300 * time.Millisecond

func (h *Host) dial(ctx context.Context, host, port string) (net.Conn, error) {
	if h.Dial == nil {
		return nil, errors.New("no network")
	}
	return h.Dial(ctx, "tcp", net.JoinHostPort(host, port))
}

func nslookup(ctx context.Context, p *process) error {
	if len(p.args) != 2 {
		return fmt.Errorf("%q", p.args)
	}
	return p.host.lookup(ctx, p.args[1])
}

// lookup answers for a name that something listens behind.
func (h *Host) lookup(_ context.Context, name string) error {
	if !strings.Contains(name, ".") {
		return fmt.Errorf("%q is no full name", name)
	}
	fmt.Fprintf(&h.out, "Name: %s\n", name)
	return nil
}

// netcat knows -vz -w N HOST PORT and -w N HOST PORT.
func netcat(ctx context.Context, p *process) error {
	words := p.args[1:]
	probe := len(words) > 0 && words[0] == "-vz"
	if probe {
		words = words[1:]
	}
	if len(words) != 4 || words[0] != "-w" {
		return fmt.Errorf("want -w SECONDS HOST PORT: %q", p.args)
	}
	connection, err := p.host.dial(ctx, words[2], words[3])
	if err != nil {
		return interp.ExitStatus(1)
	}
	defer connection.Close()
	if probe {
		_, err := fmt.Fprintf(p.stdout, "Connection to %s %s port succeeded\n", words[2], words[3])
		return err
	}
	if _, err := io.Copy(connection, p.stdin); err != nil {
		return err
	}
	if err := connection.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	buffer := make([]byte, 4096)
	for {
		n, err := connection.Read(buffer)
		if _, err := p.stdout.Write(buffer[:n]); err != nil {
			return err
		}
		if err != nil {
			return nil // closed, or silent for long enough
		}
		if err := connection.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			return err
		}
	}
}

// openssl is the real one; only the address it dials is the test's.
func openssl(ctx context.Context, p *process) error {
	args := slices.Clone(p.args[1:])
	if at := slices.Index(args, "-connect"); at >= 0 && at+1 < len(args) {
		host, port, err := net.SplitHostPort(args[at+1])
		if err != nil {
			return err
		}
		connection, err := p.host.dial(ctx, host, port)
		if err != nil {
			fmt.Fprintln(&p.host.out, "connect:", err)
			return interp.ExitStatus(1)
		}
		args[at+1] = connection.RemoteAddr().String()
		_ = connection.Close()
	}
	command := exec.CommandContext(ctx, "openssl", args...)
	command.Dir, command.Stdin, command.Stdout, command.Stderr = p.dir, p.stdin, p.stdout, &p.host.out
	command.Env = append(os.Environ(), "LC_ALL=C")
	var exit *exec.ExitError
	err := command.Run()
	if errors.As(err, &exit) {
		return interp.ExitStatus(exit.ExitCode())
	}
	return err
}
