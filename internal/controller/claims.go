package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=claims,verbs=get;list;watch;create;patch;delete

// claims maps every claim to its holder.
func (r *Reconciler) claims(ctx context.Context) (map[string]plan.Holder, error) {
	var list v1alpha1.ClaimList
	// Thousands, at every look, and nothing of them is changed here.
	if err := r.cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	return plan.Holders(list.Items), nil
}

// claim takes what the tenant needs and records in the input who holds what.
// lost is true when another tenant was faster; then the plan must be made anew.
func (r *Reconciler) claim(ctx context.Context, in *plan.Input, region string, wanted []plan.Claim) (lost bool, err error) {
	for _, want := range wanted {
		if in.Observed.Claims[want.Name] == (plan.Holder{Tenant: in.Tenant.Name}) {
			continue
		}
		holder, err := r.take(ctx, in.Tenant.Name, region, want)
		if err != nil {
			return false, err
		}
		in.Observed.Claims[want.Name] = holder
		if holder.Tenant != in.Tenant.Name {
			return true, nil // no point in taking the rest of what will not be had whole
		}
	}
	return false, nil
}

// take creates the claim; the API server stores a name once, so of two tenants
// that race exactly one succeeds and the other learns the holder. A claim whose
// quarantine is over, or is the tenant's own, is made anew.
func (r *Reconciler) take(ctx context.Context, slug, region string, want plan.Claim) (plan.Holder, error) {
	claim := &v1alpha1.Claim{
		ObjectMeta: metav1.ObjectMeta{Name: want.Name, Labels: map[string]string{
			naming.LabelTenant: slug, naming.LabelRegion: region, naming.LabelManagedBy: naming.Product,
		}},
		Spec: v1alpha1.ClaimSpec{Tenant: slug, Kind: want.Kind},
	}
	if want.For != "" {
		claim.Annotations = map[string]string{naming.AnnotationUpdateFor: want.For}
	}
	err := r.writer.Create(ctx, claim)
	if err == nil {
		return plan.Holder{Tenant: slug}, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return plan.Holder{}, fmt.Errorf("claim %s for tenant %q: %w", want.Name, slug, err)
	}
	var held v1alpha1.Claim
	err = r.direct.Get(ctx, types.NamespacedName{Name: want.Name}, &held)
	if apierrors.IsNotFound(err) {
		return plan.Holder{}, errConflict // freed in between
	}
	if err != nil {
		return plan.Holder{}, fmt.Errorf("read claim %s: %w", want.Name, err)
	}
	holder := plan.HolderOf(held)
	switch {
	case holder.QuarantinedUntil.IsZero():
		return holder, nil
	case holder.Tenant == slug:
		return r.takeBack(ctx, &held)
	case !holder.Expired(r.options.Now()):
		return holder, nil
	}
	if err := r.deleteOurs(ctx, &held); err != nil {
		return plan.Holder{}, err
	}
	return plan.Holder{}, errConflict // the next turn creates it, or learns who did
}

// takeBack ends the quarantine of one's own claim in place: deleting and creating
// it would leave a gap for somebody else.
func (r *Reconciler) takeBack(ctx context.Context, held *v1alpha1.Claim) (plan.Holder, error) {
	before := held.DeepCopy()
	held.Spec.QuarantinedUntil = nil
	err := r.writer.Patch(ctx, held, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return plan.Holder{}, errConflict
	}
	if err != nil {
		return plan.Holder{}, fmt.Errorf("take claim %s back: %w", held.Name, err)
	}
	return plan.HolderOf(*held), nil
}

// release gives up the tenant's claims that are not to be kept. Those that agents
// know from outside go into quarantine first. The reader is the cache while the
// tenant lives, and the API server when it ends: none may be left behind.
func (r *Reconciler) release(ctx context.Context, reader client.Reader, slug string, keep []plan.Claim) (released []string, err error) {
	wanted := map[string]bool{}
	for _, claim := range keep {
		wanted[claim.Name] = true
	}
	var list v1alpha1.ClaimList
	if err := reader.List(ctx, &list, client.MatchingLabels{naming.LabelTenant: slug}); err != nil {
		return nil, fmt.Errorf("list claims of tenant %q: %w", slug, err)
	}
	for i, claim := range list.Items {
		if keep != nil && claim.Spec.Kind == v1alpha1.ClaimUpdateSeat {
			continue // given up when the pods serve again
		}
		if wanted[claim.Name] || claim.Spec.Tenant != slug || claim.Spec.QuarantinedUntil != nil {
			continue
		}
		if err := giveUp(ctx, r.cached, r.writer, &list.Items[i], r.options.Now()); err != nil {
			return released, err
		}
		released = append(released, claim.Name)
	}
	return released, nil
}

// giveUp puts a claim into quarantine, or deletes it where nothing needs to rest.
func giveUp(ctx context.Context, cached client.Reader, writer writer, claim *v1alpha1.Claim, now time.Time) error {
	rest, err := quarantine(ctx, cached, claim)
	if err != nil {
		return err
	}
	if rest <= 0 {
		err := writer.Delete(ctx, claim, client.Preconditions{UID: &claim.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("release claim %s: %w", claim.Name, err)
		}
		return nil
	}
	before := claim.DeepCopy()
	until := metav1.NewTime(now.Add(rest))
	claim.Spec.QuarantinedUntil = &until
	err = writer.Patch(ctx, claim, client.MergeFrom(before))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("release claim %s: %w", claim.Name, err)
	}
	return nil
}

// quarantine asks the Region the claim belongs to: by its label, so that it is
// known also when the tenant's spec has moved on.
func quarantine(ctx context.Context, cached client.Reader, claim *v1alpha1.Claim) (time.Duration, error) {
	var region v1alpha1.Region
	err := cached.Get(ctx, types.NamespacedName{Name: claim.Labels[naming.LabelRegion]}, &region)
	if apierrors.IsNotFound(err) {
		return plan.Quarantine(v1alpha1.RegionSpec{}, claim.Spec.Kind), nil
	}
	if err != nil {
		return 0, fmt.Errorf("read region %q: %w", claim.Labels[naming.LabelRegion], err)
	}
	return plan.Quarantine(region.Spec, claim.Spec.Kind), nil
}
