package haproxy

import (
	"cmp"
	"net/netip"
	"slices"
)

// Closing is the part of a change that only takes away. Who leaves is gone; who
// changes keeps what he had before as far as he is to have it afterwards; who comes
// is not there yet. What it leaves is never more than what was before, nor more than
// what is wanted, so it may be carried out when the rest of the change may not.
func (s Settled) Closing() Settled {
	closing := Settled{Before: map[string]Route{}, After: map[string]Route{}}
	for tenant, old := range s.Before {
		route, stays := s.After[tenant]
		if !stays || route.Slot != old.Slot { // another slot is another tenant to HAProxy
			closing.Before[tenant] = old
			continue
		}
		if narrow := old.narrowedTo(route); !narrow.Equal(old) {
			closing.Before[tenant], closing.After[tenant] = old, narrow
		}
	}
	return closing
}

// narrowedTo is what the route and a later one of the same slot have in common. A
// port that is to lead elsewhere leads where it did.
func (r Route) narrowedTo(later Route) Route {
	narrow := r
	narrow.Suspended = r.Suspended || later.Suspended
	narrow.Cut = later.Cut
	narrow.Ports = nil
	var anybody bool
	narrow.Allowed, anybody = commonNetworks(r.Allowed, later.Allowed)
	for _, port := range r.Ports {
		i := slices.IndexFunc(later.Ports, func(p Port) bool { return p.Name == port.Name && p.Public == port.Public })
		if i < 0 || !anybody {
			continue
		}
		port.Limits = port.Limits.lower(later.Ports[i].Limits)
		narrow.Ports = append(narrow.Ports, port)
	}
	return narrow
}

// lower takes the stricter of each; 0 means any.
func (l Limits) lower(other Limits) Limits {
	stricter := func(a, b int32) int32 { return cmp.Or(min(a, b), max(a, b)) }
	return Limits{
		Sessions: stricter(l.Sessions, other.Sessions), Rate: stricter(l.Rate, other.Rate), PerSource: stricter(l.PerSource, other.PerSource),
	}
}

// commonNetworks is who may come by both lists, of which an empty one lets in
// everybody. It is false when that is nobody.
func commonNetworks(a, b []netip.Prefix) (common []netip.Prefix, anybody bool) {
	if len(a) == 0 || len(b) == 0 {
		return append(slices.Clone(a), b...), true
	}
	within := func(inner netip.Prefix, outer []netip.Prefix) bool {
		return slices.ContainsFunc(outer, func(o netip.Prefix) bool { return o.Bits() <= inner.Bits() && o.Contains(inner.Addr()) })
	}
	for _, network := range a {
		if within(network, b) {
			common = append(common, network)
		}
	}
	for _, network := range b {
		if within(network, a) && !slices.Contains(common, network) {
			common = append(common, network)
		}
	}
	slices.SortFunc(common, comparePrefix)
	return common, len(common) > 0
}
