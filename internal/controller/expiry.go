package controller

import (
	"context"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// ClaimReconciler frees what was given up, when its quarantine is over.
type ClaimReconciler struct {
	cached client.Reader
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
		return ctrl.Result{}, nil
	}
	err := r.writer.Delete(ctx, &claim, client.Preconditions{UID: &claim.UID, ResourceVersion: &claim.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("free claim %s: %w", claim.Name, err)
	}
	return ctrl.Result{}, nil
}

func (r *ClaimReconciler) watch(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("claim").For(&v1alpha1.Claim{}).Complete(r)
	if err != nil {
		return fmt.Errorf("watch claims: %w", err)
	}
	return nil
}
