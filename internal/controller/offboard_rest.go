package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// rest gives up what was the tenant's alone. What agents know from outside rests
// for as long as the Region says: its name, its ports, its address.
func (r *Reconciler) rest(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	if err := r.claimAddresses(ctx, tenant, progress); err != nil {
		return sight{}, err
	}
	if _, err := r.release(ctx, r.direct, tenant.Name, nil); err != nil {
		return sight{}, err
	}
	// Read again: after a crash in this step, what rests was put to rest before it.
	var list v1alpha1.ClaimList
	if err := r.direct.List(ctx, &list, client.MatchingLabels{naming.LabelTenant: tenant.Name}); err != nil {
		return sight{}, fmt.Errorf("list claims of tenant %q: %w", tenant.Name, err)
	}
	progress.Resting = nil
	var words []string
	for _, claim := range list.Items {
		until := claim.Spec.QuarantinedUntil
		if claim.Spec.Tenant != tenant.Name || until == nil || claim.DeletionTimestamp != nil {
			continue
		}
		progress.Resting = append(progress.Resting, v1alpha1.RestingClaim{Name: claim.Name, Until: *until})
		words = append(words, fmt.Sprintf("%s until %s", claim.Name, until.UTC().Format(time.RFC3339)))
	}
	if len(words) == 0 {
		return finished("hostname and ports are free at once, as the Region says")
	}
	slices.Sort(words)
	return finished("kept from others: " + strings.Join(words, ", "))
}

// claimAddresses makes claims on the addresses a load balancer gave the tenant. Its
// pool knows nothing of a rest and may give one away at once; whoever gets it is
// then told whose it was.
func (r *Reconciler) claimAddresses(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) error {
	if tenant.Status.Mode != v1alpha1.ModeLoadBalancer {
		return nil
	}
	for _, text := range progress.Addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			continue // a cloud's name for its load balancer, which goes with it
		}
		claim := &v1alpha1.Claim{
			ObjectMeta: metav1.ObjectMeta{Name: naming.AddressClaim(address), Labels: map[string]string{
				naming.LabelTenant: tenant.Name, naming.LabelRegion: tenant.Status.Region, naming.LabelManagedBy: naming.Product,
			}},
			Spec: v1alpha1.ClaimSpec{Tenant: tenant.Name, Kind: v1alpha1.ClaimAddress},
		}
		rest, err := quarantine(ctx, r.cached, claim)
		if err != nil {
			return err
		}
		if rest <= 0 {
			continue
		}
		until := metav1.NewTime(r.options.Now().Add(rest))
		claim.Spec.QuarantinedUntil = &until
		if err := r.restAddress(ctx, claim); err != nil {
			return err
		}
	}
	return nil
}

// restAddress makes the claim, or has the one of an earlier life of the tenant last
// as long. Somebody else's, who had the address in between, stays as it is.
func (r *Reconciler) restAddress(ctx context.Context, claim *v1alpha1.Claim) error {
	err := r.writer.Create(ctx, claim)
	if err == nil {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("claim %s for tenant %q: %w", claim.Name, claim.Spec.Tenant, err)
	}
	var held v1alpha1.Claim
	if err := r.direct.Get(ctx, client.ObjectKeyFromObject(claim), &held); err != nil {
		if apierrors.IsNotFound(err) {
			return errConflict
		}
		return fmt.Errorf("read claim %s: %w", claim.Name, err)
	}
	if held.Spec.Tenant != claim.Spec.Tenant || held.Spec.QuarantinedUntil != nil && !held.Spec.QuarantinedUntil.Before(claim.Spec.QuarantinedUntil) {
		return nil
	}
	before := held.DeepCopy()
	held.Spec.QuarantinedUntil = claim.Spec.QuarantinedUntil
	if err := r.writer.Patch(ctx, &held, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("have claim %s rest longer: %w", claim.Name, err)
	}
	return nil
}
