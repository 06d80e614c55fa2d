package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// hasPods is true for an object whose change restarts pods.
func hasPods(object *unstructured.Unstructured) bool {
	return object.GetKind() == "StatefulSet" || object.GetKind() == "Deployment"
}

// ofPods is true for an object that must not be ahead of the pods that mount it: it is
// written and pruned when they are.
func ofPods(kind schema.GroupVersionKind) bool {
	return kind.Kind == "StatefulSet" || kind.Kind == "Deployment" || kind.Kind == "ConfigMap"
}

// takeTurn finds out whether the tenant's pods may be changed now, and takes the seat
// that goes with it. Two tenants that see one seat free race for its Claim, which the
// API server stores once.
func (r *Reconciler) takeTurn(ctx context.Context, in *plan.Input, desired plan.Desired, objects []*unstructured.Unstructured) (plan.Turn, error) {
	place := desired.Placement
	ask, err := r.updateInput(ctx, in, place, objects)
	if err != nil {
		return plan.Turn{}, err
	}
	turn := plan.NextTurn(ask)
	if turn.Take != "" {
		holder, err := r.take(ctx, place.Slug, place.Region, plan.Claim{Name: turn.Take, Kind: v1alpha1.ClaimUpdateSeat})
		if err != nil {
			return plan.Turn{}, err
		}
		if holder.Tenant != place.Slug {
			return plan.Turn{}, errConflict // somebody was faster; the next turn sees who
		}
	}
	return turn, r.leaveSeats(ctx, turn.Leave)
}

func (r *Reconciler) updateInput(ctx context.Context, in *plan.Input, place plan.Placement, objects []*unstructured.Unstructured) (plan.UpdateInput, error) {
	ask := plan.UpdateInput{
		Slug: place.Slug, Namespace: place.Namespace, Rules: r.options.Updates, Settled: true, Now: in.Now,
		Told: meta.FindStatusCondition(in.Tenant.Status.Conditions, v1alpha1.ConditionUpToDate) != nil,
	}
	var err error
	if ask.Seats, err = r.seats(ctx); err != nil {
		return ask, err
	}
	for _, object := range objects {
		if hasPods(object) {
			if err := r.compare(ctx, object, &ask); err != nil {
				return ask, err
			}
		}
	}
	for _, seat := range ask.Seats {
		if seat.Tenant == place.Slug {
			ask.Unwell = plan.Unwell(*in, place, seat.Since)
		}
	}
	return ask, nil
}

// compare has the API server say whether a write would restart pods: it alone knows
// its defaults, and who else owns what.
func (r *Reconciler) compare(ctx context.Context, want *unstructured.Unstructured, ask *plan.UpdateInput) error {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(want.GroupVersionKind())
	err := r.cached.Get(ctx, client.ObjectKeyFromObject(want), live)
	if apierrors.IsNotFound(err) {
		return nil // the first time restarts nobody
	}
	if err != nil {
		return fmt.Errorf("read %s %s/%s: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
	}
	pods, err := podsOf(live)
	if err != nil {
		return err
	}
	ask.Serving = ask.Serving || pods.serving
	if !pods.settled {
		ask.Settled = false
		if ask.Trouble, err = r.troubleOf(ctx, live); err != nil {
			return err
		}
	}
	if r.applied.unchanged(want, live) {
		return nil
	}
	would := want.DeepCopy()
	err = r.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(would), client.FieldOwner(naming.Product), client.ForceOwnership, client.DryRunAll)
	if apierrors.IsInvalid(err) {
		return nil // the write itself will tell
	}
	if err != nil {
		return fmt.Errorf("try to apply %s %s/%s: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
	}
	before, _, _ := unstructured.NestedMap(live.Object, "spec", "template")
	after, _, _ := unstructured.NestedMap(would.Object, "spec", "template")
	if equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	ask.Differs = true
	asked := live.GetAnnotations()[naming.AnnotationOwnSpec]
	ask.Own = ask.Own || asked != "" && asked != want.GetAnnotations()[naming.AnnotationOwnSpec]
	return nil
}

// podsState is how the pods of one object are doing: settled when every one is of the
// last change and ready, serving while any is ready.
type podsState struct{ settled, serving bool }

func podsOf(live *unstructured.Unstructured) (podsState, error) {
	if live.GetKind() == "Deployment" {
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &d); err != nil {
			return podsState{}, fmt.Errorf("read deployment %s/%s: %w", live.GetNamespace(), live.GetName(), err)
		}
		s := d.Status
		all := s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == s.Replicas && s.ReadyReplicas == s.Replicas
		return podsState{all && s.Replicas > 0, s.ReadyReplicas > 0}, nil
	}
	var set appsv1.StatefulSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &set); err != nil {
		return podsState{}, fmt.Errorf("read stateful set %s/%s: %w", live.GetNamespace(), live.GetName(), err)
	}
	s := set.Status
	all := s.ObservedGeneration >= set.Generation && s.CurrentRevision == s.UpdateRevision && s.ReadyReplicas == s.Replicas
	return podsState{all && s.Replicas > 0, s.ReadyReplicas > 0}, nil
}

// troubleOf says what keeps the containers of an object's pods from running.
func (r *Reconciler) troubleOf(ctx context.Context, live *unstructured.Unstructured) (string, error) {
	wanted, _, _ := unstructured.NestedStringMap(live.Object, "spec", "selector", "matchLabels")
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(live.GetNamespace()), client.MatchingLabels(wanted)); err != nil {
		return "", fmt.Errorf("list pods of %s %s/%s: %w", live.GetKind(), live.GetNamespace(), live.GetName(), err)
	}
	return podTrouble(pods.Items), nil
}

// seats are all that are taken, with how their tenants are doing.
func (r *Reconciler) seats(ctx context.Context) ([]plan.Seat, error) {
	var claims v1alpha1.ClaimList
	if err := r.cached.List(ctx, &claims); err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	var seats []plan.Seat
	for _, claim := range claims.Items {
		if claim.Spec.Kind != v1alpha1.ClaimUpdateSeat {
			continue
		}
		var tenant v1alpha1.Tenant
		err := r.cached.Get(ctx, client.ObjectKey{Name: claim.Spec.Tenant}, &tenant)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read tenant %q: %w", claim.Spec.Tenant, err)
		}
		seats = append(seats, plan.Seat{
			Name: claim.Name, Tenant: claim.Spec.Tenant, Since: claim.CreationTimestamp.UTC(), Failed: plan.UpdateFailed(tenant),
		})
	}
	return seats, nil
}

func (r *Reconciler) leaveSeats(ctx context.Context, names []string) error {
	for _, name := range names {
		var claim v1alpha1.Claim
		err := r.cached.Get(ctx, client.ObjectKey{Name: name}, &claim)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read claim %s: %w", name, err)
		}
		if err := giveUp(ctx, r.cached, r.writer, &claim, r.options.Now()); err != nil {
			return err
		}
	}
	return nil
}

// leaveAnyway gives up the seats of a tenant whose pods nobody changes any more: it is
// being removed, or its spec is wrong while they are ready.
func (r *Reconciler) leaveAnyway(ctx context.Context, slug string, onlySettled bool) error {
	seats, err := r.seats(ctx)
	if err != nil {
		return err
	}
	for _, seat := range seats {
		if seat.Tenant != slug {
			continue
		}
		if onlySettled {
			if done, err := r.podsSettled(ctx, slug); err != nil || !done {
				return err
			}
		}
		if err := r.leaveSeats(ctx, []string{seat.Name}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) podsSettled(ctx context.Context, slug string) (bool, error) {
	for kind, name := range map[string]string{"StatefulSet": naming.Manager, "Deployment": naming.ServiceGateway} {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind(kind))
		err := r.cached.Get(ctx, client.ObjectKey{Namespace: naming.Namespace(slug), Name: name}, live)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read %s %s: %w", kind, name, err)
		}
		if pods, err := podsOf(live); err != nil || !pods.settled {
			return false, err
		}
	}
	return true, nil
}
