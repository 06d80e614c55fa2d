package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// denyAtEdges suspends the tenant's route and waits until every edge that carries it
// says that it has cut the sessions and lets nobody in. An edge that was never heard
// of carries nothing.
func (r *Reconciler) denyAtEdges(ctx context.Context, tenant *v1alpha1.Tenant) (sight, error) {
	var route v1alpha1.Route
	err := r.direct.Get(ctx, types.NamespacedName{Name: tenant.Name}, &route)
	if apierrors.IsNotFound(err) {
		return finished("no edge carries the tenant")
	}
	if err != nil {
		return sight{}, fmt.Errorf("read route %q: %w", tenant.Name, err)
	}
	if !route.Spec.Suspended {
		before := route.DeepCopy()
		route.Spec.Suspended = true
		if err := r.writer.Patch(ctx, &route, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			if apierrors.IsConflict(err) {
				return sight{}, errConflict
			}
			return sight{}, fmt.Errorf("suspend route %q: %w", tenant.Name, err)
		}
		return sight{}, nil
	}
	if waits := plan.Uncut(route, r.beats.silent(ctx, route.Spec.Region)); waits != "" {
		return waitingForTheirs("%s; for this tenant alone: %s", waits, wayAround(tenant))
	}
	return finished(plan.CutSays(route))
}

// deny closes the way in: the agents' Service leads to no pod any more. Who is
// connected stays so until the registrations are deleted; nobody comes in addition.
// The addresses agents know are written down while there are any.
func (r *Reconciler) deny(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	namespace := naming.Namespace(tenant.Name)
	var service corev1.Service
	err := r.direct.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.ServiceAgents}, &service)
	if apierrors.IsNotFound(err) {
		return finished(fmt.Sprintf("there is no Service %s, and so no way in", naming.ServiceAgents))
	}
	if err != nil {
		return sight{}, fmt.Errorf("read service %s/%s: %w", namespace, naming.ServiceAgents, err)
	}
	if service.Labels[naming.LabelManagedBy] != naming.Product {
		return finished(fmt.Sprintf("Service %s was made by somebody else and is left as it is", naming.ServiceAgents))
	}
	if service.Spec.Selector[naming.LabelSuspended] == "" {
		return sight{}, r.leadNowhere(ctx, &service)
	}
	if err := r.unmirror(ctx, tenant.Name); err != nil {
		return sight{}, err
	}
	var seen plan.ServiceState
	if err := r.countEndpoints(ctx, namespace, &seen); err != nil {
		return sight{}, err
	}
	if seen.Endpoints > 0 {
		return waiting("Service %s still leads to %d pods", naming.ServiceAgents, seen.Endpoints)
	}
	progress.Addresses = addressesOf(tenant, service)
	evidence := fmt.Sprintf("Service %s leads to no pod; who was connected has a session until its key is gone", naming.ServiceAgents)
	if tenant.Status.Mode == v1alpha1.ModeEdgeHAProxy {
		at, err := r.denyAtEdges(ctx, tenant)
		if err != nil {
			return sight{}, err
		}
		evidence = fmt.Sprintf("%s; Service %s leads to no pod", at.evidence, naming.ServiceAgents)
	}
	return finished(evidence)
}

func (r *Reconciler) leadNowhere(ctx context.Context, service *corev1.Service) error {
	before := service.DeepCopy()
	if service.Spec.Selector == nil {
		service.Spec.Selector = map[string]string{}
	}
	service.Spec.Selector[naming.LabelSuspended] = "true"
	err := r.writer.Patch(ctx, service, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("close service %s/%s: %w", service.Namespace, service.Name, err)
	}
	return nil
}

// addressesOf are those agents connected to: the edges', or the load balancer's.
func addressesOf(tenant *v1alpha1.Tenant, service corev1.Service) []string {
	var found []string
	if tenant.Status.Mode == v1alpha1.ModeEdgeHAProxy && tenant.Status.Address != "" {
		return []string{tenant.Status.Address}
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			found = append(found, ingress.IP)
		} else if ingress.Hostname != "" {
			found = append(found, ingress.Hostname)
		}
	}
	return found
}
