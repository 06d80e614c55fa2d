package plan

import (
	"fmt"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// maxSlots is how many tenants one Region's edges can number.
const maxSlots = 65536

// assignPorts keeps ports that are pinned or held and otherwise takes free ones:
// the lowest pair, and where agents of Wazuh 5 are let in the highest single port. A pair starts at an
// even distance from the range's first port, so that pairs never overlap by one;
// singles come from the other end, so that they never split a pair before the
// range is full.
func assignPorts(in Input, place Placement) (*v1alpha1.EdgePorts, error) {
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		return nil, nil
	}
	own, err := assignPair(in, place)
	if err != nil || own.HTTPS != 0 || place.Agents < 5 {
		return own, err
	}
	chosen := *own
	if chosen.HTTPS = assignHTTPS(in, place, chosen); chosen.HTTPS == 0 {
		return nil, exhausted(in, place, "agents of Wazuh 5 need a third port, and ")
	}
	return &chosen, nil
}

// assignPair may find the third port beside the pair, and does not look for it.
func assignPair(in Input, place Placement) (*v1alpha1.EdgePorts, error) {
	ports := place.RegionSpec.Edge.Ports
	if pinned := in.Tenant.Spec.WazuhIngress.EdgePorts; pinned != nil {
		return pinned, checkPinned(*pinned, ports, place)
	}
	if held := in.Tenant.Status.EdgePorts; held != nil && in.Tenant.Status.Region == place.Region {
		return held, nil
	}
	// A status can be lost (a restore from backup); the route at the edges and the
	// claims still say which pair is the tenant's own, so they are asked before a
	// new one is given.
	if own := routedPair(in.Observed.Route, place); own != nil {
		return own, nil
	}
	held := func(port int32) string { return holder(in, naming.PortClaim(place.Region, port)).Tenant }
	if own := pairWhere(ports, func(port int32) bool { return held(port) == place.Slug }); own != nil {
		return own, nil
	}
	if free := pairWhere(ports, func(port int32) bool { return held(port) == "" }); free != nil {
		return free, nil
	}
	return nil, exhausted(in, place, "")
}

// assignHTTPS finds the third port of a tenant: the one it has, unless a pinned
// pair now needs it, or the highest free one; 0 when there is none.
func assignHTTPS(in Input, place Placement, pair v1alpha1.EdgePorts) int32 {
	usable := func(port int32) bool { return port != 0 && port != pair.Events && port != pair.Enrollment }
	if held := in.Tenant.Status.EdgePorts; held != nil && usable(held.HTTPS) && in.Tenant.Status.Region == place.Region {
		return held.HTTPS
	}
	if routed := routedPair(in.Observed.Route, place); routed != nil && usable(routed.HTTPS) {
		return routed.HTTPS
	}
	ports := place.RegionSpec.Edge.Ports
	for _, wanted := range []string{place.Slug, ""} {
		for port := ports.Last; port >= ports.First; port-- {
			if usable(port) && holder(in, naming.PortClaim(place.Region, port)).Tenant == wanted {
				return port
			}
		}
	}
	return 0
}

func checkPinned(pinned v1alpha1.EdgePorts, ports v1alpha1.PortRange, place Placement) error {
	for _, port := range pinned.All() {
		if port < ports.First || port > ports.Last {
			return &Problem{
				Reason: v1alpha1.ReasonPortOutOfRange, Field: "spec.wazuhIngress.edgePorts", Value: pinned.String(),
				Remedy: fmt.Sprintf("port %d is outside the range %d-%d of Region %q; choose ports inside, or leave edgePorts out and a pair is chosen", port, ports.First, ports.Last, place.Region),
			}
		}
	}
	return nil
}

// exhausted says how many pairs are in use and how many only rest.
func exhausted(in Input, place Placement, why string) *Problem {
	ports := place.RegionSpec.Edge.Ports
	pairs, resting := (ports.Last-ports.First+1)/2, 0
	for port := ports.First; port < ports.Last; port += 2 {
		if in.Observed.Claims[naming.PortClaim(place.Region, port)].Resting(in.Now) {
			resting++
		}
	}
	return &Problem{
		Reason: v1alpha1.ReasonPortsExhausted, Field: "spec.wazuhIngress.mode", Value: string(place.Mode),
		Remedy: why + fmt.Sprintf("all %d pairs of %d-%d in Region %q are taken, %d of them resting after an offboarding; widen spec.edge.ports there, or offboard a tenant", pairs, ports.First, ports.Last, place.Region, resting),
	}
}

// pairWhere finds the lowest pair of which both ports satisfy a test.
func pairWhere(ports v1alpha1.PortRange, test func(port int32) bool) *v1alpha1.EdgePorts {
	for port := ports.First; port < ports.Last; port += 2 {
		if test(port) && test(port+1) {
			return &v1alpha1.EdgePorts{Events: port, Enrollment: port + 1}
		}
	}
	return nil
}

func routedPair(route *v1alpha1.Route, place Placement) *v1alpha1.EdgePorts {
	if route == nil || route.Spec.Region != place.Region {
		return nil
	}
	var pair v1alpha1.EdgePorts
	for _, port := range route.Spec.Ports {
		switch port.Name {
		case naming.PortEvents:
			pair.Events = port.Port
		case naming.PortEnrollment:
			pair.Enrollment = port.Port
		case naming.PortHTTPS:
			pair.HTTPS = port.Port
		}
	}
	if pair.Events == 0 || pair.Enrollment == 0 {
		return nil
	}
	return &pair
}

// assignSlot numbers the tenant at its Region's edges: the number its route has,
// the one it claims, or the lowest free one.
func assignSlot(in Input, place Placement) (*int32, error) {
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		return nil, nil
	}
	if route := in.Observed.Route; route != nil && route.Spec.Region == place.Region {
		return &route.Spec.Slot, nil
	}
	if own, ok := ownSlot(in, place); ok {
		return &own, nil
	}
	for slot := range int32(maxSlots) {
		if holder(in, naming.SlotClaim(place.Region, slot)).Tenant == "" {
			return &slot, nil
		}
	}
	return nil, &Problem{
		Reason: v1alpha1.ReasonPortsExhausted, Field: "spec.region", Value: place.Region,
		Remedy: fmt.Sprintf("the Region's edges number %d tenants at most; put the tenant into another Region", maxSlots),
	}
}

func ownSlot(in Input, place Placement) (int32, bool) {
	own, found := int32(maxSlots), false
	for name, held := range in.Observed.Claims {
		slot, ok := naming.SlotOf(name, place.Region)
		if ok && held.Tenant == place.Slug && slot < own {
			// The lowest, so that a race that left two does not make the route jump.
			own, found = slot, true
		}
	}
	return own, found
}
