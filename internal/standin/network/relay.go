package network

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// lastWords is how long one direction may go on after the other has ended.
const lastWords = 10 * time.Second

// Relay carries bytes both ways until both legs are closed. The end of one
// direction is passed on as such; an error, or ten seconds of a half-open
// connection, ends both legs at once.
func Relay(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
	_ = a.Close()
	_ = b.Close()
}

// RelayUntil relays, and resets both legs once the context ends.
func RelayUntil(ctx context.Context, a, b net.Conn) {
	defer context.AfterFunc(ctx, func() {
		Reset(a)
		Reset(b)
	})()
	Relay(a, b)
}

func carry(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		Reset(to)
		Reset(from)
		return
	}
	_ = to.SetReadDeadline(time.Now().Add(lastWords))
}

// Reset closes a TCP connection with RST, as a network does that has nowhere to
// deliver it to.
func Reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
