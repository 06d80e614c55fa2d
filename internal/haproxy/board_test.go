package haproxy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func pairAt(tenant string, slot, events int32) Route {
	target := netip.MustParseAddr("10.2.0.11")
	return Route{Tenant: tenant, Slot: slot, Ports: []Port{
		{Name: PortEvents, Public: events, Target: netip.AddrPortFrom(target, 1514)},
		{Name: PortEnrollment, Public: events + 1, Target: netip.AddrPortFrom(target, 1515)},
	}}
}

// Two tenants may change places in one move. One who wants what another keeps
// stays what he was, and so does nobody lose by it.
func TestPlacesChange(t *testing.T) {
	board := NewBoard(testConfig, nil)
	settle := func(routes ...Route) Settled {
		s := board.Settle(routes, nil, nil)
		board.Commit(s)
		return s
	}
	settle(pairAt("a", 0, 15140), pairAt("b", 1, 15142), pairAt("c", 2, 15144))
	if s := settle(pairAt("a", 1, 15142), pairAt("b", 0, 15140)); len(s.Refused) > 0 || len(s.After) != 2 {
		t.Fatalf("changing places: %+v", s)
	}
	// a wants c's place and b wants a's: c stays, so a stays, so b stays.
	settle(pairAt("a", 2, 15144), pairAt("b", 1, 15142))
	for tenant, slot := range map[string]int32{"a": 1, "b": 0, "c": 2} {
		if route, held := board.InForce(tenant); !held || route.Slot != slot {
			t.Errorf("tenant %q is at %d (%v), want %d", tenant, route.Slot, held, slot)
		}
	}
	if board.Refused("a") == nil || board.Refused("b") == nil || board.Refused("c") != nil {
		t.Error("a and b must be told that they stay where they are, and c nothing")
	}
	// c leaves, and both get what they waited for.
	if s := board.Settle(nil, nil, []string{"c"}); len(s.Refused) > 0 || s.After["a"].Slot != 2 || s.After["b"].Slot != 1 || s.Before["c"].Slot != 2 {
		t.Errorf("after c has left: %+v", s)
	}
}

func TestAnUnreadableRouteKeepsWhatItWas(t *testing.T) {
	board := NewBoard(testConfig, nil)
	board.Commit(board.Settle([]Route{pairAt("a", 0, 15140)}, nil, nil))
	board.Commit(board.Settle(nil, map[string]error{"a": errors.New("no route"), "b": errors.New("neither")}, nil))
	board.Commit(board.Settle([]Route{pairAt("c", 1, 15142)}, nil, nil))
	if _, held := board.InForce("a"); !held || board.Refused("a") == nil || board.Refused("b") == nil {
		t.Errorf("held %v, refused %v and %v", held, board.Refused("a"), board.Refused("b"))
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(board.Tenants(), want) {
		t.Errorf("tenants %v, want %v", board.Tenants(), want)
	}
	board.Commit(board.Settle([]Route{pairAt("a", 0, 15140)}, nil, []string{"b"}))
	if board.Refused("a") != nil || board.Refused("b") != nil {
		t.Errorf("refused %v and %v", board.Refused("a"), board.Refused("b"))
	}
}

// Over any history: what is in force can be served together, nobody who holds
// something loses it without having moved or left, and who is refused would be
// refused if everybody came anew.
func TestBoardOverRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		board := NewBoard(testConfig, nil)
		wanted := map[string]Route{}
		for range rapid.IntRange(1, 12).Draw(t, "moves") {
			var changed []Route
			var gone []string
			for range rapid.IntRange(1, 3).Draw(t, "changes") {
				tenant := fmt.Sprintf("t%d", rapid.IntRange(0, 5).Draw(t, "tenant"))
				if slices.Contains(gone, tenant) || slices.ContainsFunc(changed, func(r Route) bool { return r.Tenant == tenant }) {
					continue
				}
				if rapid.Bool().Draw(t, "leaves") {
					gone = append(gone, tenant)
					delete(wanted, tenant)
					continue
				}
				route := pairAt(tenant, rapid.Int32Range(0, 3).Draw(t, "slot"), rapid.Int32Range(15140, 15146).Draw(t, "events"))
				changed = append(changed, route)
				wanted[tenant] = route
			}
			before := board.Routes()
			s := board.Settle(changed, nil, gone)
			board.Commit(s)
			holds(t, board, wanted, before)
		}
	})
}

func holds(t *rapid.T, board *Board, wanted map[string]Route, before []Route) {
	slots, ports := map[int32]string{}, map[int32]string{}
	for _, route := range board.Routes() {
		if other := slots[route.Slot]; other != "" {
			t.Fatalf("slot %d is %s's and %s's", route.Slot, other, route.Tenant)
		}
		slots[route.Slot] = route.Tenant
		for _, port := range route.Ports {
			if other := ports[port.Public]; other != "" {
				t.Fatalf("port %d is %s's and %s's", port.Public, other, route.Tenant)
			}
			ports[port.Public] = route.Tenant
		}
		want, there := wanted[route.Tenant]
		if !there {
			t.Fatalf("%s has left and is served", route.Tenant)
		}
		if !want.WithDefaults().Equal(route) && board.Refused(route.Tenant) == nil {
			t.Fatalf("%s is served otherwise than wanted, and not told", route.Tenant)
		}
	}
	for _, old := range before {
		if _, stays := wanted[old.Tenant]; !stays {
			continue
		}
		if _, held := board.InForce(old.Tenant); !held {
			t.Fatalf("%s lost what it had", old.Tenant)
		}
	}
	for tenant, want := range wanted {
		if _, held := board.InForce(tenant); held {
			continue
		}
		clash := slots[want.Slot] != ""
		for _, port := range want.Ports {
			clash = clash || ports[port.Public] != ""
		}
		if !clash || board.Refused(tenant) == nil {
			t.Fatalf("%s is not served; it clashes: %v, it is told: %v", tenant, clash, board.Refused(tenant))
		}
	}
}
