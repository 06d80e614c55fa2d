package wazuh

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// fakeRemoted accepts one agent and does what a test says.
type fakeRemoted struct {
	*testing.T
	key     Key
	address string
}

// remote is the manager's end of a connection.
type remote struct {
	conn net.Conn
	in   *FrameReader
	seal *Sealer
	open *Opener
}

func (r *remote) read() string {
	payload, err := r.in.Next()
	if err != nil {
		return err.Error()
	}
	msg, _, err := r.open.Open(nil, payload)
	if err != nil {
		return err.Error()
	}
	return string(msg)
}

func (r *remote) write(messages ...string) {
	for _, m := range messages {
		frame, _ := r.seal.AppendFrame(nil, []byte(m))
		_, _ = r.conn.Write(frame)
	}
}

func startRemoted(t *testing.T, script func(*remote)) fakeRemoted {
	t.Helper()
	f := fakeRemoted{T: t, key: loadVectors(t).key()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = l.Addr().String()
	seal, _ := NewManagerSealer(f.key, SealOptions{})
	open, _ := NewOpener(f.key, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		script(&remote{conn, NewFrameReader(conn), seal, open})
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return f
}

func (f fakeRemoted) dial(o SessionOptions) (*Session, error) {
	f.Helper()
	o.Key = f.key
	s, err := Dial(f.Context(), f.address, o)
	if err == nil {
		f.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func TestHandshakeFailures(t *testing.T) {
	for first, want := range map[string]string{
		"#!-agent ack":            "want the ack", // without its space
		"#!-force_reconnect":      "want the ack",
		`#!-err {"message":"no"}`: `refused the session: "no"`,
	} {
		f := startRemoted(t, func(r *remote) { r.read(); r.write(first); r.read() })
		if _, err := f.dial(SessionOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", first, err, want)
		}
	}
	f := startRemoted(t, func(r *remote) { r.read() })
	if _, err := f.dial(SessionOptions{}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("closed: got %v", err)
	}
	f = startRemoted(t, func(r *remote) { r.read(); r.read() })
	if _, err := f.dial(SessionOptions{Handshake: 50 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoAnswer) {
		t.Errorf("silent: got %v", err)
	}
}

func TestSessionAnswersRequests(t *testing.T) {
	got := make(chan string, 2)
	f := startRemoted(t, func(r *remote) {
		got <- r.read()
		r.write(AckMessage, "#!-execd {}", "#!-req 1a agent getstate now")
		got <- r.read()
		r.read()
	})
	if _, err := f.dial(SessionOptions{OnRequest: func(target, payload string) string { return "ok " + target + "/" + payload }}); err != nil {
		t.Fatal(err)
	}
	if msg := <-got; msg != "#!-agent startup " {
		t.Errorf("startup %q", msg)
	}
	if msg := <-got; msg != "#!-req 1a ok agent/getstate now" {
		t.Errorf("answer %q", msg)
	}
}

// A configuration that doesn't have the sum it was announced with is not adopted.
func TestSessionChecksPushes(t *testing.T) {
	const content = "#default\n!0 agent.conf\n"
	f := startRemoted(t, func(r *remote) {
		r.read()
		r.write(AckMessage)
		r.read() // a keep-alive
		r.write("#!-up file "+md5hex("other")+" merged.mg\n", content, FileEndMessage, AckMessage)
		r.read()
		r.write("#!-up file "+md5hex(content)+" merged.mg\n", content[:5], content[5:], FileEndMessage, AckMessage)
		r.read()
	})
	s, err := f.dial(SessionOptions{Version: DefaultVersion})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", md5hex(content)} {
		if err := s.KeepAlive(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.MergedSum(); got != want {
			t.Errorf("sum %q, want %q", got, want)
		}
	}
}

func TestSessionEnds(t *testing.T) {
	for what, c := range map[string]struct {
		script  func(*remote)
		silence time.Duration
		want    error
	}{
		"reconnect": {func(r *remote) { r.write(ReconnectMessage); r.read() }, 0, ErrReconnect},
		"silence":   {func(r *remote) { r.read() }, 100 * time.Millisecond, ErrSilent},
		"rubbish":   {func(r *remote) { _, _ = r.conn.Write(AppendFrame(nil, []byte("rubbish"))); r.read() }, 0, ErrUndecodable},
	} {
		f := startRemoted(t, func(r *remote) { r.read(); r.write(AckMessage); c.script(r) })
		s, err := f.dial(SessionOptions{Silence: c.silence})
		if err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		if !errors.Is(s.Err(), c.want) {
			t.Errorf("%s: got %v", what, s.Err())
		}
		if err := s.SendEvent(t.Context(), Event{Queue: QueueLocalFile, Location: "x", Text: "y"}); err == nil {
			t.Errorf("%s: sent an event", what)
		}
	}
}

// Shutdown leaves the manager time to read the goodbye: it ends its own side, and waits.
func TestShutdownHangsUpGently(t *testing.T) {
	heard := make(chan string, 2)
	f := startRemoted(t, func(r *remote) {
		r.read()
		r.write(AckMessage)
		heard <- r.read()
		heard <- r.read()
		time.Sleep(20 * time.Millisecond)
		r.write(AckMessage) // still on its way to the agent; must not reset the connection
	})
	s, err := f.dial(SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-heard + <-heard; got != ShutdownMessage+"EOF" {
		t.Errorf("heard %q", got)
	}
	if !errors.Is(s.readErr, io.EOF) {
		t.Errorf("closed before the manager did: %v", s.readErr)
	}
}

// Nobody acknowledges: the caller's context ends the wait, not the session.
func TestKeepAliveWaitsForItsAck(t *testing.T) {
	f := startRemoted(t, func(r *remote) { r.read(); r.write(AckMessage); r.read(); r.read() })
	s, err := f.dial(SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.KeepAlive(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if s.Err() != nil {
		t.Errorf("session ended: %v", s.Err())
	}
}
