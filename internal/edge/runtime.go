package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// batchSize keeps a line of commands well within HAProxy's buffer of 16 kB,
// beyond which it closes the connection without a word.
const batchSize = 12_000

// answerSize has room for most answers. HAProxy writes no faster than it is read,
// and the list of thousands of sessions, which a suspension may wait for, has megabytes.
const answerSize = 64 << 10

// runtimeTimeout bounds one exchange with a process that may be hung.
const runtimeTimeout = 10 * time.Second

// runtime speaks to the admin socket of the running process, or its master's.
type runtime struct {
	socket string
	// hangUp closes our half after the question: a master waits for it before it
	// closes its own.
	hangUp bool
}

// ask sends one line and returns everything HAProxy says before it hangs up.
func (r runtime) ask(ctx context.Context, line string) (string, error) {
	deadline := time.Now().Add(runtimeTimeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	conn, err := r.dial(ctx, deadline)
	if err != nil {
		return "", fmt.Errorf("haproxy's socket: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", fmt.Errorf("haproxy's socket: %w", err)
	}
	if half, ok := conn.(*net.UnixConn); ok && r.hangUp {
		if err := half.CloseWrite(); err != nil {
			return "", fmt.Errorf("haproxy's socket: %w", err)
		}
	}
	answer := bytes.NewBuffer(make([]byte, 0, answerSize))
	if _, err := answer.ReadFrom(conn); err != nil {
		return "", fmt.Errorf("haproxy's socket: %w", err)
	}
	return answer.String(), nil
}

// dial tries again while too many wait at the socket: a busy HAProxy is not gone.
func (r runtime) dial(ctx context.Context, deadline time.Time) (net.Conn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", r.socket)
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// do runs commands in order, many per line. Commands that succeed say nothing,
// so every word is a complaint.
func (r runtime) do(ctx context.Context, commands []string) error {
	for _, line := range batches(commands) {
		answer, err := r.ask(ctx, line)
		if err != nil {
			return err
		}
		if text := strings.TrimSpace(answer); text != "" {
			return &complaint{text: text}
		}
	}
	return nil
}

// forget takes rows out of a table. That a row is gone already, or in use again, is
// not told apart: either is as it should be.
func (r runtime) forget(ctx context.Context, table string, keys []string) error {
	commands := make([]string, len(keys))
	for i, key := range keys {
		commands[i] = "clear table " + table + " key " + key
	}
	for _, line := range batches(commands) {
		if _, err := r.ask(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

// batches are the commands as lines HAProxy can read.
func batches(commands []string) (lines []string) {
	for len(commands) > 0 {
		length, n := 0, 0
		for n < len(commands) && (n == 0 || length+len(commands[n])+2 < batchSize) {
			length += len(commands[n]) + 2
			n++
		}
		lines = append(lines, strings.Join(commands[:n], "; "))
		commands = commands[n:]
	}
	return lines
}

// complaint is HAProxy refusing a command. What it then has is not what we
// believe, so everything is compared again.
type complaint struct{ text string }

func (c *complaint) Error() string { return fmt.Sprintf("haproxy refuses a command: %q", c.text) }

// addServers makes slots that are not in the configuration. One that is there
// already is what was wanted.
func (r runtime) addServers(ctx context.Context, servers []haproxy.Server) error {
	for _, server := range servers {
		name := server.Backend + "/" + server.Name
		answer, err := r.ask(ctx, fmt.Sprintf("add server %s 0.0.0.0 %s; enable server %s", name, server.Options, name))
		if err != nil {
			return err
		}
		if !strings.Contains(answer, "New server registered") && !strings.Contains(answer, "Already exists") {
			return &complaint{text: strings.TrimSpace(answer)}
		}
	}
	return nil
}

// replace exchanges a whole map or list at once: a new version is filled beside
// the one in force, and the commit is one step.
func (r runtime) replace(ctx context.Context, kind, file string, lines []string) error {
	answer, err := r.ask(ctx, "prepare "+kind+" "+file)
	if err != nil {
		return err
	}
	_, version, ok := strings.Cut(strings.TrimSpace(answer), "New version created: ")
	if !ok {
		return &complaint{text: strings.TrimSpace(answer)}
	}
	if kind == "acl" { // lists take no payload, so each line is a command
		commands := make([]string, len(lines))
		for i, line := range lines {
			commands[i] = "add acl @" + version + " " + file + " " + line
		}
		if err := r.do(ctx, commands); err != nil {
			return err
		}
		lines = nil
	}
	for len(lines) > 0 {
		var payload strings.Builder
		n := 0
		for n < len(lines) && payload.Len()+len(lines[n])+1 < batchSize {
			payload.WriteString(lines[n])
			payload.WriteByte('\n')
			n++
		}
		answer, err := r.ask(ctx, "add "+kind+" @"+version+" "+file+" <<\n"+payload.String())
		if err != nil {
			return err
		}
		if text := strings.TrimSpace(answer); text != "" {
			_, _ = r.ask(ctx, "clear "+kind+" @"+version+" "+file) // leaves no half version behind
			return &complaint{text: text}
		}
		lines = lines[n:]
	}
	return r.do(ctx, []string{"commit " + kind + " @" + version + " " + file})
}

// info asks the process who it is.
func (r runtime) info(ctx context.Context) (map[string]string, error) {
	answer, err := r.ask(ctx, "show info")
	if err != nil {
		return nil, err
	}
	return haproxy.ParseInfo(answer), nil
}
