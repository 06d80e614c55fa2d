package plan

import (
	"maps"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// What is counted as free is what the next tenants are given, and no more.
func TestPairsAreCountedAsTheyAreGivenOut(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	claims := map[string]Holder{}
	hold := func(port int32, tenant string, until time.Time) {
		claims[naming.PortClaim("eu", port)] = Holder{Tenant: tenant, QuarantinedUntil: until}
	}
	hold(15140, "acme", time.Time{})
	hold(15141, "acme", time.Time{})
	hold(15142, "gone", now.Add(time.Hour)) // rests
	hold(15143, "gone", now.Add(time.Hour))
	hold(15144, "long-gone", now.Add(-time.Second)) // has rested
	hold(15145, "long-gone", now.Add(-time.Second))
	hold(15149, "beta", time.Time{}) // a third port, which splits the last pair
	ports := v1alpha1.PortRange{First: 15140, Last: 15149}
	got := CountPairs("eu", ports, claims, now)
	if want := map[PairState]int{PairFree: 2, PairHeld: 2, PairResting: 1}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	held := func(port int32) string {
		return holder(Input{Observed: Observed{Claims: claims}, Now: now}, naming.PortClaim("eu", port)).Tenant
	}
	given := 0
	for pair := pairWhere(ports, func(port int32) bool { return held(port) == "" }); pair != nil; pair = pairWhere(ports, func(port int32) bool { return held(port) == "" }) {
		hold(pair.Events, "new", time.Time{})
		hold(pair.Enrollment, "new", time.Time{})
		given++
	}
	if given != got[PairFree] {
		t.Errorf("%d pairs could be given, %d were counted as free", given, got[PairFree])
	}
	// An odd range has a port that is no pair's.
	if got := CountPairs("us", v1alpha1.PortRange{First: 1, Last: 3}, nil, now); got[PairFree] != 1 {
		t.Errorf("three ports are counted as %v", got)
	}
}
