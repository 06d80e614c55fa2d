package plan

import (
	"fmt"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Holder is who holds a claim.
type Holder struct {
	// Tenant that holds it, or held it.
	Tenant string `json:"tenant"`
	// QuarantinedUntil is set once the tenant gave it up.
	QuarantinedUntil time.Time `json:"quarantinedUntil,omitzero"`
}

// HolderOf reads a claim object.
func HolderOf(claim v1alpha1.Claim) Holder {
	holder := Holder{Tenant: claim.Spec.Tenant}
	if claim.Spec.QuarantinedUntil != nil {
		holder.QuarantinedUntil = claim.Spec.QuarantinedUntil.Time
	}
	return holder
}

// Holders reads claim objects, by name.
func Holders(claims []v1alpha1.Claim) map[string]Holder {
	held := make(map[string]Holder, len(claims))
	for _, claim := range claims {
		held[claim.Name] = HolderOf(claim)
	}
	return held
}

// Resting is true while a claim its tenant gave up keeps others away.
func (h Holder) Resting(now time.Time) bool {
	return !h.QuarantinedUntil.IsZero() && now.Before(h.QuarantinedUntil)
}

// Expired is true for a claim whose tenant gave it up long enough ago.
func (h Holder) Expired(now time.Time) bool {
	return !h.QuarantinedUntil.IsZero() && !now.Before(h.QuarantinedUntil)
}

// wantedClaims lists what must belong to the tenant alone.
func wantedClaims(place Placement) []Claim {
	claims := []Claim{{Name: naming.HostClaim(place.Hostname), Kind: v1alpha1.ClaimHostname}}
	if place.EdgePorts != nil {
		for _, port := range place.EdgePorts.All() {
			claims = append(claims, Claim{Name: naming.PortClaim(place.Region, port), Kind: v1alpha1.ClaimEdgePort})
		}
	}
	if place.Slot != nil {
		claims = append(claims, Claim{Name: naming.SlotClaim(place.Region, *place.Slot), Kind: v1alpha1.ClaimEdgeSlot})
	}
	return claims
}

// Quarantine is how long a claim of this kind rests after its tenant gave it up.
// A slot or a seat is known to nobody outside, so it needs no rest.
func Quarantine(region v1alpha1.RegionSpec, kind v1alpha1.ClaimKind) time.Duration {
	if kind == v1alpha1.ClaimEdgeSlot || kind == v1alpha1.ClaimUpdateSeat || region.Quarantine == nil {
		return 0
	}
	return region.Quarantine.Duration
}

// checkHolders refuses what is seen to belong to another tenant. The API server
// has the last word: two tenants that both see a name free race for the claim
// object, and the loser comes back here with the winner as holder.
func checkHolders(in Input, place Placement, claims []Claim) error {
	for _, claim := range claims {
		holder := holder(in, claim.Name)
		if holder.Tenant == "" || holder.Tenant == place.Slug {
			continue
		}
		if claim.Kind == v1alpha1.ClaimHostname {
			return &Problem{
				Reason: v1alpha1.ReasonHostnameTaken, Field: "spec.wazuhIngress.hostname", Value: place.Hostname,
				Remedy: whose("the name", holder) + "; set another hostname, or remove it there first",
			}
		}
		return &Problem{
			Reason: v1alpha1.ReasonPortTaken, Field: "spec.wazuhIngress.edgePorts", Value: place.EdgePorts.String(),
			Remedy: whose(claim.Name, holder) + "; pin a free pair, or leave edgePorts out and one is chosen",
		}
	}
	return nil
}

func whose(thing string, holder Holder) string {
	if holder.QuarantinedUntil.IsZero() {
		return fmt.Sprintf("%s belongs to tenant %q", thing, holder.Tenant)
	}
	return fmt.Sprintf("%s belonged to tenant %q and rests until %s, because agents left behind still use it", thing, holder.Tenant, holder.QuarantinedUntil.UTC().Format(time.RFC3339))
}

// holder is who keeps a claim from others; its zero value means nobody.
func holder(in Input, claim string) Holder {
	held := in.Observed.Claims[claim]
	if held.Expired(in.Now) {
		return Holder{}
	}
	return held
}
