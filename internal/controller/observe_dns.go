package controller

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/record"
	"github.com/soctalk/soctalk-ingress/internal/zone"
)

const dnsTimeout = 8 * time.Second

// observeDNS asks the zone's own servers for the tenant's name, and looks at what
// its writer has to go by.
func (r *Reconciler) observeDNS(ctx context.Context, tenant v1alpha1.Tenant, place plan.Placement, seen plan.Observed) (plan.DNSState, error) {
	state := plan.DNSState{}
	dns := place.RegionSpec.DNS
	for _, way := range plan.Left(tenant, place, seen.Claims) {
		left := plan.LeftState{Way: way}
		var err error
		if left.Current, _, err = r.readRecords(ctx, way, nil); err != nil {
			left.Error = err.Error()
		} else if plan.Unlisted(way, left.Current, dns, place.Hostname) {
			left.Error = r.stillMarked(ctx, dns.Server, way)
		}
		state.Left = append(state.Left, left)
	}
	writer := plan.WriterOf(dns)
	if writer == plan.WriterNobody {
		return state, nil
	}
	var err error
	if state.Endpoint, err = r.observeEndpoint(ctx, place.Slug); err != nil {
		return state, err
	}
	addresses := seen.Service.Addresses
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		addresses = place.RegionSpec.Edge.Addresses
	}
	if writer == plan.WriterDirect {
		state.Current, state.Adjusted, err = r.readRecords(ctx, plan.WayOf(dns, place.Hostname), plan.Records(place, addresses))
		if dns.Webhook == nil {
			state.Adjusted = nil // they are as they were wanted
		}
		noteWriteError(&state, err)
	}
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	if len(addresses) == 0 {
		return state, nil
	}
	r.expect(ctx, &state, dns, addresses)
	if state.Error == "" {
		r.askZone(ctx, &state, dns, place.Hostname)
	}
	return state, nil
}

// expect says what the name should lead to. Some clouds assign a name; the tenant's
// must be an alias of it, or lead to the same addresses.
func (r *Reconciler) expect(ctx context.Context, state *plan.DNSState, dns v1alpha1.DNSSpec, addresses []string) {
	for _, address := range addresses {
		if parsed, err := netip.ParseAddr(address); err == nil {
			state.Expected = append(state.Expected, parsed.Unmap().String())
			continue
		}
		state.Alias = strings.ToLower(strings.TrimSuffix(address, "."))
		resolved, err := zone.Resolve(ctx, dns.Server, address)
		if err != nil {
			state.Error = "the load balancer's name " + address + ": " + err.Error()
		}
		state.Expected = append(state.Expected, resolved...)
	}
}

// askZone asks every server of the zone, and where the answer is wrong, why.
func (r *Reconciler) askZone(ctx context.Context, state *plan.DNSState, dns v1alpha1.DNSSpec, hostname string) {
	found, err := r.asker.Find(ctx, dns.Server, hostname)
	if err != nil {
		state.Error = err.Error()
		return
	}
	state.Zone = found.Apex
	for _, answer := range r.asker.Ask(ctx, found, hostname) {
		state.Answers = append(state.Answers, plan.DNSAnswer{
			Server: answer.Server.String(), Addresses: answer.Addresses, Alias: answer.Target, Error: answer.Error,
		})
		expected := slices.Clone(state.Expected)
		slices.Sort(expected)
		if state.Owner == nil && answer.Error == "" && dns.Webhook != nil && state.WriteError == "" && len(state.Current) == 0 {
			// The provider says that there is nothing.
			state.Owner = r.asker.Owner(ctx, answer.Server, record.Naming{Prefix: dns.TXTPrefix}, hostname)
		}
		if answer.Error != "" || state.Alias != "" && answer.Target == state.Alias || slices.Equal(answer.Addresses, slices.Compact(expected)) {
			continue
		}
		if state.Wildcard == "" {
			state.Wildcard = r.asker.Wildcard(ctx, found, answer, hostname)
		}
		if state.Owner == nil {
			state.Owner = r.asker.Owner(ctx, answer.Server, record.Naming{Prefix: dns.TXTPrefix}, hostname)
		}
	}
}

// stillMarked says that a server of the zone still has our mark beside a name, of which
// a provider lists nothing; empty when none has.
func (r *Reconciler) stillMarked(ctx context.Context, first string, way v1alpha1.DNSWritten) string {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	found, err := r.asker.Find(ctx, first, way.Hostname)
	if err != nil {
		return "" // a zone that is nowhere holds nothing
	}
	for _, server := range found.Servers {
		owner := r.asker.Owner(ctx, server, record.Naming{Prefix: way.TXTPrefix}, way.Hostname)
		if owner != nil && owner.ID == way.OwnerID {
			return plan.StillMarked(server.String())
		}
	}
	return ""
}
