package controller

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

const dnsTimeout = 3 * time.Second

// observeDNS asks for the tenant's name as an agent would.
func (r *Reconciler) observeDNS(ctx context.Context, place plan.Placement, service plan.ServiceState) plan.DNSState {
	addresses := service.Addresses
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		addresses = place.RegionSpec.Edge.Addresses
	}
	if len(addresses) == 0 || place.RegionSpec.DNS.Mode == v1alpha1.DNSNone {
		return plan.DNSState{}
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	ask := resolver(place.RegionSpec.DNS.Server)
	state := plan.DNSState{Asked: true}
	for _, address := range addresses {
		if _, err := netip.ParseAddr(address); err == nil {
			state.Expected = append(state.Expected, address)
			continue
		}
		// Some clouds assign a name; the tenant's name must lead to the same addresses.
		resolved, err := lookup(ctx, net.DefaultResolver, address)
		if err != nil {
			state.Error = words(err)
		}
		state.Expected = append(state.Expected, resolved...)
	}
	resolved, err := lookup(ctx, ask, place.Hostname)
	if err != nil {
		state.Error = words(err)
	}
	state.Addresses = resolved
	return state
}

// lookup treats a name that does not exist as an answer, not as a failure.
func lookup(ctx context.Context, ask *net.Resolver, name string) ([]string, error) {
	found, err := ask.LookupNetIP(ctx, "ip", name+".")
	var dnsError *net.DNSError
	if errors.As(err, &dnsError) && dnsError.IsNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, address := range found {
		out = append(out, address.Unmap().String())
	}
	return out, nil
}

func resolver(server string) *net.Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, server)
	}}
}
