package controller

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// ClaimReconciler frees what was given up, when its quarantine is over.
type ClaimReconciler struct {
	cached client.Reader
	direct client.Reader
	writer writer
	now    func() time.Time
}

// Reconcile deletes an expired claim, or comes back when it expires.
func (r *ClaimReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var claim v1alpha1.Claim
	if err := r.cached.Get(ctx, request.NamespacedName, &claim); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	holder, now := plan.HolderOf(claim), r.now()
	switch {
	case holder.Resting(now):
		return ctrl.Result{RequeueAfter: holder.QuarantinedUntil.Sub(now)}, nil
	case !holder.Expired(now):
		return ctrl.Result{}, r.giveUpOrphan(ctx, &claim)
	}
	err := r.writer.Delete(ctx, &claim, client.Preconditions{UID: &claim.UID, ResourceVersion: &claim.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("free claim %s: %w", claim.Name, err)
	}
	return ctrl.Result{}, nil
}

// giveUpOrphan gives up a claim whose tenant is gone without having been
// offboarded, because somebody removed the finalizer by hand.
func (r *ClaimReconciler) giveUpOrphan(ctx context.Context, claim *v1alpha1.Claim) error {
	err := r.direct.Get(ctx, types.NamespacedName{Name: claim.Spec.Tenant}, &v1alpha1.Tenant{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	return giveUp(ctx, r.cached, r.writer, claim, r.now())
}

// claimsOf wakes a tenant's claims when the tenant goes.
func (r *ClaimReconciler) claimsOf(ctx context.Context, tenant client.Object) []reconcile.Request {
	var list v1alpha1.ClaimList
	if err := r.cached.List(ctx, &list, client.MatchingLabels{naming.LabelTenant: tenant.GetName()}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list claims")
		return nil
	}
	var requests []reconcile.Request
	for _, claim := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: claim.Name}})
	}
	return requests
}

func (r *ClaimReconciler) watch(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("claim").
		For(&v1alpha1.Claim{}).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(r.claimsOf), builder.WithPredicates(deletions())).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watch claims: %w", err)
	}
	return nil
}
