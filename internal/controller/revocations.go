package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// RevocationReconciler carries revocations out, one step at a time. That the
// gateway refuses the host, the Tenant's reconciler sees to; this one waits for it.
type RevocationReconciler struct {
	*Reconciler
	rolls    *rolls
	refusals *refusals
}

// Pauses between looks at a revocation that is done: its host may go on trying.
const (
	refusedPoll     = 5 * time.Second
	longRefusedPoll = 5 * time.Minute
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=revocations,verbs=get;list;watch
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=revocations/status,verbs=patch

// Reconcile makes the next move of one revocation.
func (r *RevocationReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var revocation v1alpha1.Revocation
	err := r.cached.Get(ctx, request.NamespacedName, &revocation)
	if apierrors.IsNotFound(err) {
		return ctrl.Result{}, r.forget(ctx, request.Namespace) // the ban ended with the object
	}
	if err != nil || revocation.DeletionTimestamp != nil {
		return ctrl.Result{}, err
	}
	tenant, err := r.tenantIn(ctx, revocation.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	in := plan.RevocationInput{Revocation: revocation, Now: r.options.Now()}
	if tenant == nil {
		return r.record(ctx, in, plan.Revoke(in))
	}
	in.Tenant = tenant.Name
	if tenant.Status.Manager != nil {
		in.Manager = tenant.Status.Manager.Version
	}
	wait, err := r.look(ctx, &in, *tenant)
	if err != nil || wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, err
	}
	move := plan.Revoke(in)
	result, err := r.record(ctx, in, move)
	if err != nil || !move.Delete {
		return result, err
	}
	return r.deregister(ctx, in, *tenant, move)
}

// forget drops what is remembered for a tenant with its last revocation.
func (r *RevocationReconciler) forget(ctx context.Context, namespace string) error {
	var left v1alpha1.RevocationList
	if err := r.cached.List(ctx, &left, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return fmt.Errorf("list revocations in %q: %w", namespace, err)
	}
	if slug := naming.SlugOf(namespace); len(left.Items) == 0 {
		r.rolls.forget(slug)
		r.refusals.forget(slug)
	}
	return nil
}

// look gathers what the next move depends on. A wait says that the manager was
// asked too often lately.
func (r *RevocationReconciler) look(ctx context.Context, in *plan.RevocationInput, tenant v1alpha1.Tenant) (wait time.Duration, err error) {
	if in.Guard, err = r.guard(ctx, tenant); err != nil {
		return 0, err
	}
	if in.Route, err = r.observeRoute(ctx, tenant.Name); err != nil {
		return 0, err
	}
	if in.Guard.Mode == v1alpha1.EnrollmentGateway {
		r.countRefusals(ctx, in, tenant)
	}
	api, err := r.api(ctx, tenant)
	if err != nil {
		in.Agent.Problem = err.Error()
		return 0, nil
	}
	agents, wait, err := r.rolls.list(ctx, tenant.Name, api, in.Revocation.CreationTimestamp.Time, in.Revocation.Spec.AgentID)
	if err != nil || wait > 0 {
		if err != nil {
			in.Agent.Problem = words(err)
		}
		return wait, nil
	}
	in.Agent = seenIn(agents, in.Revocation.Spec)
	return 0, r.lookCloser(ctx, in, tenant, api)
}

// lookCloser asks about the one agent, where its step needs that.
func (r *RevocationReconciler) lookCloser(ctx context.Context, in *plan.RevocationInput, tenant v1alpha1.Tenant, api *wazuh.API) error {
	spec, status := in.Revocation.Spec, in.Revocation.Status
	if status.Step == v1alpha1.RevocationCut && in.Route == nil {
		at, err := r.rolls.turned(ctx, tenant.Name, api, spec.AgentID, status.DeregisteredAt.Time)
		if err != nil {
			ctrl.LoggerFrom(ctx).V(1).Info("read the manager's log", "error", err.Error())
		}
		in.Turned = at
	}
	if in.Agent.Name != spec.AgentName || status.AgentStatus != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	if err := r.rolls.of(tenant.Name).single.Wait(ctx); err != nil {
		return err
	}
	key, err := api.AgentKey(ctx, spec.AgentID)
	switch {
	case err != nil && !final(err):
		in.Agent = plan.AgentSeen{Problem: words(err)}
	case err != nil:
		in.Agent.KeyProblem = words(err)
	case key.Name != spec.AgentName:
		in.Agent.Name = key.Name // between the list and the key, the id changed hands
	default:
		in.Agent.KeyHash = key.Hash()
	}
	return nil
}

// final is true for an answer that would be the same the next time.
func final(err error) bool {
	var problem *wazuh.Problem
	return wazuh.HasCode(err, wazuh.CodeDenied) || errors.As(err, &problem) && (problem.Status == http.StatusNotFound || problem.Status == http.StatusMethodNotAllowed)
}

// countRefusals reads what is new in the gateway's enrollment log.
func (r *RevocationReconciler) countRefusals(ctx context.Context, in *plan.RevocationInput, tenant v1alpha1.Tenant) {
	refused := r.refusals.of(tenant.Name)
	if gateway, err := r.gateway(ctx, tenant.Name); err == nil {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		if err := refused.read(ctx, gateway); err != nil {
			ctrl.LoggerFrom(ctx).V(1).Info("read the enrollment log", "error", err.Error())
		}
	}
	last := time.Time{}
	if at := in.Revocation.Status.LastRefused; at != nil {
		last = at.Time
	}
	in.Refused = refused.take(in.Revocation.Name, last, in.Now)
}

// deregister deletes the registration; what the move knew of the agent is stored.
func (r *RevocationReconciler) deregister(ctx context.Context, in plan.RevocationInput, tenant v1alpha1.Tenant, stored plan.RevocationMove) (ctrl.Result, error) {
	api, err := r.api(ctx, tenant)
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, removalTimeout)
		defer cancel()
		if err = r.rolls.of(tenant.Name).single.Wait(bounded); err == nil {
			_, err = api.DeleteAgents(bounded, in.Revocation.Spec.AgentID)
		}
	}
	if err != nil {
		in.DeleteProblem, in.Revocation.Status = words(err), stored.Status
		return r.record(ctx, in, plan.Revoke(in))
	}
	r.rolls.of(tenant.Name).deletedNow(in.Revocation.Spec.AgentID, r.options.Now())
	return ctrl.Result{RequeueAfter: conflictPause}, nil
}

// record writes the status if it changed, and says when to look again.
func (r *RevocationReconciler) record(ctx context.Context, in plan.RevocationInput, move plan.RevocationMove) (ctrl.Result, error) {
	was := in.Revocation
	if !equality.Semantic.DeepEqual(was.Status, move.Status) {
		before, after := was.DeepCopy(), was.DeepCopy()
		after.Status = move.Status
		err := r.writer.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conflictPause}, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("write status of revocation %s/%s: %w", was.Namespace, was.Name, err)
		}
		r.tell(&was, was.Status.Conditions, move.Status.Conditions)
	}
	if move.Again > 0 {
		return ctrl.Result{RequeueAfter: move.Again}, nil
	}
	return ctrl.Result{RequeueAfter: calm(in.Now, move.Status)}, nil
}

// calm is a tenth of the time since a revocation came to rest, within bounds.
func calm(now time.Time, status v1alpha1.RevocationStatus) time.Duration {
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	since := now.Sub(ready.LastTransitionTime.Time)
	return min(max(refusedPoll, since/10), longRefusedPoll)
}

// watchAgents adds the controllers of what people ask about single agents.
func (r *Reconciler) watchAgents(mgr ctrl.Manager) error {
	if err := (&TokenReconciler{Reconciler: r}).watch(mgr); err != nil {
		return err
	}
	return (&RevocationReconciler{Reconciler: r, rolls: newRolls(r.options.Now), refusals: newRefusals()}).watch(mgr)
}

func (r *RevocationReconciler) watch(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("revocation").
		For(&v1alpha1.Revocation{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(r.revocationsOf), builder.WithPredicates(guardChanges())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watch revocations: %w", err)
	}
	return nil
}

// revocationsOf wakes a tenant's revocations when its gateway obeys something else.
func (r *RevocationReconciler) revocationsOf(ctx context.Context, tenant client.Object) []reconcile.Request {
	var revocations v1alpha1.RevocationList
	if err := r.cached.List(ctx, &revocations, client.InNamespace(naming.Namespace(tenant.GetName()))); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list revocations")
		return nil
	}
	var requests []reconcile.Request
	for i := range revocations.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&revocations.Items[i])})
	}
	return requests
}

// guardChanges lets through what changes who answers on the enrollment port, or
// what it obeys.
func guardChanges() predicate.Predicate {
	facts := func(object client.Object) v1alpha1.EnrollmentStatus {
		if tenant, ok := object.(*v1alpha1.Tenant); ok && tenant.Status.Enrollment != nil {
			return v1alpha1.EnrollmentStatus{Mode: tenant.Status.Enrollment.Mode, PolicyGeneration: tenant.Status.Enrollment.PolicyGeneration}
		}
		return v1alpha1.EnrollmentStatus{}
	}
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return facts(e.ObjectOld) != facts(e.ObjectNew) || e.ObjectOld.GetDeletionTimestamp() == nil && e.ObjectNew.GetDeletionTimestamp() != nil
		},
	}
}
