// Package upstream asks the manager's authd, one request at a time.
//
// authd 4.14 damages its agent database when enrollments overlap: it stores the
// key it made last with the group of the request it serves now, after it has
// answered. So a turn ends when authd has closed the connection, not when its
// answer is there; the answer is passed on at once all the same. See [Client.Enroll].
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Errors of asking. Between them lies whether an agent may have come of it.
var (
	// ErrDown: nothing was asked.
	ErrDown = errors.New("the manager's authd cannot be reached")
	// ErrSilent: the request was sent and no answer understood.
	ErrSilent = errors.New("the manager's authd did not answer")
)

const (
	maxAnswer = 8 << 10
	// settle is how long authd may take to close after its answer.
	settle = 5 * time.Second
)

// Options say where authd is and how it knows us.
type Options struct {
	Address string
	// Password is authd's own, read anew for each request: it may be replaced.
	Password func() wazuh.Secret
	// Trust, when set, judges authd's certificate; it is read anew for each
	// connection. On the loopback of our own pod it isn't needed.
	Trust func() *Trust
	// Exchange bounds one attempt; RetryPause lies before the second.
	Exchange   time.Duration
	RetryPause time.Duration
	Dial       wazuh.DialFunc
}

// Client asks one authd. It is safe for concurrent use. There must be only one
// in front of an authd.
type Client struct {
	o       Options
	queue   *queue
	tls     *tls.Config
	settled sync.WaitGroup
}

// New makes a client; it doesn't connect.
func New(o Options) (*Client, error) {
	_, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("manager address %q: want host:port", o.Address)
	}
	c := &Client{o: o, queue: newQueue(), tls: &tls.Config{
		MinVersion: tls.VersionTLS12,
		// crypto/tls would want a name in the SAN; authd's certificate is judged as agents do.
		InsecureSkipVerify: true,
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}}
	if c.o.Dial == nil {
		c.o.Dial = new(net.Dialer).DialContext
	}
	if o.Trust != nil {
		c.tls.ClientSessionCache = nil // a resumed session shows no certificate to judge
		c.tls.VerifyConnection = func(state tls.ConnectionState) error {
			return o.Trust().check(state.PeerCertificates)
		}
	}
	return c, nil
}

// Answer is what authd said, byte by byte, and what that means.
type Answer struct {
	// ID and Name of the new agent; empty when Refused is set.
	ID, Name string
	Refused  *wazuh.Refused
	bytes    []byte
}

// Bytes is the answer for the agent. It may contain a key.
func (a Answer) Bytes() []byte { return a.bytes }

// Wait says how long and behind how many others a request may wait.
type Wait struct {
	Behind   int
	Patience time.Duration
}

// Waiting is how many requests wait for their turn.
func (c *Client) Waiting() int { return int(c.queue.waiting.Load()) }

// Compose makes the request when its turn has come; an error gives the turn up.
// The password is left to the client.
type Compose func() (wazuh.EnrollRequest, error)

// Enroll asks for an agent.
func (c *Client) Enroll(ctx context.Context, wait Wait, compose Compose) (Answer, error) {
	if err := c.queue.take(ctx, wait.Behind, wait.Patience); err != nil {
		return Answer{}, err
	}
	r, err := compose()
	if err != nil {
		c.queue.give()
		return Answer{}, err
	}
	r.Password = c.o.Password()
	// Whoever asked may be gone in the middle; authd must not be left half asked.
	ctx = context.WithoutCancel(ctx)
	conn, answer, err := c.ask(ctx, r)
	if errors.Is(err, ErrDown) {
		time.Sleep(c.o.RetryPause) // an authd that restarts is away for about a second
		conn, answer, err = c.ask(ctx, r)
	}
	if conn == nil {
		c.queue.give()
		return answer, err
	}
	c.settled.Go(func() {
		defer c.queue.give()
		awaitClose(conn)
	})
	return answer, err
}

// Check asks for an agent with an impossible name. authd looks at the password
// first, so its complaint about the name proves that it runs and knows us;
// nothing is created.
func (c *Client) Check(ctx context.Context, wait Wait) error {
	const impossible = "x"
	answer, err := c.Enroll(ctx, wait, func() (wazuh.EnrollRequest, error) {
		return wazuh.EnrollRequest{Name: impossible}, nil
	})
	switch {
	case err != nil:
		return err
	case answer.Refused == nil || !answer.Refused.BadName():
		return fmt.Errorf("the manager's authd does not accept the internal secret: %w", unexpected(answer))
	}
	return nil
}

func unexpected(a Answer) error {
	if a.Refused == nil {
		return errors.New("it made an agent of an impossible name")
	}
	return a.Refused
}

// Close waits for authd to finish with what it was asked.
func (c *Client) Close() { c.settled.Wait() }

// ask returns the connection as long as authd may be at work on it.
func (c *Client) ask(ctx context.Context, r wazuh.EnrollRequest) (net.Conn, Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Exchange)
	defer cancel()
	raw, err := c.o.Dial(ctx, "tcp", c.o.Address)
	if err != nil {
		return nil, Answer{}, fmt.Errorf("%w: %w", ErrDown, err)
	}
	deadline, _ := ctx.Deadline()
	_ = raw.SetDeadline(deadline)
	conn := tls.Client(raw, c.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, Answer{}, fmt.Errorf("%w: %w", ErrDown, err)
	}
	if _, err := conn.Write(wazuh.AppendEnrollRequest(nil, r)); err != nil {
		return conn, Answer{}, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	answer, err := readAnswer(conn)
	if err != nil {
		return conn, Answer{}, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return conn, answer, nil
}

// readAnswer reads until the answer is whole. Agents want it in one record; what
// comes to us in several, as refusals of older managers do, leaves us in one.
func readAnswer(conn net.Conn) (Answer, error) {
	buf := make([]byte, 0, maxAnswer)
	for {
		n, err := conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		answer, whole := understand(buf)
		closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case whole, closed && answer.Refused != nil: // nothing more can come
			return answer, nil
		case closed:
			return Answer{}, fmt.Errorf("it closed after %d bytes that are no answer", len(buf))
		case err != nil:
			return Answer{}, err
		case len(buf) == cap(buf):
			return Answer{}, fmt.Errorf("more than %d bytes that are no answer", maxAnswer)
		}
	}
}

func understand(text []byte) (Answer, bool) {
	key, err := wazuh.ParseEnrollResponse(text)
	if err == nil {
		return Answer{ID: key.ID, Name: key.Name, bytes: text}, true
	}
	var refused *wazuh.Refused
	if !errors.As(err, &refused) {
		return Answer{}, false
	}
	// Whichever form the manager has, agents get today's, in one record.
	return Answer{Refused: refused, bytes: refused.Append(nil)}, wazuh.WholeRefusal(text)
}

// awaitClose returns when authd has closed, and with that is done.
func awaitClose(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(settle))
	_, _ = io.Copy(io.Discard, conn)
}
