package controller

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=routes/status,verbs=patch

// forgetEdges takes the entries of edges out of the Region's Routes that are silent and
// that a person gave up for good; nobody waits for them any more. The Lease goes last,
// so that whoever is interrupted begins again, and only if it was not renewed meanwhile:
// an edge that comes back writes its entries anew.
func (r *RegionReconciler) forgetEdges(ctx context.Context, region *v1alpha1.Region) error {
	for _, lease := range r.beats.givenUp(ctx, region.Name) {
		gone := v1alpha1.ForgottenEdge{
			Name: *lease.Spec.HolderIdentity, At: metav1.NewTime(r.now()),
			By: clip(lease.Annotations[naming.AnnotationForgetEdgeBy]), Why: clip(lease.Annotations[naming.AnnotationForgetEdge]),
		}
		routes, err := r.forgetEdge(ctx, region.Name, gone)
		if err != nil {
			return err
		}
		back, err := r.endLease(ctx, lease)
		if err != nil {
			return err
		}
		r.beats.forget(lease.Name)
		if back {
			continue
		}
		r.events.Eventf(region, nil, corev1.EventTypeNormal, v1alpha1.EventEdgeForgotten, "Forget",
			"edge %s, %s, is waited for no more; it was taken out of %d Routes, %s", gone.Name, lastHeard(lease), routes, gone.Word())
	}
	return nil
}

func lastHeard(lease coordinationv1.Lease) string {
	if lease.Spec.RenewTime == nil {
		return "which has no Lease"
	}
	return "silent since " + lease.Spec.RenewTime.UTC().Format(time.RFC3339)
}

// forgetEdge says in how many Routes the edge had an entry.
func (r *RegionReconciler) forgetEdge(ctx context.Context, region string, gone v1alpha1.ForgottenEdge) (int, error) {
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
