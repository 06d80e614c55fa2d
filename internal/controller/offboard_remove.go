package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// removeRoute takes the tenant off the edges.
func (r *Reconciler) removeRoute(ctx context.Context, slug string) (gone bool, err error) {
	route, err := r.observeRoute(ctx, slug)
	if err != nil || route == nil {
		return err == nil, err
	}
	return false, r.deleteOurs(ctx, route)
}

// removeWayIn removes the agents' Service, and with it address and DNS record, and
// waits until the name no longer leads to the address.
func (r *Reconciler) removeWayIn(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	namespace := naming.Namespace(tenant.Name)
	service := &unstructured.Unstructured{}
	service.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	err := r.cached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.ServiceAgents}, service)
	if err == nil {
		return sight{}, r.deleteOurs(ctx, service)
	}
	if !apierrors.IsNotFound(err) {
		return sight{}, fmt.Errorf("read service %s/%s: %w", namespace, naming.ServiceAgents, err)
	}
	evidence := fmt.Sprintf("Service %s is gone, and with it its address", naming.ServiceAgents)
	if tenant.Status.Mode == v1alpha1.ModeEdgeHAProxy {
		evidence = fmt.Sprintf("the route at the edges and Service %s are gone", naming.ServiceAgents)
	}
	name, err := r.nameGone(ctx, tenant, progress)
	if err != nil || !name.done {
		return name, err
	}
	return finished(evidence + "; " + name.evidence)
}

// removeObjects deletes the namespace if we made it. One that SocTalk or a
// person made stays, without our objects.
func (r *Reconciler) removeObjects(ctx context.Context, slug string, namespace *corev1.Namespace) (sight, error) {
	place := plan.Placement{Slug: slug, Namespace: namespace.Name}
	if namespace.Annotations[naming.AnnotationCreatedBy] == naming.Product {
		return r.removeNamespace(ctx, place, namespace)
	}
	pods, err := r.stopPods(ctx, place)
	switch {
	case err != nil:
		return sight{}, err
	case pods > 0:
		return waiting("%d of its pods are ending", pods)
	}
	if err := r.prune(ctx, place, nil, true); err != nil {
		return sight{}, err
	}
	left, err := r.removeData(ctx, slug, namespace.Name)
	if err != nil || left > 0 {
		return sight{}, err
	}
	if err := r.unlabel(ctx, namespace.Name); err != nil {
		return sight{}, err
	}
	return finished(fmt.Sprintf("our objects, secrets and volumes are gone; namespace %s was not made by us and stays", namespace.Name))
}

// removeNamespace deletes the namespace, and at once what takes long to end:
// Kubernetes looks into a deleted namespace after five seconds, and for pods and
// volumes that it finds there it comes back much later.
func (r *Reconciler) removeNamespace(ctx context.Context, place plan.Placement, namespace *corev1.Namespace) (sight, error) {
	if namespace.DeletionTimestamp == nil {
		uid := namespace.UID
		err := r.writer.Delete(ctx, namespace, client.Preconditions{UID: &uid})
		if client.IgnoreNotFound(err) != nil {
			return sight{}, fmt.Errorf("delete namespace %q: %w", namespace.Name, err)
		}
	}
	if _, err := r.stopPods(ctx, place); err != nil {
		return sight{}, err
	}
	volumes, err := r.volumes(ctx, place.Slug, place.Namespace)
	if err != nil {
		return sight{}, err
	}
	if err := r.deleteAll(ctx, volumes); err != nil {
		return sight{}, err
	}
	return waiting("namespace %s is being emptied%s", namespace.Name, remains(namespace))
}

// stopPods deletes what runs the tenant's pods, before the policies that fence them
// in, and says how many are left.
func (r *Reconciler) stopPods(ctx context.Context, place plan.Placement) (left int, err error) {
	for _, gvk := range r.kinds {
		if gvk.Group != appsv1.GroupName {
			continue
		}
		if err := r.pruneKind(ctx, place, gvk, nil); err != nil {
			return 0, err
		}
	}
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(place.Namespace), client.MatchingLabels{
		naming.LabelName: naming.PodName, naming.LabelTenant: place.Slug,
	}); err != nil {
		return 0, fmt.Errorf("list pods in %q: %w", place.Namespace, err)
	}
	return len(pods.Items), nil
}

// remains carries up what Kubernetes says keeps a namespace from going.
func remains(namespace *corev1.Namespace) string {
	for _, condition := range namespace.Status.Conditions {
		switch condition.Type {
		case corev1.NamespaceContentRemaining, corev1.NamespaceFinalizersRemaining, corev1.NamespaceDeletionContentFailure:
			if condition.Status == corev1.ConditionTrue {
				return ": " + condition.Message
			}
		}
	}
	return ""
}
