package standin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// loopbackRange is 127.n.0.0/16 for one n: behind pod 10.244.a.b is 127.n.a.b.
// Several stand-ins may run on one machine, so each takes an n of its own, which
// a listening socket marks as taken: the kernel drops it with the process.
type loopbackRange struct {
	n    byte
	mark net.Listener
}

// The n's tried, and the port of the mark.
const (
	firstRange = 244
	lastRange  = 130
	markPort   = 10250
)

func claimLoopback() (*loopbackRange, error) {
	var failed error
	for n := byte(firstRange); n >= lastRange; n-- {
		mark, err := net.Listen("tcp", fmt.Sprintf("127.%d.255.254:%d", n, markPort))
		if err == nil {
			return &loopbackRange{n: n, mark: mark}, nil
		}
		failed = err
	}
	return nil, errors.Join(errors.New("no part of 127.0.0.0/8 is free for pods"), failed)
}

func (r *loopbackRange) of(pod netip.Addr) netip.Addr {
	address := pod.As4()
	return netip.AddrFrom4([4]byte{127, r.n, address[2], address[3]})
}

func (r *loopbackRange) release() { _ = r.mark.Close() }
