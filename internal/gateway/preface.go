package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

const (
	tlsHandshake = 0x16 // the first byte of every ClientHello
	proxyV1      = 'P'  // "PROXY "
	proxyV2      = '\r' // "\r\n\r\n\x00\r\nQUIT\n"
)

// introduce finds out whose connection it is: the peer's, or whose the peer, if
// it is trusted, says.
func (v *visit) introduce() *ending {
	peer := addressOf(v.tcp.RemoteAddr())
	v.source = peer
	proxy := v.policy.Proxy
	if !proxy.Trusts(peer) {
		if proxy.Mode == policy.ProxyRequired {
			return mistake(policy.ReasonProxyMissing)
		}
		return nil
	}
	v.setDeadline(v.limits.Hello)
	first, err := v.in.Peek(1)
	if err != nil {
		return broken(err, policy.ReasonGone)
	}
	if first[0] != proxyV1 && first[0] != proxyV2 {
		if proxy.Mode == policy.ProxyRequired {
			return mistake(policy.ReasonProxyMissing)
		}
		return nil
	}
	header, err := proxyproto.Read(v.in)
	if err != nil {
		return broken(err, policy.ReasonProxyMalformed)
	}
	if header.Command.IsLocal() { // the proxy's own health check
		return nil
	}
	source, _, ok := header.TCPAddrs()
	if !ok {
		return mistake(policy.ReasonProxyMalformed)
	}
	address, ok := netip.AddrFromSlice(source.IP)
	if !ok {
		return mistake(policy.ReasonProxyMalformed)
	}
	v.source, v.record.Via = address.Unmap(), peer.String()
	return nil
}

// beginsTLS looks at the first byte, so that a stray PROXY header or a plain
// text client has a reason of its own in the audit.
func (v *visit) beginsTLS() *ending {
	v.setDeadline(v.limits.Hello)
	first, err := v.in.Peek(1)
	switch {
	case err != nil:
		return broken(err, policy.ReasonGone)
	case first[0] == tlsHandshake:
		return nil
	case first[0] == proxyV1, first[0] == proxyV2:
		return mistake(policy.ReasonProxyUntrusted)
	}
	return mistake(policy.ReasonNotTLS)
}

// broken tells a peer that was too slow from one that went away; otherwise is
// the reason if neither fits.
func broken(err error, otherwise policy.Reason) *ending {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return mistake(policy.ReasonTimeout)
	case errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled): // by us, when we are stopped
		return drop(policy.ReasonStopping)
	case otherwise == policy.ReasonGone:
		return drop(policy.ReasonGone)
	case errors.Is(err, io.EOF):
		return mistake(policy.ReasonGone)
	}
	return mistake(otherwise)
}

// ending is how a visit ended.
type ending struct {
	outcome string
	reason  policy.Reason
	detail  string
	// mistake is counted against the source.
	mistake bool
	// quiet keeps it out of the audit: a flood must not wash everything else out.
	quiet bool
	// answer is sent to the agent; nil closes without one.
	answer []byte
	id     string
}

func drop(reason policy.Reason) *ending { return &ending{outcome: audit.Dropped, reason: reason} }

func mistake(reason policy.Reason) *ending {
	return &ending{outcome: audit.Dropped, reason: reason, mistake: true}
}

// stream is the connection as TLS sees it: what was peeked at is still there.
type stream struct {
	*net.TCPConn
	in *bufio.Reader
	// onHello is called when the ClientHello is complete.
	onHello func()
}

func (s *stream) Read(b []byte) (int, error) { return s.in.Read(b) }

func addressOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// setDeadline gives the peer so long from now, but never beyond the total.
func (v *visit) setDeadline(d policy.Duration) {
	at := time.Now().Add(d.D())
	if at.After(v.end) {
		at = v.end
	}
	_ = v.tcp.SetDeadline(at)
}
