package controller

import (
	"context"
	"fmt"
	"slices"

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
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
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
func (r *Reconciler) takeTurn(ctx context.Context, in *plan.Input, desired plan.Desired, objects []*unstructured.Unstructured) (turn plan.Turn, refused error, err error) {
	place := desired.Placement
	ask, err := r.updateInput(ctx, in, place.Slug, place.RegionSpec)
	if err != nil {
		return plan.Turn{}, nil, err
	}
	var held []corev1.Pod
	for _, object := range objects {
		if !hasPods(object) {
			continue
		}
		more, err := r.compare(ctx, object, in.Tenant, place, &ask)
		if isProblem(err) {
			refused = err
		} else if err != nil {
			return plan.Turn{}, nil, err
		}
		held = append(held, more...)
	}
	for _, seat := range ask.Seats {
		if seat.Tenant == place.Slug {
			ask.Unwell = plan.Unwell(*in, place, seat.Since)
		}
	}
	if !ask.Differs && refused == nil {
		if err := r.replaceHeld(ctx, held); err != nil {
			return plan.Turn{}, nil, err
		}
	}
	turn = plan.NextTurn(ask)
	if err := r.sit(ctx, place.Slug, place.Region, turn.Take, ask.Version); err != nil {
		return plan.Turn{}, nil, err
	}
	if turn.Note {
		if err := r.note(ctx, objects); err != nil {
			return plan.Turn{}, nil, err
		}
	}
	return turn, refused, r.leaveSeats(ctx, place.Slug, turn.Leave)
}

// sit takes a seat, if there is one to take.
func (r *Reconciler) sit(ctx context.Context, slug, region, seat, version string) error {
	if seat == "" {
		return nil
	}
	holder, err := r.take(ctx, slug, region, plan.Claim{Name: seat, Kind: v1alpha1.ClaimUpdateSeat, For: version})
	if err == nil && holder.Tenant != slug {
		return errConflict // somebody was faster; the next turn sees who
	}
	return err
}

func (r *Reconciler) updateInput(ctx context.Context, in *plan.Input, slug string, region v1alpha1.RegionSpec) (plan.UpdateInput, error) {
	seats, err := r.seats(ctx)
	return plan.UpdateInput{
		Slug: slug, Namespace: naming.Namespace(slug), Rules: r.options.Updates, Seats: seats, Settled: true, Now: in.Now,
		Told:    meta.FindStatusCondition(in.Tenant.Status.Conditions, v1alpha1.ConditionUpToDate) != nil,
		Waits:   plan.UpdateWaits(in.Tenant),
		Version: plan.Version(r.options.Operator, chart.Digest(), region),
	}, err
}

// compare has the API server say whether a write would restart pods: it alone knows
// its defaults, and who else owns what. It returns the pods that hold a StatefulSet
// up. The error is a problem if the API server would refuse the write.
func (r *Reconciler) compare(ctx context.Context, want *unstructured.Unstructured, tenant v1alpha1.Tenant, place plan.Placement, ask *plan.UpdateInput) (held []corev1.Pod, err error) {
	live, err := r.live(ctx, want.GroupVersionKind(), client.ObjectKeyFromObject(want))
	if live == nil || err != nil {
		return nil, err // the first time restarts nobody
	}
	if held, err = r.lookAtPods(ctx, live, ask); err != nil || r.applied.unchanged(want, live) {
		return held, err
	}
	ask.Own = ask.Own || plan.AskedMore(plan.AskedBy(tenant, place), carried(live, tenant, place))
	would := want.DeepCopy()
	err = r.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(would), client.FieldOwner(naming.Product), client.ForceOwnership, client.DryRunAll)
	if apierrors.IsInvalid(err) {
		object := want.GetKind() + " " + want.GetName()
		ask.Refused = object + ": " + err.Error()
		return held, plan.Rejected(object, err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("try to apply %s %s/%s: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
	}
	before, _, _ := unstructured.NestedMap(live.Object, "spec", "template")
	after, _, _ := unstructured.NestedMap(would.Object, "spec", "template")
	ask.Differs = ask.Differs || !equality.Semantic.DeepEqual(before, after)
	return held, nil
}

// live is an object as it is now; nil when there is none.
func (r *Reconciler) live(ctx context.Context, kind schema.GroupVersionKind, key client.ObjectKey) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kind)
	err := r.cached.Get(ctx, key, live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind.Kind, key, err)
	}
	return live, nil
}

// lookAtPods says how the pods of one object are doing, and which of them hold it up.
func (r *Reconciler) lookAtPods(ctx context.Context, live *unstructured.Unstructured, ask *plan.UpdateInput) (held []corev1.Pod, err error) {
	state, err := podsOf(live)
	if err != nil {
		return nil, err
	}
	ask.Serving = ask.Serving || state.serving
	if state.settled {
		return nil, nil
	}
	pods, err := r.podsBehind(ctx, live)
	if err != nil {
		return nil, err
	}
	ask.Settled, ask.Trouble = false, podTrouble(pods)
	return former(pods, state.revision), nil
}

// note writes onto pods that are left as they are what the tenant asks for now. What
// a person changes from here on is then told from what an update brings.
func (r *Reconciler) note(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, want := range objects {
		if !hasPods(want) {
			continue
		}
		live, err := r.live(ctx, want.GroupVersionKind(), client.ObjectKeyFromObject(want))
		if err != nil {
			return err
		}
		text := want.GetAnnotations()[naming.AnnotationOwnSpec]
		if live == nil || live.GetAnnotations()[naming.AnnotationOwnSpec] == text {
			continue
		}
		after := live.DeepCopy()
		notes := after.GetAnnotations()
		if notes == nil {
			notes = map[string]string{}
		}
		notes[naming.AnnotationOwnSpec] = text
		after.SetAnnotations(notes)
		if err := r.writer.Patch(ctx, after, client.MergeFrom(live), client.FieldOwner(naming.Product)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("note on %s %s/%s what the tenant asks for: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
		}
	}
	return nil
}

// podsState is how the pods of one object are doing: settled when every one is of the
// last change and ready, serving while any is ready. The revision is the one that a
// StatefulSet's pods are to have, once its controller has seen the last change.
type podsState struct {
	settled, serving bool
	revision         string
}

func podsOf(live *unstructured.Unstructured) (podsState, error) {
	if live.GetKind() == "Deployment" {
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &d); err != nil {
			return podsState{}, fmt.Errorf("read deployment %s/%s: %w", live.GetNamespace(), live.GetName(), err)
		}
		s := d.Status
		all := s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == s.Replicas && s.ReadyReplicas == s.Replicas
		return podsState{settled: all && s.Replicas > 0, serving: s.ReadyReplicas > 0}, nil
	}
	var set appsv1.StatefulSet
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &set); err != nil {
		return podsState{}, fmt.Errorf("read stateful set %s/%s: %w", live.GetNamespace(), live.GetName(), err)
	}
	s := set.Status
	state := podsState{serving: s.ReadyReplicas > 0}
	if s.ObservedGeneration >= set.Generation {
		state.revision = s.UpdateRevision
		state.settled = s.CurrentRevision == s.UpdateRevision && s.ReadyReplicas == s.Replicas && s.Replicas > 0
	}
	return state, nil
}

func (r *Reconciler) podsBehind(ctx context.Context, live *unstructured.Unstructured) ([]corev1.Pod, error) {
	wanted, _, _ := unstructured.NestedStringMap(live.Object, "spec", "selector", "matchLabels")
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(live.GetNamespace()), client.MatchingLabels(wanted)); err != nil {
		return nil, fmt.Errorf("list pods of %s %s/%s: %w", live.GetKind(), live.GetNamespace(), live.GetName(), err)
	}
	return pods.Items, nil
}

// former are the pods that are not of the revision wanted, and not ready.
func former(pods []corev1.Pod, revision string) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool {
		of := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
		return revision == "" || of == "" || of == revision || pod.DeletionTimestamp != nil || managerapi.PodReady(pod)
	})
}

// +kubebuilder:rbac:groups="",resources=pods,verbs=delete

// replaceHeld takes away pods that were to be replaced and never got ready. A
// StatefulSet waits for them before it goes on, also to the version that would heal
// them, and so for ever.
func (r *Reconciler) replaceHeld(ctx context.Context, held []corev1.Pod) error {
	for i := range held {
		if err := r.deleteOurs(ctx, &held[i]); err != nil {
			return err
		}
	}
	return nil
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
			For: claim.Annotations[naming.AnnotationUpdateFor],
		})
	}
	return seats, nil
}

// leaveSeats gives seats up that are the tenant's still: somebody else may have taken
// one since it was seen.
func (r *Reconciler) leaveSeats(ctx context.Context, slug string, names []string) error {
	for _, name := range names {
		var claim v1alpha1.Claim
		err := r.cached.Get(ctx, client.ObjectKey{Name: name}, &claim)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read claim %s: %w", name, err)
		}
		if claim.Spec.Tenant != slug {
			continue
		}
		if err := giveUp(ctx, r.cached, r.writer, &claim, r.options.Now()); err != nil {
			return err
		}
	}
	return nil
}

// leaveAnyway gives up the seats of a tenant that is being removed.
func (r *Reconciler) leaveAnyway(ctx context.Context, slug string) error {
	seats, err := r.seats(ctx)
	if err != nil {
		return err
	}
	for _, seat := range seats {
		if seat.Tenant == slug {
			if err := r.leaveSeats(ctx, slug, []string{seat.Name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// standAside is the turn of a tenant whose spec is not carried out; nil if it has no
// seat and waits for none.
func (r *Reconciler) standAside(ctx context.Context, in *plan.Input, problem error) (*plan.Turn, error) {
	slug := in.Tenant.Name
	var region v1alpha1.RegionSpec
	for _, known := range in.Regions {
		if known.Name == in.Tenant.Status.Region {
			region = known.Spec
		}
	}
	ask, err := r.updateInput(ctx, in, slug, region)
	if err != nil {
		return nil, err
	}
	ask.Problem = problem.Error()
	for kind, name := range map[string]string{"StatefulSet": naming.Manager, "Deployment": naming.ServiceGateway} {
		live, err := r.live(ctx, appsv1.SchemeGroupVersion.WithKind(kind), client.ObjectKey{Namespace: ask.Namespace, Name: name})
		if err != nil {
			return nil, err
		}
		if live == nil {
			continue
		}
		if _, err := r.lookAtPods(ctx, live, &ask); err != nil {
			return nil, err
		}
	}
	turn := plan.NextTurn(ask)
	return &turn, r.leaveSeats(ctx, slug, turn.Leave)
}
