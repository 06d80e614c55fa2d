package edge

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
)

// Origin is an address of the edge's machine. Managers and gateways may see the edge
// come from any of them: from the node's own, from the one at a bridge where the pods of
// the same node hang, from the one of a tunnel to other nodes. Which one it is the kernel
// and kube-proxy decide for each connection, so all are told, and the Region's
// spec.edge.sourceCIDRs is to have all.
type Origin struct {
	Interface string     `json:"interface"`
	Address   netip.Addr `json:"address"`
}

// CIDR is the address as spec.edge.sourceCIDRs wants it.
func (o Origin) CIDR() string { return netip.PrefixFrom(o.Address, o.Address.BitLen()).String() }

// maxOrigins are told; a Region may name 32.
const maxOrigins = 64

// Origins are the addresses of this machine that lead out of it.
func Origins() ([]Origin, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the machine's interfaces: %w", err)
	}
	origins := []Origin{}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the addresses of interface %q: %w", i.Name, err)
		}
		origins = append(origins, originsAt(i.Name, i.Flags, addresses)...)
	}
	return origins[:min(len(origins), maxOrigins)], nil
}

// originsAt leaves out interfaces that are down: kube-proxy in mode ipvs keeps the
// addresses of all Services at one that never is up.
func originsAt(name string, flags net.Flags, addresses []net.Addr) []Origin {
	if flags&net.FlagUp == 0 || flags&net.FlagLoopback != 0 {
		return nil
	}
	var origins []Origin
	for _, text := range addresses {
		network, err := netip.ParsePrefix(text.String())
		if address := network.Addr().Unmap().WithZone(""); err == nil && address.IsGlobalUnicast() {
			origins = append(origins, Origin{Interface: name, Address: address})
		}
	}
	return origins
}

// ReadOrigins reads what an edge wrote to its Lease. Whoever may write the Lease wrote it:
// what is no address is refused, and a network cannot be said.
func ReadOrigins(text string) ([]Origin, error) {
	if text == "" {
		return nil, nil
	}
	var origins []Origin
	if err := json.Unmarshal([]byte(text), &origins); err != nil {
		return nil, fmt.Errorf("the addresses an edge has: %w", err)
	}
	if len(origins) > maxOrigins {
		return nil, fmt.Errorf("an edge has %d addresses; %d at most are read", len(origins), maxOrigins)
	}
	for _, origin := range origins {
		if !plainName.MatchString(origin.Interface) {
			return nil, fmt.Errorf("the addresses an edge has: %q is the name of no interface", origin.Interface)
		}
	}
	return slices.DeleteFunc(origins, func(o Origin) bool { return !o.Address.IsGlobalUnicast() }), nil
}

// plainName is what a terminal may be shown: Linux takes nearly everything.
var plainName = regexp.MustCompile(`^[!-~]{1,15}$`)
