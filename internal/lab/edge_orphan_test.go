package lab_test

import (
	"net/netip"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// A site is closed: its only edge is scrapped and its Region deleted, before the last
// tenant there has left. The edge is given up all the same, and nobody waits for it.
func TestAnEdgeWithoutItsRegionIsGivenUp(t *testing.T) {
	t.Parallel()
	l := installation(t)
	ports := v1alpha1.PortRange{First: 15140, Last: 15149}
	address := l.EdgeAddress().String()
	edgeRegion(t, l, "closed", v1alpha1.EdgeSpec{Addresses: []string{address}, Ports: ports}, 0)
	edge := edgeMachine(t, l, "closed-1", "closed", netip.MustParseAddr(address), ports, "--lease-duration", "3s")
	const slug = "last-one"
	create(t, l, slug, v1alpha1.TenantSpec{Region: "closed"})
	becomesReady(t, l, slug)
	edge.die(t)
	var region v1alpha1.Region
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "closed"}, &region); err != nil {
		t.Fatal(err)
	}
	if err := l.Client.Delete(t.Context(), &region); err != nil {
		t.Fatal(err)
	}
	succeed(t, l, "tenant", "offboard", slug, "--why", "moved away", "--yes")
	reports(t, l, slug, v1alpha1.ConditionReady, v1alpha1.ReasonOffboarding, "edge closed-1 did not say that it has cut the sessions")
	succeed(t, l, "edge", "forget", "closed-1", "--why", "site closed", "--yes", "--wait", "--timeout", "40s")
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: slug})
}
