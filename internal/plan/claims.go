package plan

import (
	"fmt"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// wantedClaims lists what must belong to the tenant alone.
func wantedClaims(place Placement) []Claim {
	claims := []Claim{{Name: naming.HostClaim(place.Hostname), Kind: v1alpha1.ClaimHostname}}
	if place.EdgePorts != nil {
		for _, port := range []int32{place.EdgePorts.Events, place.EdgePorts.Enrollment} {
			claims = append(claims, Claim{Name: naming.PortClaim(place.Region, port), Kind: v1alpha1.ClaimEdgePort})
		}
	}
	return claims
}

// checkHolders refuses what is seen to belong to another tenant. The API server
// has the last word: two tenants that both see a name free race for the claim
// object, and the loser comes back here with the winner as holder.
func checkHolders(in Input, place Placement, claims []Claim) error {
	for _, claim := range claims {
		holder, held := in.Observed.Claims[claim.Name]
		if !held || holder == place.Slug {
			continue
		}
		if claim.Kind == v1alpha1.ClaimHostname {
			return &Problem{
				Reason: v1alpha1.ReasonHostnameTaken, Field: "spec.wazuhIngress.hostname", Value: place.Hostname,
				Remedy: fmt.Sprintf("the name belongs to tenant %q; set another hostname, or remove it there first", holder),
			}
		}
		pair := place.EdgePorts
		return &Problem{
			Reason: v1alpha1.ReasonPortTaken, Field: "spec.wazuhIngress.edgePorts", Value: fmt.Sprintf("%d/%d", pair.Events, pair.Enrollment),
			Remedy: fmt.Sprintf("%s belongs to tenant %q; pin a free pair, or leave edgePorts out and one is chosen", claim.Name, holder),
		}
	}
	return nil
}

// assignPorts keeps a pair that is pinned or held and otherwise takes the lowest
// free one. A pair starts at an even distance from the range's first port, so
// that pairs never overlap by one.
func assignPorts(in Input, place Placement) (*v1alpha1.EdgePorts, error) {
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		return nil, nil
	}
	ports := place.RegionSpec.Edge.Ports
	if pinned := in.Tenant.Spec.WazuhIngress.EdgePorts; pinned != nil {
		for _, port := range []int32{pinned.Events, pinned.Enrollment} {
			if port < ports.First || port > ports.Last {
				return nil, &Problem{
					Reason: v1alpha1.ReasonPortOutOfRange, Field: "spec.wazuhIngress.edgePorts", Value: fmt.Sprintf("%d/%d", pinned.Events, pinned.Enrollment),
					Remedy: fmt.Sprintf("port %d is outside the range %d-%d of Region %q; choose ports inside, or leave edgePorts out and a pair is chosen", port, ports.First, ports.Last, place.Region),
				}
			}
		}
		return pinned, nil
	}
	if held := in.Tenant.Status.EdgePorts; held != nil && in.Tenant.Status.Region == place.Region {
		return held, nil
	}
	// A status can be lost (a restore from backup); the claims still say which
	// pair is the tenant's own, so they are asked before a new one is given.
	if own := pairWhere(ports, func(port int32) bool { return holder(in, place, port) == place.Slug }); own != nil {
		return own, nil
	}
	if free := pairWhere(ports, func(port int32) bool { return holder(in, place, port) == "" }); free != nil {
		return free, nil
	}
	taken := (ports.Last - ports.First + 1) / 2
	return nil, &Problem{
		Reason: v1alpha1.ReasonPortsExhausted, Field: "spec.wazuhIngress.mode", Value: string(place.Mode),
		Remedy: fmt.Sprintf("all %d pairs of %d-%d in Region %q are taken; widen spec.edge.ports there, or offboard a tenant", taken, ports.First, ports.Last, place.Region),
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

func holder(in Input, place Placement, port int32) string {
	return in.Observed.Claims[naming.PortClaim(place.Region, port)]
}
