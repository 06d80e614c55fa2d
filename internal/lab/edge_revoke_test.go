package lab_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A revoked agent that is connected and says nothing: the manager would keep its
// session until its next message, for ever. The edge ends it, and its neighbour's
// goes on.
func TestASilentRevokedAgentIsCutAtTheEdge(t *testing.T) {
	t.Parallel()
	l := installation(t)
	atEdgeOf(t, l, "haven", l.EdgeSpec())
	create(t, l, "quay", v1alpha1.TenantSpec{Region: "haven"})
	leaves(t, l, "quay")
	becomesReady(t, l, "quay")
	secret := enrollmentSecret(t, l, "quay")
	silentKey, err := enrollAtEdge(t, l, "quay", "silent", secret)
	if err != nil {
		t.Fatal(err)
	}
	neighbourKey, err := enrollAtEdge(t, l, "quay", "neighbour", secret)
	if err != nil {
		t.Fatal(err)
	}
	silent, neighbour := connectAtEdge(t, l, "quay", silentKey), connectAtEdge(t, l, "quay", neighbourKey)
	if err := silent.KeepAlive(t.Context()); err != nil {
		t.Fatal(err)
	}
	succeed(t, l, "agents", "revoke", "quay", "silent", "--why", "test", "--yes", "--wait", "--timeout", "2m")
	select {
	case <-silent.Done():
	case <-time.After(patience):
		t.Error("the session goes on")
	}
	if err := neighbour.KeepAlive(t.Context()); err != nil {
		t.Errorf("the neighbour noticed: %v", err)
	}
	r := revocation(t, l, "quay", naming.Revocation("silent", silentKey.ID))
	if !slices.ContainsFunc(r.Status.Evidence, func(line string) bool {
		return strings.HasPrefix(line, "Cut: edge-1 ended every session of the agent")
	}) {
		t.Errorf("evidence %q", r.Status.Evidence)
	}
	_, err = enrollAtEdge(t, l, "quay", "silent", secret)
	isRefused(t, "the host through the edge", err)
}
