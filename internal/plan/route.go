package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// RouteNow is the tenant's route once its Service, which was only just applied, has
// its address; nil while there is none, and in any other mode.
func RouteNow(in Input, place Placement, clusterIP string) *v1alpha1.RouteSpec {
	in.Observed.Service.ClusterIP = clusterIP
	return route(in, place)
}

// route is what the Region's edges carry for the tenant: both ports or none.
func route(in Input, place Placement) *v1alpha1.RouteSpec {
	target := in.Observed.Service.ClusterIP
	if place.Mode != v1alpha1.ModeEdgeHAProxy || place.Slot == nil || target == "" || target == "None" {
		return nil
	}
	spec := &v1alpha1.RouteSpec{
		Region:       place.Region,
		Slot:         *place.Slot,
		AllowedCIDRs: in.Tenant.Spec.WazuhIngress.AllowedCIDRs,
		Suspended:    in.Tenant.Spec.Suspended,
		Cut:          routeCuts(in.Observed.Enrollment.Revocations),
	}
	for _, port := range place.Ports() {
		spec.Ports = append(spec.Ports, v1alpha1.RoutePort{
			Name: port.Name, Port: port.Port,
			Target: v1alpha1.RouteTarget{IP: target, Port: naming.PortNumber(port.Name)},
			// A gateway is told where the agent really is; no Wazuh daemon could read it.
			ProxyProtocol: place.Gateway && port.Name == naming.PortEnrollment,
		})
	}
	return spec
}

// maxCuts is what a route may name; the API server would refuse more.
const maxCuts = 64

// routeCuts are the latest sessions to end: of agents whose former key the manager
// refuses by now, so that they cannot come back.
func routeCuts(revocations []v1alpha1.Revocation) []v1alpha1.RouteCut {
	latest := map[string]v1alpha1.RouteCut{}
	for _, r := range revocations {
		if r.Status.CutAt == nil || r.DeletionTimestamp != nil {
			continue
		}
		if held, ok := latest[r.Spec.AgentID]; !ok || held.Before.Before(r.Status.CutAt) {
			latest[r.Spec.AgentID] = v1alpha1.RouteCut{AgentID: r.Spec.AgentID, Before: *r.Status.CutAt}
		}
	}
	cuts := slices.SortedFunc(maps.Values(latest), func(a, b v1alpha1.RouteCut) int {
		return cmp.Or(b.Before.Compare(a.Before.Time), strings.Compare(a.AgentID, b.AgentID))
	})
	cuts = cuts[:min(len(cuts), maxCuts)]
	slices.SortFunc(cuts, func(a, b v1alpha1.RouteCut) int { return strings.Compare(a.AgentID, b.AgentID) })
	return cuts
}

// edgeHop is true once an edge says that it carries the route as it is now.
func edgeHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionAddressAssigned
	pair := place.EdgePorts.String()
	at := strings.Join(place.RegionSpec.Edge.Addresses, ", ")
	wait := func(why string) hop {
		return no(condition, v1alpha1.ReasonWaitingForEdge, fmt.Sprintf("ports %s on %s are held for this tenant; %s", pair, at, why))
	}
	if in.Observed.Route == nil {
		return wait("the route is not written yet")
	}
	carried, behind := in.Observed.Route.CarriedBy()
	carried, lost := heard(carried, in.Observed.Silent)
	unheard := ""
	if words := silentWords(in.Observed.Silent, in.Observed.Route.Status.Edges, place.Region); words != "" {
		unheard = "; " + words
	}
	switch {
	case len(carried) == 0 && len(lost) > 0:
		return hop{condition, metav1.ConditionUnknown, v1alpha1.ReasonEdgeSilent, fmt.Sprintf(
			"ports %s on %s are held for this tenant; whether they are served is not known%s", pair, at, unheard)}
	case len(carried) == 0 && len(behind) == 0:
		return wait("no edge of the Region has reported")
	case len(carried) == 0:
		return wait("no edge carries them yet: " + edgeWords(behind) + unheard)
	case len(behind) > 0:
		return reached(in, place, fmt.Sprintf("agents connect to %s, ports %s; carried by %s, not yet by %s%s", at, pair, edgeNames(carried), edgeWords(behind), unheard))
	}
	return reached(in, place, fmt.Sprintf("agents connect to %s, ports %s; carried by %s%s", at, pair, edgeNames(carried), unheard))
}

func edgeNames(edges []v1alpha1.RouteEdge) string {
	var names []string
	for _, edge := range edges {
		names = append(names, edge.Name)
	}
	return strings.Join(sorted(names), ", ")
}

func edgeWords(edges []v1alpha1.RouteEdge) string {
	var words []string
	for _, edge := range edges {
		word := edge.Name
		if edge.Message != "" {
			word += " (" + edge.Message + ")"
		}
		words = append(words, word)
	}
	return strings.Join(sorted(words), ", ")
}
