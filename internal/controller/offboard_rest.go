package controller

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// rest gives up what was the tenant's alone. What agents know from outside rests
// for as long as the Region says: its name, its ports, its address.
func (r *Reconciler) rest(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	if err := r.claimAddresses(ctx, tenant, progress.Addresses); err != nil {
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

// claimAddresses makes claims on the addresses a load balancer gave the tenant, and
// where that is possible keeps them from being given away. A pool knows nothing of a
// rest; whoever gets such an address all the same is told whose it was.
func (r *Reconciler) claimAddresses(ctx context.Context, tenant *v1alpha1.Tenant, addresses []string) error {
	if tenant.Status.Mode != v1alpha1.ModeLoadBalancer {
		return nil
	}
	for _, text := range addresses {
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
		ours, err := r.restAddress(ctx, claim)
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		if err := r.keepAddress(ctx, tenant.Status.Region, claim, address); err != nil {
			return err
		}
	}
	return nil
}

// restFormer lets the address of a tenant rest that has just gone to the edge: its
// agents knock there until each has its new port. What the status says is asked too,
// for an operator that died after the Service had changed.
func (r *Reconciler) restFormer(ctx context.Context, in *plan.Input, place plan.Placement) error {
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		return nil
	}
	addresses := in.Observed.Service.Addresses
	if known := in.Tenant.Status.Address; !slices.Contains(addresses, known) {
		addresses = append(slices.Clone(addresses), known)
	}
	return r.claimAddresses(ctx, &in.Tenant, addresses)
}

// keepAddress asks for the address with a Service that leads nowhere. Load balancers
// on one's own machines give an address to who asks for it by name; in a cloud it
// went with the load balancer, and another one would be paid for.
func (r *Reconciler) keepAddress(ctx context.Context, regionName string, claim *v1alpha1.Claim, address netip.Addr) error {
	var region v1alpha1.Region
	err := r.cached.Get(ctx, types.NamespacedName{Name: regionName}, &region)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	balancer := region.Spec.LoadBalancer
	annotations := map[string]string{}
	maps.Copy(annotations, balancer.Annotations)
	switch balancer.Preset {
	case "metallb":
		annotations[naming.AnnotationMetalLBAddresses] = address.String()
		if balancer.Pool != "" {
			annotations[naming.AnnotationMetalLBFrom] = balancer.Pool
		}
	case "kube-vip":
		annotations[naming.AnnotationKubeVIPAddresses] = address.String()
	default:
		return nil
	}
	family := corev1.IPv4Protocol
	if address.Is6() {
		family = corev1.IPv6Protocol
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.options.Operator.Namespace, Name: naming.RestingService(claim.Name), Annotations: annotations,
			Labels: map[string]string{naming.LabelManagedBy: naming.Product, naming.LabelRegion: regionName},
			// It ends with the claim, whoever ends that.
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: "Claim", Name: claim.Name, UID: claim.UID,
			}},
		},
		Spec: corev1.ServiceSpec{
			Type:                          corev1.ServiceTypeLoadBalancer,
			IPFamilies:                    []corev1.IPFamily{family},
			ExternalTrafficPolicy:         corev1.ServiceExternalTrafficPolicyLocal, // nobody announces what has no pod
			AllocateLoadBalancerNodePorts: new(bool),
			Ports:                         []corev1.ServicePort{{Name: naming.PortEvents, Port: naming.PortNumber(naming.PortEvents)}},
		},
	}
	if balancer.Class != "" {
		service.Spec.LoadBalancerClass = &balancer.Class
	}
	if err := r.writer.Create(ctx, service); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("keep address %s: %w", address, err)
	}
	return nil
}

// restAddress makes the claim, or has the one of an earlier life of the tenant last
// as long. Somebody else's, who had the address in between, stays as it is.
func (r *Reconciler) restAddress(ctx context.Context, claim *v1alpha1.Claim) (ours bool, err error) {
	err = r.writer.Create(ctx, claim)
	if err == nil {
		return true, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return false, fmt.Errorf("claim %s for tenant %q: %w", claim.Name, claim.Spec.Tenant, err)
	}
	var held v1alpha1.Claim
	if err := r.direct.Get(ctx, client.ObjectKeyFromObject(claim), &held); err != nil {
		if apierrors.IsNotFound(err) {
			return false, errConflict
		}
		return false, fmt.Errorf("read claim %s: %w", claim.Name, err)
	}
	if held.Spec.Tenant != claim.Spec.Tenant {
		return false, nil
	}
	claim.UID = held.UID
	if held.Spec.QuarantinedUntil != nil && !held.Spec.QuarantinedUntil.Before(claim.Spec.QuarantinedUntil) {
		return true, nil
	}
	before := held.DeepCopy()
	held.Spec.QuarantinedUntil = claim.Spec.QuarantinedUntil
	if err := r.writer.Patch(ctx, &held, client.MergeFrom(before)); err != nil {
		return false, fmt.Errorf("have claim %s rest longer: %w", claim.Name, err)
	}
	return true, nil
}
