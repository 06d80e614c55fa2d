package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// knownEdge is an edge as the API server knows it: by its Lease, by its entries in the
// Routes' status, or both.
type knownEdge struct {
	region, name string
	lease        *coordinationv1.Lease
	tenants      []string // whose Routes have an entry of it
}

// heard is when the edge was heard of last; nil where it never was, by a Lease.
func (e knownEdge) heard() *metav1.MicroTime {
	if e.lease == nil || e.lease.Spec.LeaseDurationSeconds == nil {
		return nil
	}
	return e.lease.Spec.RenewTime
}

// knownEdges are those of all Regions, by Region and name.
func knownEdges(leases []coordinationv1.Lease, routes []v1alpha1.Route) []knownEdge {
	type key struct{ region, name string }
	found := map[key]*knownEdge{}
	of := func(region, name string) *knownEdge {
		k := key{region, name}
		if found[k] == nil {
			found[k] = &knownEdge{region: region, name: name, tenants: []string{}}
		}
		return found[k]
	}
	for i, lease := range leases {
		if region := lease.Labels[naming.LabelRegion]; region != "" && lease.Spec.HolderIdentity != nil {
			of(region, *lease.Spec.HolderIdentity).lease = &leases[i]
		}
	}
	for _, route := range routes {
		for _, entry := range route.Status.Edges {
			edge := of(route.Spec.Region, entry.Name)
			edge.tenants = append(edge.tenants, route.Name)
		}
	}
	var edges []knownEdge
	for _, edge := range slices.Collect(maps.Values(found)) {
		slices.Sort(edge.tenants)
		edges = append(edges, *edge)
	}
	slices.SortFunc(edges, func(a, b knownEdge) int { return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.name, b.name)) })
	return edges
}

// edges asks the API server for them. It takes the rights to list Routes, and Leases in
// their namespace.
func (c *cluster) edges(ctx context.Context) ([]knownEdge, error) {
	var leases coordinationv1.LeaseList
	if err := c.List(ctx, &leases, client.InNamespace(naming.EdgeNamespace), client.HasLabels{naming.LabelRegion}); err != nil {
		return nil, fmt.Errorf("list the edges' leases in %s: %w", naming.EdgeNamespace, err)
	}
	var routes v1alpha1.RouteList
	if err := c.List(ctx, &routes); err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return knownEdges(leases.Items, routes.Items), nil
}

// edgeOf finds one edge by its name, and Region where that is needed.
func (c *cluster) edgeOf(ctx context.Context, name, region string) (knownEdge, error) {
	all, err := c.edges(ctx)
	if err != nil {
		return knownEdge{}, err
	}
	named := slices.DeleteFunc(slices.Clone(all), func(e knownEdge) bool { return e.name != name || region != "" && e.region != region })
	switch {
	case len(named) == 1:
		return named[0], nil
	case len(named) > 1:
		var regions []string
		for _, edge := range named {
			regions = append(regions, edge.region)
		}
		return knownEdge{}, usageError("--region: edges of Regions %s are called %q; say which", quotedList(regions), name)
	case len(all) == 0:
		return knownEdge{}, hinted(exitNotFound, fmt.Errorf("no edge %q; none was ever heard of", name), "kubectl -n %s get leases shows all of them", naming.EdgeNamespace)
	}
	return knownEdge{}, hinted(exitNotFound, fmt.Errorf("no edge %q; there are %s", name, quotedList(edgeNames(all))), "kubectl -n %s get leases shows all of them", naming.EdgeNamespace)
}
