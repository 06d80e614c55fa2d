package haproxy

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever changes into whatever: what is left of it opens nothing that was closed
// before, and nothing that is to be closed afterwards.
func TestClosingOpensNothing(t *testing.T) {
	networks := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "192.0.2.0/24", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::5/128"}
	sources := []string{"10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "192.0.2.7", "203.0.113.1", "2001:db8:1::5", "2001:db8:1::6", "2001:db8:2::1", "2001:db9::1"}
	route := rapid.Custom(func(r *rapid.T) Route {
		made := Route{Tenant: "acme", Slot: rapid.Int32Range(0, 1).Draw(r, "slot"), Suspended: rapid.Bool().Draw(r, "suspended")}
		for _, name := range []string{PortEvents, PortEnrollment, PortHTTPS} {
			if name == PortHTTPS && rapid.Bool().Draw(r, "without https") {
				continue
			}
			limit := rapid.Int32Range(0, 3)
			made.Ports = append(made.Ports, Port{
				Name: name, Public: map[string]int32{PortEvents: 15140, PortEnrollment: 15142, PortHTTPS: 15144}[name] + rapid.Int32Range(0, 1).Draw(r, "port"),
				Target: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, rapid.Byte().Draw(r, "target")}), 1514),
				Limits: Limits{Sessions: limit.Draw(r, "sessions"), Rate: limit.Draw(r, "rate"), PerSource: limit.Draw(r, "per source")},
			})
		}
		for _, text := range rapid.SliceOfNDistinct(rapid.SampledFrom(networks), 0, 4, rapid.ID).Draw(r, "allowed") {
			made.Allowed = append(made.Allowed, netip.MustParsePrefix(text))
		}
		return made.WithDefaults()
	})
	rapid.Check(t, func(r *rapid.T) {
		before, after := route.Draw(r, "before"), route.Draw(r, "after")
		s := Settled{Before: map[string]Route{"acme": before}, After: map[string]Route{"acme": after, "new": after}}
		closing := s.Closing()
		if _, opened := closing.After["new"]; opened {
			r.Fatal("somebody new is let in")
		}
		left, changes := closing.After["acme"]
		if _, taken := closing.Before["acme"]; !taken {
			left, changes = before, true
		}
		for _, text := range sources {
			for public := int32(15140); public < 15146; public++ {
				source := netip.MustParseAddr(text)
				now := changes && lets(left, public, source)
				want := before.Slot == after.Slot && lets(before, public, source) && lets(after, public, source)
				if now != want {
					r.Fatalf("%s at %d: let in %v, want %v; before %+v, after %+v, left %+v", text, public, now, want, before, after, left)
				}
			}
		}
		for _, port := range left.Ports {
			for _, other := range [][]Port{before.Ports, after.Ports} {
				i := slices.IndexFunc(other, func(p Port) bool { return p.Public == port.Public })
				if i >= 0 && changes && before.Slot == after.Slot && looser(port.Limits, other[i].Limits) {
					r.Fatalf("limits %+v are looser than %+v", port.Limits, other[i].Limits)
				}
			}
		}
	})
}

// lets says whether connections from there are let in.
func lets(route Route, public int32, source netip.Addr) bool {
	held := slices.ContainsFunc(route.Ports, func(p Port) bool { return p.Public == public })
	allowed := len(route.Allowed) == 0 || slices.ContainsFunc(route.Allowed, func(n netip.Prefix) bool { return n.Contains(source) })
	return held && allowed && !route.Suspended
}

func looser(a, b Limits) bool {
	loose := func(a, b int32) bool { return b != 0 && (a == 0 || a > b) }
	return loose(a.Sessions, b.Sessions) || loose(a.Rate, b.Rate) || loose(a.PerSource, b.PerSource)
}
