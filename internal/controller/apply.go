package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=create;patch;delete
// +kubebuilder:rbac:groups="",resources=services;configmaps;serviceaccounts;resourcequotas;limitranges,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;list;watch;create;patch;delete

// apply makes the cluster hold what was decided: the namespace, then the
// secrets its pods mount, then every object the chart renders; at last it
// removes what is no longer rendered and gives up claims no longer needed.
func (r *Reconciler) apply(ctx context.Context, in *plan.Input, desired plan.Desired) error {
	objects, err := r.renderings.of(desired.Placement.Slug, desired.Values)
	if err != nil {
		return err
	}
	namespaces, rest := split(objects)
	if err := r.applyAll(ctx, namespaces); err != nil {
		return err
	}
	if err := r.ensureSecrets(ctx, in, desired); err != nil {
		return err
	}
	if err := r.applyAll(ctx, rest); err != nil {
		return err
	}
	if err := r.prune(ctx, desired.Placement, objects); err != nil {
		return err
	}
	if err := r.applyRoute(ctx, in, desired); err != nil {
		return err
	}
	_, err = r.release(ctx, desired.Placement.Slug, desired.Claims)
	return err
}

func split(objects []*unstructured.Unstructured) (namespaces, rest []*unstructured.Unstructured) {
	for _, object := range objects {
		if object.GetKind() == "Namespace" {
			namespaces = append(namespaces, object)
			continue
		}
		rest = append(rest, object)
	}
	return namespaces, rest
}

func (r *Reconciler) applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if err := r.applyOne(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// applyOne writes an object by server-side apply, unless what we own of it is
// already as we want it: an idle operator writes nothing.
func (r *Reconciler) applyOne(ctx context.Context, want *unstructured.Unstructured) error {
	if !r.watches(want) {
		return fmt.Errorf("%s %s/%s: the cluster has no kind %s; install what provides it (cert-manager for certificates), then restart the operator",
			want.GetKind(), want.GetNamespace(), want.GetName(), want.GroupVersionKind())
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(want.GroupVersionKind())
	err := r.cached.Get(ctx, client.ObjectKeyFromObject(want), live)
	switch {
	case apierrors.IsNotFound(err):
		live = nil
	case err != nil:
		return fmt.Errorf("read %s %s/%s: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
	}
	if live != nil && r.applied.unchanged(want, live) {
		return nil
	}
	written := want.DeepCopy()
	err = r.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(written), client.FieldOwner(naming.Product), client.ForceOwnership)
	if apierrors.IsInvalid(err) {
		return plan.Rejected(want.GetKind()+" "+want.GetName(), err.Error())
	}
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
	}
	r.applied.remember(want, written)
	return nil
}

func (r *Reconciler) watches(object *unstructured.Unstructured) bool {
	for _, gvk := range r.kinds {
		if gvk == object.GroupVersionKind() {
			return true
		}
	}
	return false
}

// prune deletes what an earlier rendering made and this one does not. Secrets
// and the namespace are never pruned: they end with the tenant only.
func (r *Reconciler) prune(ctx context.Context, place plan.Placement, objects []*unstructured.Unstructured) error {
	wanted := map[string]bool{}
	for _, object := range objects {
		wanted[identity(object)] = true
	}
	for _, gvk := range r.kinds {
		if gvk.Kind == "Secret" || gvk.Kind == "Namespace" {
			continue
		}
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk)
		err := r.cached.List(ctx, list, client.InNamespace(place.Namespace), client.MatchingLabels{
			naming.LabelTenant: place.Slug, naming.LabelManagedBy: naming.Product,
		})
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list %s in %q: %w", gvk.Kind, place.Namespace, err)
		}
		for i := range list.Items {
			if wanted[identity(&list.Items[i])] {
				continue
			}
			if err := r.deleteOurs(ctx, &list.Items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func identity(object *unstructured.Unstructured) string {
	return object.GroupVersionKind().GroupKind().String() + "/" + object.GetNamespace() + "/" + object.GetName()
}
