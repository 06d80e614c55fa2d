package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// forgetting has edges forgotten until the context ends. It is no part of a Region's
// turn: a site may be closed, and its Region gone, while tenants wait for its edge.
func (r *RegionReconciler) forgetting(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := r.forgetEdges(ctx); err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).Error(err, "forget edges that were given up")
		}
	}, r.beats.every)
	return nil
}

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=routes/status,verbs=patch

// forgetEdges takes the entries of edges out of the Routes of their Regions that are
// silent and that a person gave up for good; nobody waits for them any more. The Lease
// goes last, so that whoever is interrupted begins again, and only if it was not renewed
// meanwhile: an edge that comes back writes its entries anew.
func (r *RegionReconciler) forgetEdges(ctx context.Context) error {
	leases, err := r.beats.givenUp(ctx)
	var failed []error
	for _, lease := range leases {
		failed = append(failed, r.forgetEdge(ctx, lease))
	}
	return errors.Join(err, errors.Join(failed...))
}

func (r *RegionReconciler) forgetEdge(ctx context.Context, lease coordinationv1.Lease) error {
	name := lease.Labels[naming.LabelRegion]
	gone := v1alpha1.ForgottenEdge{
		Name: *lease.Spec.HolderIdentity, At: metav1.NewTime(r.now()),
		By: clip(lease.Annotations[naming.AnnotationForgetEdgeBy]), Why: clip(lease.Annotations[naming.AnnotationForgetEdge]),
	}
	routes, err := r.takeOut(ctx, name, gone)
	if err != nil {
		return err
	}
	back, err := r.endLease(ctx, lease)
	if err != nil {
		return err
	}
	r.beats.forget(lease.Name)
	if back {
		return nil
	}
	text := fmt.Sprintf("edge %s, %s, is waited for no more; it was taken out of %d Routes, %s", gone.Name, lastHeard(lease), routes, gone.Word())
	ctrl.LoggerFrom(ctx).Info(text, "region", name)
	var region v1alpha1.Region
	if err := r.cached.Get(ctx, client.ObjectKey{Name: name}, &region); err != nil {
		return client.IgnoreNotFound(err) // an event needs an object it is about
	}
	r.events.Eventf(&region, nil, corev1.EventTypeNormal, v1alpha1.EventEdgeForgotten, "Forget", "%s", text)
	return nil
}

func lastHeard(lease coordinationv1.Lease) string {
	if lease.Spec.RenewTime == nil {
		return "which has no Lease"
	}
	return "silent since " + lease.Spec.RenewTime.UTC().Format(time.RFC3339)
}

// takeOut says in how many Routes the edge had an entry.
func (r *RegionReconciler) takeOut(ctx context.Context, region string, gone v1alpha1.ForgottenEdge) (int, error) {
	var routes v1alpha1.RouteList
	if err := r.direct.List(ctx, &routes, client.MatchingLabels{naming.LabelRegion: region}); err != nil {
		return 0, fmt.Errorf("list the routes of region %q: %w", region, err)
	}
	count := 0
	for i := range routes.Items {
		changed := routes.Items[i].DeepCopy()
		if !changed.Status.Forget(gone) {
			continue
		}
		// Other edges write entries of their own to the same list.
		patch := client.MergeFromWithOptions(&routes.Items[i], client.MergeFromWithOptimisticLock{})
		if err := r.writer.Status().Patch(ctx, changed, patch); client.IgnoreNotFound(err) != nil {
			return count, fmt.Errorf("take edge %q out of route %q: %w", gone.Name, changed.Name, err)
		}
		count++
	}
	return count, nil
}

// endLease deletes a Lease as it was seen; back is true when it was renewed since.
func (r *RegionReconciler) endLease(ctx context.Context, lease coordinationv1.Lease) (back bool, err error) {
	err = r.writer.Delete(ctx, &lease, client.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion})
	switch {
	case apierrors.IsConflict(err):
		ctrl.LoggerFrom(ctx).Info("an edge that was given up is back", "edge", *lease.Spec.HolderIdentity)
		return true, nil
	case client.IgnoreNotFound(err) != nil:
		return false, fmt.Errorf("delete lease %s/%s of an edge that was given up: %w", lease.Namespace, lease.Name, err)
	}
	return false, nil
}
