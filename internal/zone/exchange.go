package zone

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// patience is how long one question may take, and attempts how often it is asked
// when the answer gets lost.
const (
	patience = 2 * time.Second
	attempts = 2
)

// size of answers we take over UDP; larger ones come over TCP.
const size = 1232

func question(name string, kind uint16, recurse bool) *dns.Msg {
	message := new(dns.Msg)
	message.SetQuestion(dns.Fqdn(name), kind)
	message.RecursionDesired = recurse
	message.SetEdns0(size, false)
	return message
}

// exchange asks over UDP, and again over TCP when the answer is cut off.
func exchange(ctx context.Context, server string, message *dns.Msg) (*dns.Msg, error) {
	var answer *dns.Msg
	var err error
	for range attempts {
		client := &dns.Client{Net: "udp", Timeout: patience, UDPSize: size}
		answer, _, err = client.ExchangeContext(ctx, message, server)
		if err == nil && answer.Truncated {
			client.Net = "tcp"
			answer, _, err = client.ExchangeContext(ctx, message, server)
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.New(words(err))
	}
	return answer, nil
}

// words leave out what differs at each attempt, such as our own port: the message
// of a condition must stay the same while the trouble stays the same.
func words(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// Resolve asks a resolver for a name's addresses, sorted; an empty server means
// the resolver this host uses.
func Resolve(ctx context.Context, server, name string) ([]string, error) {
	resolver := net.DefaultResolver
	if server != "" {
		resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, server)
		}}
	}
	found, err := resolver.LookupNetIP(ctx, "ip", dns.Fqdn(name))
	var unknown *net.DNSError
	if errors.As(err, &unknown) {
		switch {
		case unknown.IsNotFound:
			return nil, nil
		case unknown.IsTimeout:
			return nil, errors.New("the name server did not answer in time")
		}
		return nil, errors.New("the name server answered with an error, or not at all")
	}
	if err != nil {
		return nil, errors.New(words(err))
	}
	var out []string
	for _, address := range found {
		out = append(out, address.Unmap().String())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
