package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

func (r *Reconciler) observeService(ctx context.Context, place plan.Placement) (plan.ServiceState, error) {
	namespace := place.Namespace
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	err := r.cached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.ServiceAgents}, object)
	if apierrors.IsNotFound(err) {
		return plan.ServiceState{}, nil
	}
	if err != nil {
		return plan.ServiceState{}, fmt.Errorf("read service %s/%s: %w", namespace, naming.ServiceAgents, err)
	}
	var service corev1.Service
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &service); err != nil {
		return plan.ServiceState{}, fmt.Errorf("read service %s/%s: %w", namespace, naming.ServiceAgents, err)
	}
	state := serviceState(service)
	state.Elsewhere = service.Spec.Selector[naming.LabelEndpoints] != ""
	if err := r.countEndpoints(ctx, namespace, &state); err != nil {
		return state, err
	}
	if service.Spec.Type == corev1.ServiceTypeLoadBalancer && !state.Has(place.Addresses) {
		state.Event, err = r.lastComplaint(ctx, &service)
	}
	return state, err
}

func serviceState(service corev1.Service) plan.ServiceState {
	state := plan.ServiceState{
		Exists:        true,
		ClusterIP:     service.Spec.ClusterIP,
		Published:     service.Annotations[naming.AnnotationDNSHostname] != "",
		SourceRanges:  service.Spec.LoadBalancerSourceRanges,
		TrafficPolicy: string(service.Spec.ExternalTrafficPolicy),
		Pool:          service.Annotations[naming.AnnotationMetalLBPool],
	}
	if service.Spec.LoadBalancerClass != nil {
		state.Class = *service.Spec.LoadBalancerClass
	}
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IP != "" {
			state.Addresses = append(state.Addresses, ingress.IP)
		} else if ingress.Hostname != "" {
			state.Addresses = append(state.Addresses, ingress.Hostname)
		}
	}
	return state
}

// +kubebuilder:rbac:groups="",resources=events,verbs=list

// lastComplaint is the last warning somebody raised about an object: load balancers
// say there, and nowhere else, why they give a Service no address.
func (r *Reconciler) lastComplaint(ctx context.Context, about client.Object) (string, error) {
	var raised corev1.EventList
	err := r.direct.List(ctx, &raised, client.InNamespace(about.GetNamespace()), client.MatchingFields{
		"involvedObject.uid": string(about.GetUID()), "type": corev1.EventTypeWarning,
	})
	if err != nil {
		return "", fmt.Errorf("list events of %s/%s: %w", about.GetNamespace(), about.GetName(), err)
	}
	return latest(raised.Items), nil
}

// aboutSpelling are warnings that accompany success as well: MetalLB's about the
// older prefix of its annotations.
const aboutSpelling = "deprecatedAnnotation"

// maxComplaint keeps a cloud's words readable in a condition.
const maxComplaint = 400

func latest(raised []corev1.Event) string {
	var last time.Time
	message := ""
	for _, event := range raised {
		if event.Reason == aboutSpelling {
			continue
		}
		at := event.LastTimestamp.Time
		if event.Series != nil && event.Series.LastObservedTime.After(at) {
			at = event.Series.LastObservedTime.Time
		}
		if event.EventTime.After(at) {
			at = event.EventTime.Time
		}
		if message == "" || !at.Before(last) {
			last, message = at, event.Message
		}
	}
	return shortened(message, maxComplaint)
}

func shortened(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=list

// countEndpoints counts the pods agents would send events to now, and those of the
// enrollment port that Kubernetes found itself. A pod can be ready a moment before the
// Service in front of it knows, and be known a moment longer than it is to.
func (r *Reconciler) countEndpoints(ctx context.Context, namespace string, state *plan.ServiceState) error {
	var slices discoveryv1.EndpointSliceList
	if err := r.direct.List(ctx, &slices, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: naming.ServiceAgents}); err != nil {
		return fmt.Errorf("list endpoints in %q: %w", namespace, err)
	}
	for _, slice := range slices.Items {
		ready := 0
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				ready++
			}
		}
		if hasPort(slice, naming.PortEvents) {
			state.Mirrored = state.Mirrored || plan.OurEndpoints(slice)
			state.Endpoints += ready
		}
		if hasPort(slice, naming.PortEnrollment) && !plan.OurEndpoints(slice) {
			state.Found += ready
		}
	}
	return nil
}

func hasPort(slice discoveryv1.EndpointSlice, name string) bool {
	for _, port := range slice.Ports {
		if port.Name != nil && *port.Name == name {
			return true
		}
	}
	return false
}
