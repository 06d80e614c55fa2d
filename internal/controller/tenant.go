package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// Pauses before looking again at a tenant that waits for something no watch tells
// of: a DNS answer, a manager's API. They grow with the time it has been waiting.
const (
	waitingPoll     = 2 * time.Second
	longWaitingPoll = time.Minute
	// arrivalPoll is the pause while agents come in.
	arrivalPoll = 5 * time.Second
)

// agentsCome is true while the numbers of agents change, as in a roll-out: a fresh
// agent goes from enrolled to active within half a minute, and somebody is watching.
func agentsCome(before, after *v1alpha1.AgentCounts) bool {
	return before != nil && after != nil && *before != *after
}

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=tenants,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=tenants/status,verbs=patch

// Reconcile brings one tenant closer to its spec and says how far it came.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var tenant v1alpha1.Tenant
	if err := r.cached.Get(ctx, request.NamespacedName, &tenant); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	result, err := r.turn(ctx, request, tenant)
	if errors.Is(err, errConflict) {
		return ctrl.Result{RequeueAfter: conflictPause}, nil
	}
	return result, err
}

// conflictPause lets the cache catch up with what made us wrong.
const conflictPause = 20 * time.Millisecond

func (r *Reconciler) turn(ctx context.Context, request ctrl.Request, tenant v1alpha1.Tenant) (ctrl.Result, error) {
	if tenant.DeletionTimestamp != nil {
		return r.offboard(ctx, request)
	}
	if err := r.addFinalizer(ctx, &tenant); err != nil {
		return ctrl.Result{}, err
	}
	in, waits, err := r.input(ctx, tenant)
	if err != nil {
		return ctrl.Result{}, err
	}
	outcome := r.reach(ctx, &in, waits)
	if errors.Is(outcome.Err, errConflict) {
		return ctrl.Result{}, outcome.Err
	}
	return r.report(ctx, in, outcome)
}

// reach decides and applies. What it decided is returned even when applying
// failed, so that the report can describe it. A tenant that waits has its turn already.
func (r *Reconciler) reach(ctx context.Context, in *plan.Input, waits *plan.Turn) plan.Outcome {
	desired, err := r.decide(ctx, in)
	if isProblem(err) {
		// What runs under the last good spec goes on running, its certificate too.
		turn, aside := r.standAside(ctx, in, err)
		return plan.Outcome{Turn: turn, Err: errors.Join(err, r.renewHeld(ctx, in.Tenant.Name, tlsSecret(in.Tenant)), aside)}
	}
	if err != nil {
		return plan.Outcome{Err: err}
	}
	wrote := r.writes.Load()
	turn, refused := r.apply(ctx, in, desired, waits)
	if refused == nil {
		refused = r.cut(ctx, in.Tenant, &desired)
	}
	outcome := plan.Outcome{Desired: desired, Turn: turn, Err: refused}
	if refused != nil && !isProblem(refused) || r.writes.Load() == wrote {
		return outcome // nothing more was written, so what was seen still holds
	}
	// Look again: the report speaks of what is there now, and of a zone that would
	// not be written.
	before := in.Observed.DNS
	in.Observed, err = r.observe(ctx, in.Tenant, desired.Placement, in.Observed.Claims)
	keepComplaints(before, &in.Observed.DNS)
	outcome.Err = errors.Join(refused, err)
	return outcome
}

func tlsSecret(tenant v1alpha1.Tenant) string {
	if name := tenant.Spec.WazuhIngress.TLS.SecretName; name != "" {
		return name
	}
	return naming.SecretTLS
}

// decide plans, claims, and plans again when another tenant was faster.
func (r *Reconciler) decide(ctx context.Context, in *plan.Input) (plan.Desired, error) {
	const attempts = 8
	for range attempts {
		desired, err := plan.Tenant(*in)
		if err != nil {
			return plan.Desired{}, err
		}
		lost, err := r.claim(ctx, in, desired.Placement.Region, desired.Claims)
		if err != nil {
			return plan.Desired{}, err
		}
		if !lost {
			return desired, nil
		}
	}
	return plan.Desired{}, fmt.Errorf("claim names for tenant %q: lost %d races in a row", in.Tenant.Name, attempts)
}

// input gathers everything a decision may depend on. The turn is that of a tenant that
// waits with its Region's choice.
func (r *Reconciler) input(ctx context.Context, tenant v1alpha1.Tenant) (plan.Input, *plan.Turn, error) {
	var regions v1alpha1.RegionList
	if err := r.cached.List(ctx, &regions); err != nil {
		return plan.Input{}, nil, fmt.Errorf("list regions: %w", err)
	}
	claims, err := r.claims(ctx)
	if err != nil {
		return plan.Input{}, nil, err
	}
	in := plan.Input{
		Tenant: tenant, Regions: regions.Items, Operator: r.options.Operator,
		Drain: r.options.Drain, CountAge: r.options.CountAge, Now: r.options.Now(),
	}
	in.Observed.Claims = claims
	waits, err := r.hold(ctx, &in)
	if err != nil {
		return in, nil, err
	}
	place, err := plan.Place(tenant, in.Regions)
	if err != nil {
		return in, waits, nil // plan.Tenant meets the same problem and reports it
	}
	in.Observed, err = r.observe(ctx, tenant, place, claims)
	return in, waits, err
}

func (r *Reconciler) addFinalizer(ctx context.Context, tenant *v1alpha1.Tenant) error {
	if controllerutil.ContainsFinalizer(tenant, naming.Finalizer) {
		return nil
	}
	before := tenant.DeepCopy()
	controllerutil.AddFinalizer(tenant, naming.Finalizer)
	if err := r.writer.Patch(ctx, tenant, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("add finalizer to tenant %q: %w", tenant.Name, err)
	}
	return nil
}

// report writes the status once, if it changed, and says when to look again.
func (r *Reconciler) report(ctx context.Context, in plan.Input, outcome plan.Outcome) (ctrl.Result, error) {
	status := plan.Report(in, outcome)
	if err := r.patchStatus(ctx, in.Tenant, status); err != nil {
		return ctrl.Result{}, err
	}
	r.announceGivenUp(in, status)
	var problem *plan.Problem
	switch {
	case errors.As(outcome.Err, &problem) && problem.Waiting():
		return ctrl.Result{RequeueAfter: r.pause(in, status)}, nil
	case errors.As(outcome.Err, &problem):
		// A person must act. Watches on spec, Region and claims wake us; the slow
		// timer is for what they do not tell, such as a label on a foreign namespace.
		return ctrl.Result{RequeueAfter: r.options.Poll}, nil
	case outcome.Err != nil:
		return ctrl.Result{}, outcome.Err
	}
	pause := r.pause(in, status)
	if plan.Settled(status) {
		pause = r.options.Poll
	}
	if rotating, ok := plan.RotationWaits(status, in.Now); ok {
		pause = min(pause, rotating)
	}
	if agentsCome(in.Tenant.Status.Agents, status.Agents) {
		pause = min(pause, arrivalPoll)
	}
	return ctrl.Result{RequeueAfter: pause}, nil
}

// pause is a tenth of the time the tenant has been waiting, within bounds: quick
// while somebody watches a new tenant come up, easy on everybody afterwards.
func (r *Reconciler) pause(in plan.Input, status v1alpha1.TenantStatus) time.Duration {
	since := in.Tenant.CreationTimestamp.Time
	if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready != nil {
		since = ready.LastTransitionTime.Time
	}
	return min(max(waitingPoll, in.Now.Sub(since)/10), longWaitingPoll)
}

func (r *Reconciler) patchStatus(ctx context.Context, tenant v1alpha1.Tenant, status v1alpha1.TenantStatus) error {
	if equality.Semantic.DeepEqual(tenant.Status, status) {
		return nil
	}
	before := tenant.DeepCopy()
	after := tenant.DeepCopy()
	after.Status = status
	err := r.writer.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsNotFound(err) {
		return nil // gone while we looked
	}
	if apierrors.IsConflict(err) {
		return errConflict // what we compared with was not the latest
	}
	if err != nil {
		return fmt.Errorf("write status of tenant %q: %w", tenant.Name, err)
	}
	r.announce(&tenant, status)
	return nil
}
