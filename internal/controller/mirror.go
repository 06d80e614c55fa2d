package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=list;watch;create;patch;delete

// mirror makes the agents' endpoints what they are to be. It comes before the
// Service, so that one that changes hands is never without.
func (r *Reconciler) mirror(ctx context.Context, in *plan.Input, place plan.Placement) error {
	seen, err := r.endpointSlices(ctx, place.Namespace, place.Slug)
	if err != nil {
		return err
	}
	local := corev1.ServiceExternalTrafficPolicy(in.Observed.Service.TrafficPolicy) == corev1.ServiceExternalTrafficPolicyLocal
	return r.writeMirror(ctx, plan.MirrorEndpoints(place, plan.MirrorWish{
		Alone: place.Alone, Closed: in.Tenant.Spec.Suspended, Local: local, Pods: in.Observed.Manager.Pods,
	}, seen))
}

// unmirror closes the way in that the operator's own endpoints are.
func (r *Reconciler) unmirror(ctx context.Context, slug string) error {
	place := plan.Placement{Slug: slug, Namespace: naming.Namespace(slug)}
	seen, err := r.endpointSlices(ctx, place.Namespace, slug)
	if err != nil {
		return err
	}
	return r.writeMirror(ctx, plan.MirrorEndpoints(place, plan.MirrorWish{Closed: true}, seen))
}

func (r *Reconciler) endpointSlices(ctx context.Context, namespace, slug string) ([]discoveryv1.EndpointSlice, error) {
	var list discoveryv1.EndpointSliceList
	if err := r.cached.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{naming.LabelTenant: slug}); err != nil {
		return nil, fmt.Errorf("list endpoints in %q: %w", namespace, err)
	}
	return list.Items, nil
}

func (r *Reconciler) writeMirror(ctx context.Context, mirror plan.Mirror) error {
	for _, want := range mirror.Write {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&want)
		if err != nil {
			return fmt.Errorf("encode endpoint slice %s/%s: %w", want.Namespace, want.Name, err)
		}
		unstructured.RemoveNestedField(object, "metadata", "creationTimestamp")
		err = r.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: object}),
			client.FieldOwner(naming.Product), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("apply endpoint slice %s/%s: %w", want.Namespace, want.Name, err)
		}
	}
	for _, gone := range mirror.Delete {
		if err := r.deleteOurs(ctx, &gone); err != nil {
			return err
		}
	}
	return nil
}

// movesEndpoints passes the slices the agents' own are made from, and those
// Kubernetes keeps for a Service that has its selector back.
func movesEndpoints() predicate.Predicate {
	concerns := func(object client.Object) bool {
		switch object.GetLabels()[discoveryv1.LabelServiceName] {
		case naming.ServicePods, naming.ServiceGateway, naming.ServiceAgents:
			return true
		}
		return false
	}
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return concerns(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool { return concerns(e.ObjectNew) },
		DeleteFunc: func(e event.DeleteEvent) bool { return concerns(e.Object) },
	}
}
