package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// Several labs may run on one machine, so each takes a part of 127.0.0.0/8 for
// its cluster IPs, which a listening socket marks as taken: the kernel drops the
// mark with the process.
const (
	firstServiceRange = 100
	lastServiceRange  = 129
	serviceMarkPort   = 10259
	firstEdgePort     = 15140
)

func claimServiceRange() (netip.Prefix, io.Closer, error) {
	var failed error
	for n := firstServiceRange; n <= lastServiceRange; n++ {
		mark, err := net.Listen("tcp", fmt.Sprintf("127.%d.255.254:%d", n, serviceMarkPort))
		if err == nil && !edgeInUse(edgeAddress(byte(n), 1)) {
			return netip.MustParsePrefix(fmt.Sprintf("127.%d.0.0/16", n)), mark, nil
		}
		if err == nil {
			_ = mark.Close()
			err = fmt.Errorf("127.%d.255.1: another edge listens there", n)
		}
		failed = err
	}
	return netip.Prefix{}, nil, errors.Join(errors.New("no part of 127.0.0.0/8 is free for cluster IPs"), failed)
}

// balancedRange is the part for load-balancer addresses that belongs to a lab's
// cluster IPs: MetalLB, unlike the stand-in, cannot see that another lab on this
// machine listens at an address.
func balancedRange(services netip.Prefix) netip.Prefix {
	parts := services.Addr().As4()
	parts[1] += lastServiceRange - firstServiceRange + 1
	return netip.PrefixFrom(netip.AddrFrom4(parts), services.Bits())
}

func edgeAddress(n, edge byte) netip.Addr { return netip.AddrFrom4([4]byte{127, n, 255, edge}) }

// edgeInUse is true where the HAProxy of a lab that was killed still listens: it
// is made to outlive the edge beside it.
func edgeInUse(address netip.Addr) bool {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(address, firstEdgePort).String())
	if err != nil {
		return true
	}
	_ = listener.Close()
	return false
}
