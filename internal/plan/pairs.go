package plan

import (
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// PairState is what a pair of a Region's range is to a tenant that looks for one.
type PairState string

// The states of a pair.
const (
	// PairFree may be given to anybody.
	PairFree PairState = "free"
	// PairHeld has a tenant, on one port at least.
	PairHeld PairState = "held"
	// PairResting had one; nobody else may have it for a while.
	PairResting PairState = "resting"
)

// CountPairs counts the pairs of a Region's range by state, as [Tenant] would give
// them out: a pair is free when both its ports are.
func CountPairs(region string, ports v1alpha1.PortRange, claims map[string]Holder, now time.Time) map[PairState]int {
	counts := map[PairState]int{PairFree: 0, PairHeld: 0, PairResting: 0}
	for first := ports.First; first < ports.Last; first += 2 {
		state := PairFree
		for _, port := range []int32{first, first + 1} {
			switch held := claims[naming.PortClaim(region, port)]; {
			case held.Tenant == "" || held.Expired(now):
			case held.Resting(now):
				if state == PairFree {
					state = PairResting
				}
			default:
				state = PairHeld
			}
		}
		counts[state]++
	}
	return counts
}
