package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// offboard removes a tenant, one step a turn. Each step may be repeated; its
// record in the status is written before the next one starts, so an operator
// that dies between two steps goes on where it stopped. An error is shown in
// the status and retried: no step is ever skipped because it failed.
func (r *Reconciler) offboard(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	// Not from the cache: the records of finished steps must be the latest, or
	// writing the next one would take one back.
	tenant := &v1alpha1.Tenant{}
	if err := r.direct.Get(ctx, request.NamespacedName, tenant); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !controllerutil.ContainsFinalizer(tenant, naming.Finalizer) {
		return ctrl.Result{}, nil
	}
	if err := r.leaveAnyway(ctx, tenant.Name); err != nil {
		return ctrl.Result{}, err
	}
	now := metav1.NewTime(r.options.Now())
	progress := progressOf(tenant, now)
	step, more := nextStep(progress)
	if !more {
		return ctrl.Result{}, r.letGo(ctx, tenant)
	}
	if progress.Step != step {
		progress.Step, progress.StepSince = step, now
	}
	seen, err := r.runStep(ctx, tenant, step, progress)
	if errors.Is(err, errConflict) {
		return ctrl.Result{}, err
	}
	if given, ok := abandoned(tenant, seen, err); ok {
		seen, err = given, nil
	}
	if seen.done && err == nil {
		progress.Done = append(progress.Done, v1alpha1.OffboardingRecord{
			Step: step, StartedAt: progress.StepSince, At: now, Evidence: seen.evidence, Abandoned: seen.abandoned,
		})
	}
	// What holds a step up is told, and is no failure: it is looked at again soon.
	told := err
	if err == nil && !seen.done && seen.waitsFor != "" {
		told = errors.New(seen.waitsFor)
	}
	if reportErr := r.reportOffboarding(ctx, tenant, progress, told); reportErr != nil {
		return ctrl.Result{}, reportErr
	}
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case !seen.done:
		return ctrl.Result{RequeueAfter: cmp.Or(seen.again, waitingPoll)}, nil
	}
	// A turn of its own for what comes next: it must see the record just written.
	return ctrl.Result{RequeueAfter: 1}, nil
}

// sight is what a step saw.
type sight struct {
	// done is true when the step is finished, with this evidence.
	done     bool
	evidence string
	// abandoned is true when it was finished on a person's word.
	abandoned bool
	// waitsFor says in words what holds up a step that is not done; theirs is true when
	// it is something the tenant runs, which a person may give up.
	waitsFor string
	theirs   bool
	// again is when there is something new to see, where that is known.
	again time.Duration
}

func finished(evidence string) (sight, error) { return sight{done: true, evidence: evidence}, nil }

// waiting is for the cluster, which nobody goes around.
func waiting(format string, values ...any) (sight, error) {
	return sight{waitsFor: fmt.Sprintf(format, values...)}, nil
}

// waitingForTheirs is for what the tenant runs.
func waitingForTheirs(format string, values ...any) (sight, error) {
	return sight{waitsFor: fmt.Sprintf(format, values...), theirs: true}, nil
}

// trouble is an error of what the tenant itself runs, its manager, its edges, its
// name, which a person may tell the operator to go on without.
type trouble struct{ error }

// Unwrap lets callers see what is inside.
func (t *trouble) Unwrap() error { return t.error }

// abandoned gives a step up that cannot be finished, on a person's word. What can
// be done is done all the same, and the API server is never gone around.
func abandoned(tenant *v1alpha1.Tenant, seen sight, err error) (sight, bool) {
	why := wordOf(tenant)
	var theirs *trouble
	held := ""
	switch {
	case errors.As(err, &theirs):
		held = theirs.Error()
	case err == nil && !seen.done && seen.theirs:
		held = seen.waitsFor
	}
	if why == "" || held == "" {
		return sight{}, false
	}
	return sight{done: true, abandoned: true, evidence: fmt.Sprintf("abandoned by annotation: %s; it was held up by this: %s", clip(why), held)}, true
}

// wayAround tells how to go on without what a step needs.
func wayAround(tenant *v1alpha1.Tenant) string {
	return fmt.Sprintf("repair it, or go on without it: kubectl annotate tenant %s %s=\"why\"", tenant.Name, naming.AnnotationAbandonStep)
}

// wordOf is why a person told the operator to go on without what a step needs.
func wordOf(tenant *v1alpha1.Tenant) string {
	return cmp.Or(tenant.Annotations[naming.AnnotationAbandonStep], tenant.Annotations[naming.AnnotationAbandonRegistrations])
}

func progressOf(tenant *v1alpha1.Tenant, now metav1.Time) *v1alpha1.OffboardingStatus {
	if tenant.Status.Offboarding != nil {
		return tenant.Status.Offboarding.DeepCopy()
	}
	return &v1alpha1.OffboardingStatus{
		StartedAt: now,
		By:        clip(tenant.Annotations[naming.AnnotationOffboardedBy]),
		Why:       clip(tenant.Annotations[naming.AnnotationOffboardedWhy]),
	}
}

// maxWord bounds what people wrote into annotations.
const maxWord = 500

func clip(text string) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), maxWord)])
}

func nextStep(progress *v1alpha1.OffboardingStatus) (step v1alpha1.OffboardingStep, more bool) {
	done := map[v1alpha1.OffboardingStep]bool{}
	for _, record := range progress.Done {
		done[record.Step] = true
	}
	for _, step := range v1alpha1.OffboardingSteps() {
		if !done[step] {
			return step, true
		}
	}
	return "", false
}

// runStep does one step and says what it saw.
func (r *Reconciler) runStep(ctx context.Context, tenant *v1alpha1.Tenant, step v1alpha1.OffboardingStep, progress *v1alpha1.OffboardingStatus) (sight, error) {
	switch step {
	case v1alpha1.StepQuarantine:
		return r.rest(ctx, tenant, progress)
	case v1alpha1.StepReport:
		return r.writeReport(ctx, tenant, progress)
	}
	// Whatever became of the namespace, no edge may go on carrying the tenant.
	if step == v1alpha1.StepDeny {
		if seen, err := r.denyAtEdges(ctx, tenant); err != nil || !seen.done {
			return seen, err
		}
	}
	if step == v1alpha1.StepRemoveWayIn {
		if err := r.takeNameBack(ctx, tenant); err != nil {
			return sight{}, err
		}
		gone, err := r.removeRoute(ctx, tenant.Name)
		if err != nil || !gone {
			return sight{}, err
		}
	}
	var namespace corev1.Namespace
	err := r.direct.Get(ctx, types.NamespacedName{Name: naming.Namespace(tenant.Name)}, &namespace)
	if apierrors.IsNotFound(err) {
		return finished("namespace " + naming.Namespace(tenant.Name) + " does not exist")
	}
	if err != nil {
		return sight{}, fmt.Errorf("read namespace %q: %w", naming.Namespace(tenant.Name), err)
	}
	if why := foreign(namespace, tenant.Name); why != "" {
		return finished(fmt.Sprintf("namespace %s %s and is left alone", namespace.Name, why))
	}
	switch step {
	case v1alpha1.StepRotateSecret:
		return r.retireSecret(ctx, tenant, progress)
	case v1alpha1.StepDeny:
		return r.deny(ctx, tenant, progress)
	case v1alpha1.StepDeleteRegistrations:
		return r.deleteRegistrations(ctx, tenant, progress)
	case v1alpha1.StepDrain:
		return r.drain(ctx, tenant, progress)
	case v1alpha1.StepRemoveWayIn:
		return r.removeWayIn(ctx, tenant, progress)
	case v1alpha1.StepRemoveObjects:
		return r.removeObjects(ctx, tenant.Name, &namespace)
	}
	return sight{}, fmt.Errorf("unknown offboarding step %q", step)
}

func (r *Reconciler) reportOffboarding(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus, stepErr error) error {
	in := plan.Input{Tenant: *tenant.DeepCopy(), Now: r.options.Now()}
	in.Tenant.Status.Offboarding = progress
	status := plan.Report(in, plan.Outcome{Err: stepErr})
	return r.patchStatus(ctx, *tenant, status)
}

func (r *Reconciler) letGo(ctx context.Context, tenant *v1alpha1.Tenant) error {
	r.managers.forget(tenant.Name)
	r.looks.forget(tenant.Name)
	r.gateways.forget(tenant.Name)
	r.renderings.forget(tenant.Name)
	r.applied.forget(naming.Namespace(tenant.Name))
	before := tenant.DeepCopy()
	controllerutil.RemoveFinalizer(tenant, naming.Finalizer)
	err := r.writer.Patch(ctx, tenant, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("remove finalizer from tenant %q: %w", tenant.Name, err)
	}
	return nil
}

// since is how long a step has been under way.
func (r *Reconciler) since(progress *v1alpha1.OffboardingStatus) time.Duration {
	return r.options.Now().Sub(progress.StepSince.Time)
}
