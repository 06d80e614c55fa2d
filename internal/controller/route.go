package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=routes,verbs=get;list;watch;create;patch;delete

// observeRoute reads the tenant's route at the edges; nil means there is none.
func (r *Reconciler) observeRoute(ctx context.Context, slug string) (*v1alpha1.Route, error) {
	var route v1alpha1.Route
	err := r.cached.Get(ctx, types.NamespacedName{Name: slug}, &route)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read route %q: %w", slug, err)
	}
	return &route, nil
}

// aim finds where the route leads when the Service was only just applied: the API
// server has given it its address by then, of which the cache may not know yet.
// Waiting for the next turn would cost a look at everything else first.
func (r *Reconciler) aim(ctx context.Context, in *plan.Input, desired *plan.Desired) error {
	place := desired.Placement
	if desired.Route != nil || place.Mode != v1alpha1.ModeEdgeHAProxy || in.Observed.Service.Exists {
		return nil
	}
	var service corev1.Service
	err := r.direct.Get(ctx, types.NamespacedName{Namespace: place.Namespace, Name: naming.ServiceAgents}, &service)
	if apierrors.IsNotFound(err) {
		return nil // it was refused, or somebody else is to make it
	}
	if err != nil {
		return fmt.Errorf("read service %s/%s: %w", place.Namespace, naming.ServiceAgents, err)
	}
	desired.Route = plan.RouteNow(*in, place, service.Spec.ClusterIP)
	return nil
}

// applyRoute writes what the edges read, last of all: when a route appears, what
// it leads to is there.
func (r *Reconciler) applyRoute(ctx context.Context, in *plan.Input, desired plan.Desired) error {
	slug, live, want := desired.Placement.Slug, in.Observed.Route, desired.Route
	if live != nil && leaves(live.Spec, want, desired.Placement) {
		// Deleted and made anew: sessions are counted and cut by region and slot.
		return r.deleteOurs(ctx, live)
	}
	switch {
	case want == nil:
		return nil
	case live == nil:
		route := &v1alpha1.Route{
			ObjectMeta: metav1.ObjectMeta{Name: slug, Labels: map[string]string{
				naming.LabelTenant: slug, naming.LabelRegion: want.Region, naming.LabelManagedBy: naming.Product,
			}},
			Spec: *want,
		}
		err := r.writer.Create(ctx, route)
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create route %q: %w", slug, err)
		}
		return nil
	case equality.Semantic.DeepEqual(live.Spec, *want):
		return nil
	}
	changed := live.DeepCopy()
	changed.Spec = *want
	if err := r.writer.Patch(ctx, changed, client.MergeFrom(live)); err != nil {
		return fmt.Errorf("change route %q: %w", slug, err)
	}
	return nil
}

// leaves is true when the route must go: another mode, region or slot. A route
// whose target is not known for a moment stays as it is.
func leaves(live v1alpha1.RouteSpec, want *v1alpha1.RouteSpec, place plan.Placement) bool {
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		return true
	}
	return want != nil && (live.Region != want.Region || live.Slot != want.Slot)
}
