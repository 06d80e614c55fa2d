package controller

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// errConflict asks for another turn: what we read was not the latest.
var errConflict = errors.New("read something that has changed since")

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=claims,verbs=get;list;watch;create;delete

// claims maps every claim to the tenant that holds it.
func (r *Reconciler) claims(ctx context.Context) (map[string]string, error) {
	var list v1alpha1.ClaimList
	if err := r.cached.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	held := make(map[string]string, len(list.Items))
	for _, claim := range list.Items {
		held[claim.Name] = claim.Spec.Tenant
	}
	return held, nil
}

// claim takes what the tenant needs and records in the input who holds what.
// lost is true when another tenant was faster; then the plan must be made anew.
func (r *Reconciler) claim(ctx context.Context, in *plan.Input, wanted []plan.Claim) (lost bool, err error) {
	for _, want := range wanted {
		if in.Observed.Claims[want.Name] == in.Tenant.Name {
			continue
		}
		holder, err := r.take(ctx, in.Tenant.Name, want)
		if err != nil {
			return false, err
		}
		in.Observed.Claims[want.Name] = holder
		lost = lost || holder != in.Tenant.Name
	}
	return lost, nil
}

// take creates the claim; the API server stores a name once, so of two tenants
// that race exactly one succeeds and the other learns the holder.
func (r *Reconciler) take(ctx context.Context, slug string, want plan.Claim) (holder string, err error) {
	claim := &v1alpha1.Claim{
		ObjectMeta: metav1.ObjectMeta{Name: want.Name, Labels: map[string]string{
			naming.LabelTenant: slug, naming.LabelManagedBy: naming.Product,
		}},
		Spec: v1alpha1.ClaimSpec{Tenant: slug, Kind: want.Kind},
	}
	err = r.writer.Create(ctx, claim)
	if err == nil {
		return slug, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return "", fmt.Errorf("claim %s for tenant %q: %w", want.Name, slug, err)
	}
	var held v1alpha1.Claim
	err = r.direct.Get(ctx, types.NamespacedName{Name: want.Name}, &held)
	if apierrors.IsNotFound(err) {
		return "", errConflict // freed in between
	}
	if err != nil {
		return "", fmt.Errorf("read claim %s: %w", want.Name, err)
	}
	return held.Spec.Tenant, nil
}

// release gives up the tenant's claims that are not to be kept.
func (r *Reconciler) release(ctx context.Context, slug string, keep []plan.Claim) (released int, err error) {
	wanted := map[string]bool{}
	for _, claim := range keep {
		wanted[claim.Name] = true
	}
	var list v1alpha1.ClaimList
	if err := r.cached.List(ctx, &list, client.MatchingLabels{naming.LabelTenant: slug}); err != nil {
		return 0, fmt.Errorf("list claims of tenant %q: %w", slug, err)
	}
	for i, claim := range list.Items {
		if wanted[claim.Name] || claim.Spec.Tenant != slug {
			continue
		}
		err := r.writer.Delete(ctx, &list.Items[i], client.Preconditions{UID: &claim.UID})
		if client.IgnoreNotFound(err) != nil {
			return released, fmt.Errorf("release claim %s of tenant %q: %w", claim.Name, slug, err)
		}
		released++
	}
	return released, nil
}
