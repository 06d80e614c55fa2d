package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=create;patch;delete
// +kubebuilder:rbac:groups="",resources=services;configmaps;serviceaccounts;resourcequotas;limitranges,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=statefulsets;deployments,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;list;watch;create;patch;delete

// apply makes the cluster hold what was decided: the namespace, then the
// secrets its pods mount, then every object the chart renders; at last it
// removes what is no longer rendered and gives up claims no longer needed. An
// object the API server refuses keeps none of the others from being applied: a
// change of storage that cannot be made must not stop a certificate's renewal.
func (r *Reconciler) apply(ctx context.Context, in *plan.Input, desired plan.Desired, waits *plan.Turn) (*plan.Turn, error) {
	objects, err := r.renderings.of(desired.Placement.Slug, plan.AskedBy(in.Tenant, desired.Placement).String(), desired.Values)
	if err != nil {
		return nil, err
	}
	if waits != nil {
		if waits.Note {
			if err := r.note(ctx, objects); err != nil {
				return nil, err
			}
		}
		return waits, r.applyObjects(ctx, in, desired, objects, false)
	}
	turn, refused, err := r.takeTurn(ctx, in, desired, objects)
	if err != nil {
		return nil, err
	}
	if err := r.applyObjects(ctx, in, desired, objects, turn.Write); err != nil || refused == nil {
		return &turn, err
	}
	return &turn, refused
}

// applyObjects leaves the pods, and what they mount, as they are unless it is their turn.
func (r *Reconciler) applyObjects(ctx context.Context, in *plan.Input, desired plan.Desired, objects []*unstructured.Unstructured, pods bool) error {
	namespaces, rest := split(objects)
	if !pods {
		rest = slices.DeleteFunc(rest, func(object *unstructured.Unstructured) bool { return ofPods(object.GroupVersionKind()) })
	}
	if err := r.makeNamespace(ctx, in, desired.Placement); err != nil {
		return err
	}
	if err := r.applyAll(ctx, namespaces); err != nil {
		return err
	}
	if err := r.ensureSecrets(ctx, in, desired); err != nil {
		return err
	}
	if err := r.mirror(ctx, in, desired.Placement); err != nil {
		return err
	}
	refused := r.applyAll(ctx, rest)
	if refused != nil && !isProblem(refused) {
		return refused
	}
	if err := r.prune(ctx, desired.Placement, objects, pods); err != nil {
		return err
	}
	if pods {
		if err := r.dropPullSecrets(ctx, desired.Placement); err != nil {
			return err
		}
	}
	if err := r.followManager(ctx, desired.Placement, desired.StrayGateway); err != nil {
		return err
	}
	if err := r.aim(ctx, in, &desired); err != nil {
		return err
	}
	if err := r.restFormer(ctx, in, desired.Placement); err != nil {
		return err
	}
	if err := r.applyRoute(ctx, in, desired); err != nil {
		return err
	}
	named := r.applyNames(ctx, in, desired)
	if named != nil && !isProblem(named) {
		return named
	}
	if _, err := r.release(ctx, r.cached, desired.Placement.Slug, append(plan.KeptClaims(*in, desired.Placement), desired.Claims...)); err != nil {
		return err
	}
	if refused == nil {
		return named
	}
	return refused
}

// makeNamespace creates the namespace where none was seen. Applying would not
// tell a namespace that somebody made in this very moment from our own, and mark
// it as ours to delete.
func (r *Reconciler) makeNamespace(ctx context.Context, in *plan.Input, place plan.Placement) error {
	if in.Observed.Namespace.Exists || in.Tenant.Spec.Manager.Attach != nil {
		return nil
	}
	err := r.writer.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:        place.Namespace,
		Labels:      map[string]string{naming.LabelTenant: place.Slug, naming.LabelManagedBy: naming.Product},
		Annotations: map[string]string{naming.AnnotationCreatedBy: naming.Product},
	}})
	if apierrors.IsAlreadyExists(err) {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("create namespace %q: %w", place.Namespace, err)
	}
	return nil
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

// applyAll applies what it can; the error is the first problem, or anything else
// at once. What starts pods comes last: the policies that fence them are there.
func (r *Reconciler) applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	var first, pods []*unstructured.Unstructured
	for _, object := range objects {
		if kind := object.GetKind(); kind == "StatefulSet" || kind == "Deployment" {
			pods = append(pods, object)
			continue
		}
		first = append(first, object)
	}
	refused := r.applyTogether(ctx, first)
	if refused != nil && !isProblem(refused) {
		return refused
	}
	if err := r.applyTogether(ctx, pods); refused == nil || err != nil && !isProblem(err) {
		return err
	}
	return refused
}

// applyAtOnce is how many objects of one tenant are applied at a time.
const applyAtOnce = 4

// applyTogether applies objects that do not wait for one another. Of several
// errors it is the first, in the objects' order, but a problem counts least.
func (r *Reconciler) applyTogether(ctx context.Context, objects []*unstructured.Unstructured) error {
	errs := make([]error, len(objects))
	room := make(chan struct{}, applyAtOnce)
	var all sync.WaitGroup
	for i, object := range objects {
		room <- struct{}{}
		all.Go(func() {
			errs[i] = r.applyOne(ctx, object)
			<-room
		})
	}
	all.Wait()
	var refused error
	for _, err := range errs {
		if err != nil && !isProblem(err) {
			return err
		}
		if refused == nil {
			refused = err
		}
	}
	return refused
}

func isProblem(err error) bool {
	var problem *plan.Problem
	return errors.As(err, &problem)
}

// applyOne writes an object by server-side apply, unless what we own of it is
// already as we want it: an idle operator writes nothing.
func (r *Reconciler) applyOne(ctx context.Context, want *unstructured.Unstructured) error {
	if !r.watches(want) {
		return plan.NotInstalled(want.GetKind()+" "+want.GetName(), want.GetKind())
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

// prune deletes what an earlier rendering made and this one does not. Secrets,
// volume claims and the namespace are never pruned: they end with the tenant only.
func (r *Reconciler) prune(ctx context.Context, place plan.Placement, objects []*unstructured.Unstructured, pods bool) error {
	wanted := map[string]bool{}
	for _, object := range objects {
		wanted[identity(object)] = true
	}
	for _, gvk := range r.kinds {
		if gvk.Kind == "Secret" || gvk.Kind == "Namespace" || gvk.Kind == "PersistentVolumeClaim" || !pods && ofPods(gvk) {
			continue
		}
		if err := r.pruneKind(ctx, place, gvk, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) pruneKind(ctx context.Context, place plan.Placement, gvk schema.GroupVersionKind, wanted map[string]bool) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk)
	err := r.cached.List(ctx, list, client.InNamespace(place.Namespace), client.MatchingLabels{
		naming.LabelTenant: place.Slug, naming.LabelManagedBy: naming.Product,
	})
	if meta.IsNoMatchError(err) {
		return nil
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
	return nil
}

func identity(object *unstructured.Unstructured) string {
	return object.GroupVersionKind().GroupKind().String() + "/" + object.GetNamespace() + "/" + object.GetName()
}
