package wazuh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// What wazuh-agentd does unless told otherwise.
const (
	// DefaultVersion is the version that simulators claim. A probe should claim none: it has to get
	// on with older managers too.
	DefaultVersion = "v4.14.7"

	handshakeTimeout = 60 * time.Second // agent.recv_timeout
	defaultNotify    = 20 * time.Second // notify_time
	defaultSilence   = 60 * time.Second // time-reconnect
	writeTimeout     = 30 * time.Second
	hangUpTimeout    = time.Second
)

var (
	// ErrNoAnswer says that the manager closed the connection after the startup message. It doesn't
	// know the id, the key is another, or the id is in use on another connection: it never says which.
	ErrNoAnswer = errors.New("the manager closed the connection without an answer: id unknown, key wrong, or id in use elsewhere")
	// ErrReconnect says that the manager asked the agent to connect again (PUT /agents/reconnect).
	ErrReconnect = errors.New("the manager asked for a reconnect")
	// ErrSilent says that nothing came from the manager for longer than the agent waits.
	ErrSilent = errors.New("nothing heard from the manager for too long")
	// ErrSessionClosed says that the session was closed on this side.
	ErrSessionClosed = errors.New("session is closed")
)

// SessionRefused is a manager's answer to a startup it doesn't accept, such as too high a version.
type SessionRefused struct {
	Message string
}

func (e *SessionRefused) Error() string {
	return fmt.Sprintf("the manager refused the session: %q", e.Message)
}

// SessionOptions say who connects, and how patiently. The zero value of each is what an agent does.
type SessionOptions struct {
	Key       Key
	Version   string        // sent with the startup; a manager refuses one above its own, and takes "" for any
	System    string        // of the keep-alive; "" is a plain Linux host named like the key
	AgentIP   string        // shown by the manager as the agent's address
	MergedSum string        // of the shared configuration from an earlier session
	Handshake time.Duration // wait for the first answer
	Notify    time.Duration // between keep-alives, in Run
	Silence   time.Duration // without a word from the manager, before giving up
	Seal      SealOptions
	Dial      DialFunc

	// OnRequest answers the manager's requests. Nil knows no target, as an agent without modules.
	OnRequest func(target, payload string) string
}

func (o SessionOptions) withDefaults() SessionOptions {
	orDefault := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orDefault(&o.Handshake, handshakeTimeout)
	orDefault(&o.Notify, defaultNotify)
	orDefault(&o.Silence, defaultSilence)
	if o.System == "" {
		o.System = "Linux |" + o.Key.Name + " |6.1.0 |#1 SMP |x86_64 [Debian GNU/Linux|debian: 12 (bookworm)] - Wazuh " + cmp.Or(o.Version, DefaultVersion)
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Seal.Pool == nil {
		o.Seal.Pool = new(Pool)
	}
	if o.OnRequest == nil {
		o.OnRequest = func(string, string) string { return "err No such file or directory" }
	}
	return o
}

// Session is an agent's connection to the events port, past its handshake. It must be closed.
type Session struct {
	o    SessionOptions
	conn net.Conn
	in   *FrameReader
	open *Opener

	sending sync.Mutex // guards seal and out
	seal    *Sealer
	out     []byte

	asking sync.Mutex // one keep-alive at a time waits for its ack
	acks   chan struct{}
	push   filePush // of the reading goroutine

	state     sync.Mutex // guards mergedSum and err
	mergedSum string
	err       error
	readErr   error // what ended the reading goroutine; set before done is closed
	done      chan struct{}
}

// Dial connects to the events port, says the agent has started, and waits for the manager's answer.
func Dial(ctx context.Context, address string, o SessionOptions) (*Session, error) {
	o = o.withDefaults()
	s := &Session{o: o, acks: make(chan struct{}, 1), done: make(chan struct{}), mergedSum: o.MergedSum}
	var err error
	if s.seal, err = NewAgentSealer(o.Key, o.Seal); err != nil {
		return nil, err
	}
	if s.open, err = NewOpener(o.Key, o.Seal.Pool); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Handshake)
	defer cancel()
	if s.conn, err = o.Dial(ctx, "tcp", address); err != nil {
		return nil, fmt.Errorf("connect agent %q to %s: %w", o.Key.ID, address, err)
	}
	if err := s.handshake(ctx); err != nil {
		_ = s.conn.Close()
		return nil, fmt.Errorf("connect agent %q to %s: %w", o.Key.ID, address, err)
	}
	go s.read()
	return s, nil
}

// handshake reads exactly one message: whatever isn't the ack is a failure, as for an agent.
func (s *Session) handshake(ctx context.Context) error {
	s.in = NewFrameReader(s.conn)
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := s.send(ctx, AppendStartup(nil, s.o.Version)); err != nil {
		return fmt.Errorf("send startup: %w", noAnswer(err))
	}
	payload, err := s.in.Next()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the answer to startup: %w", context.Cause(ctx))
		}
		return noAnswer(err)
	}
	msg, _, err := s.open.Open(nil, payload)
	if err != nil {
		return err
	}
	if message, ok := ParseError(msg); ok {
		return &SessionRefused{Message: message}
	}
	if string(msg) != AckMessage {
		return fmt.Errorf("first message of the manager begins with %q, want the ack", msg[:min(len(msg), 16)])
	}
	return nil
}

// noAnswer turns the ways in which a closed connection shows into the one thing it means.
func noAnswer(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	if errors.Is(err, ErrFrameSize) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrNoAnswer, err)
}

// Done is closed when the session is over; Err then says why.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session is over, or nil while it isn't.
func (s *Session) Err() error {
	s.state.Lock()
	defer s.state.Unlock()
	return s.err
}

// MergedSum returns the MD5 of the shared configuration received last.
func (s *Session) MergedSum() string {
	s.state.Lock()
	defer s.state.Unlock()
	return s.mergedSum
}

// Counter returns the number of the last message sent. An agent that keeps it across sessions
// satisfies managers that refuse repeated numbers.
func (s *Session) Counter() Counter {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.seal.Counter()
}

// SendEvent sends one event. Nothing acknowledges it; the ack of a KeepAlive sent after it shows
// that the manager has read it.
func (s *Session) SendEvent(ctx context.Context, e Event) error {
	return s.send(ctx, AppendEvent(nil, e))
}

// Send sends a message made before, such as one event many times over.
func (s *Session) Send(ctx context.Context, msg []byte) error { return s.send(ctx, msg) }

// KeepAlive reports to the manager and waits for its ack.
func (s *Session) KeepAlive(ctx context.Context) error {
	s.asking.Lock()
	defer s.asking.Unlock()
	select {
	case <-s.acks: // a late ack of a keep-alive that was given up
	default:
	}
	msg := AppendKeepAlive(nil, KeepAlive{System: s.o.System, MergedSum: s.MergedSum(), AgentIP: s.o.AgentIP})
	if err := s.send(ctx, msg); err != nil {
		return err
	}
	select {
	case <-s.acks:
		return nil
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		return fmt.Errorf("wait for the ack of a keep-alive: %w", context.Cause(ctx))
	}
}

// Run keeps the session alive until the context ends or the session does, and returns why.
func (s *Session) Run(ctx context.Context) error {
	tick := time.NewTicker(s.o.Notify)
	defer tick.Stop()
	for {
		if err := s.KeepAlive(ctx); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-s.done:
			return s.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Shutdown says goodbye, so that the manager shows the agent as disconnected at once, and closes.
func (s *Session) Shutdown(ctx context.Context) error {
	err := s.send(ctx, []byte(ShutdownMessage))
	if err == nil {
		s.hangUp(ctx)
	}
	return errors.Join(err, s.Close())
}

// hangUp ends our side and reads on until the manager has ended its own. Closing at once, with a
// pushed configuration still arriving, would reset the connection and could cost the goodbye.
func (s *Session) hangUp(ctx context.Context) {
	s.end(ErrSessionClosed)
	half, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	patience := time.NewTimer(hangUpTimeout)
	defer patience.Stop()
	select {
	case <-s.done:
	case <-patience.C:
	case <-ctx.Done():
	}
}

// Close ends the session without a goodbye. It waits for the reading goroutine.
func (s *Session) Close() error {
	s.end(ErrSessionClosed)
	err := s.conn.Close()
	<-s.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// end notes the first reason for which the session is over.
func (s *Session) end(reason error) {
	s.state.Lock()
	defer s.state.Unlock()
	if s.err == nil {
		s.err = reason
	}
}

// send seals and writes under one lock: the counter must grow in the order of the wire.
func (s *Session) send(ctx context.Context, msg []byte) error {
	if err := s.Err(); err != nil {
		return err
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	frame, err := s.seal.AppendFrame(s.out[:0], msg)
	if err != nil {
		return err
	}
	s.out = frame
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := s.conn.Write(frame); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
		}
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// read is the session's one goroutine of its own; it ends with the connection.
func (s *Session) read() {
	defer close(s.done)
	var msg []byte
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(s.o.Silence))
		payload, err := s.in.Next()
		if err == nil {
			msg, _, err = s.open.Open(msg[:0], payload)
		}
		if err == nil {
			err = s.handle(msg)
		}
		if err != nil {
			s.readErr = err
			s.end(lostBecause(err))
			_ = s.conn.Close()
			return
		}
	}
}

func lostBecause(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return ErrSilent
	}
	if errors.Is(err, ErrReconnect) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the manager closed the connection: %w", err)
	}
	return fmt.Errorf("connection lost: %w", err)
}
