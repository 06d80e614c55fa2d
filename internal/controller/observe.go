package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=regions,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list

// observe looks at everything outside the spec that a decision depends on. It
// never writes.
func (r *Reconciler) observe(ctx context.Context, tenant v1alpha1.Tenant, place plan.Placement, claims map[string]plan.Holder) (plan.Observed, error) {
	seen := plan.Observed{Claims: claims}
	var err error
	if seen.Namespace, err = r.observeNamespace(ctx, place); err != nil {
		return seen, err
	}
	if seen.Route, err = r.observeRoute(ctx, place.Slug); err != nil {
		return seen, err
	}
	if seen.Route != nil {
		seen.Silent = r.beats.silent(ctx, seen.Route.Spec.Region)
	}
	if !seen.Namespace.Exists || seen.Namespace.Foreign != "" || seen.Namespace.Terminating {
		return seen, nil
	}
	if seen.Secret, seen.Enrollment, err = r.observeEnrollment(ctx, tenant, place.Namespace); err != nil {
		return seen, err
	}
	if seen.Certificate, err = r.observeCertificate(ctx, place); err != nil {
		return seen, err
	}
	if seen.Issuance, err = r.observeIssuance(ctx, place); err != nil {
		return seen, err
	}
	if seen.Service, err = r.observeService(ctx, place); err != nil {
		return seen, err
	}
	if seen.PullSecrets, err = r.observePullSecrets(ctx, place); err != nil {
		return seen, err
	}
	if seen.Manager, err = r.observeManager(ctx, tenant, place.Namespace); err != nil {
		return seen, err
	}
	if !tenant.Spec.Suspended && seen.Manager.Ready > 0 && seen.Service.Endpoints > 0 {
		seen.Served = r.observeServed(ctx, place, seen.Certificate)
	}
	if place.Gateway && seen.Manager.Pods > 0 {
		seen.Gateway = r.observeGateway(ctx, place.Slug)
	}
	if place.Alone {
		if err := r.observeAlone(ctx, tenant, place, &seen); err != nil {
			return seen, err
		}
	}
	if seen.Probe, err = r.observeProbe(ctx, tenant, place.Namespace); err != nil {
		return seen, err
	}
	if seen.DNS, err = r.observeDNS(ctx, tenant, place, seen); err != nil {
		return seen, err
	}
	return seen, nil
}

func (r *Reconciler) observeNamespace(ctx context.Context, place plan.Placement) (plan.NamespaceState, error) {
	var namespace corev1.Namespace
	err := r.direct.Get(ctx, types.NamespacedName{Name: place.Namespace}, &namespace)
	if apierrors.IsNotFound(err) {
		return plan.NamespaceState{}, nil
	}
	if err != nil {
		return plan.NamespaceState{}, fmt.Errorf("read namespace %q: %w", place.Namespace, err)
	}
	return plan.NamespaceState{
		Exists:      true,
		CreatedByUs: namespace.Annotations[naming.AnnotationCreatedBy] == naming.Product,
		Terminating: namespace.DeletionTimestamp != nil,
		Foreign:     foreign(namespace, place.Slug),
	}, nil
}

// foreign says why a namespace may not be used for a tenant; it is empty for a
// namespace we made, one SocTalk made for the tenant, and one handed to us by label.
func foreign(namespace corev1.Namespace, slug string) string {
	if owner := namespace.Labels[naming.LabelTenant]; owner != "" {
		if owner == slug {
			return ""
		}
		return fmt.Sprintf("is labelled %s=%s", naming.LabelTenant, owner)
	}
	if namespace.Labels[naming.LabelSocTalkTenant] == "true" && namespace.Labels[naming.LabelSocTalkManagedBy] == "soctalk" {
		return ""
	}
	return "was made by somebody else"
}

// readSecret reads a Secret's bytes from the API server: they are never cached.
// Nil means there is none.
func (r *Reconciler) readSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	var held corev1.Secret
	err := r.direct.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &held)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secret %s/%s: %w", namespace, name, err)
	}
	return &held, nil
}
