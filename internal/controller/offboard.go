package controller

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
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
	progress := progressOf(tenant, metav1.NewTime(r.options.Now()))
	step, more := nextStep(progress)
	if !more {
		return ctrl.Result{}, r.letGo(ctx, tenant)
	}
	progress.Step = step
	evidence, done, err := r.runStep(ctx, tenant, step, progress)
	if done && err == nil {
		progress.Done = append(progress.Done, v1alpha1.OffboardingRecord{
			Step: step, At: metav1.NewTime(r.options.Now()), Evidence: evidence,
		})
	}
	if reportErr := r.reportOffboarding(ctx, tenant, progress, err); reportErr != nil {
		return ctrl.Result{}, reportErr
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	switch {
	case !done && step == v1alpha1.StepDeleteRegistrations:
		return ctrl.Result{RequeueAfter: batchPause}, nil
	case !done:
		return ctrl.Result{RequeueAfter: waitingPoll}, nil
	}
	// A turn of its own for what comes next: it must see the record just written.
	return ctrl.Result{RequeueAfter: 1}, nil
}

func progressOf(tenant *v1alpha1.Tenant, now metav1.Time) *v1alpha1.OffboardingStatus {
	if tenant.Status.Offboarding != nil {
		return tenant.Status.Offboarding.DeepCopy()
	}
	return &v1alpha1.OffboardingStatus{StartedAt: now}
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

// runStep does one step and says what it saw, or that it is not done yet.
func (r *Reconciler) runStep(ctx context.Context, tenant *v1alpha1.Tenant, step v1alpha1.OffboardingStep, progress *v1alpha1.OffboardingStatus) (evidence string, done bool, err error) {
	switch step {
	case v1alpha1.StepReleaseClaims:
		released, err := r.release(ctx, r.direct, tenant.Name, nil)
		return fmt.Sprintf("released: %s", strings.Join(released, ", ")), err == nil, err
	}
	if step == v1alpha1.StepStopRouting {
		// Whatever became of the namespace, no edge may go on carrying the tenant.
		gone, err := r.removeRoute(ctx, tenant.Name)
		if err != nil || !gone {
			return "", false, err
		}
	}
	var namespace corev1.Namespace
	err = r.direct.Get(ctx, types.NamespacedName{Name: naming.Namespace(tenant.Name)}, &namespace)
	if apierrors.IsNotFound(err) {
		return "namespace " + naming.Namespace(tenant.Name) + " does not exist", true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read namespace %q: %w", naming.Namespace(tenant.Name), err)
	}
	if why := foreign(namespace, tenant.Name); why != "" {
		return fmt.Sprintf("namespace %s %s and is left alone", namespace.Name, why), true, nil
	}
	switch step {
	case v1alpha1.StepStopRouting:
		return r.stopRouting(ctx, namespace.Name)
	case v1alpha1.StepDeleteRegistrations:
		return r.deleteRegistrations(ctx, tenant, progress)
	case v1alpha1.StepRemoveObjects:
		return r.removeObjects(ctx, tenant.Name, &namespace)
	}
	return "", false, fmt.Errorf("unknown offboarding step %q", step)
}

// removeRoute takes the tenant off the edges, which cuts its sessions there.
func (r *Reconciler) removeRoute(ctx context.Context, slug string) (gone bool, err error) {
	route, err := r.observeRoute(ctx, slug)
	if err != nil || route == nil {
		return err == nil, err
	}
	return false, r.deleteOurs(ctx, route)
}

// stopRouting removes the agents' Service, and with it address and DNS record.
func (r *Reconciler) stopRouting(ctx context.Context, namespace string) (string, bool, error) {
	service := &unstructured.Unstructured{}
	service.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Service"))
	err := r.cached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.ServiceAgents}, service)
	if apierrors.IsNotFound(err) {
		return fmt.Sprintf("service %s is gone, and with it address and name", naming.ServiceAgents), true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read service %s/%s: %w", namespace, naming.ServiceAgents, err)
	}
	return "", false, r.deleteOurs(ctx, service)
}

// deleteRegistrations asks the manager to delete every agent and believes it
// only when its list is empty.
func (r *Reconciler) deleteRegistrations(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (string, bool, error) {
	if why := tenant.Annotations[naming.AnnotationAbandonRegistrations]; why != "" {
		return "registrations were abandoned by annotation: " + why, true, nil
	}
	there, err := r.managerExists(ctx, tenant)
	if err != nil {
		return "", false, err
	}
	if !there {
		return "no manager exists, so no registration does", true, nil
	}
	api, err := r.api(ctx, *tenant)
	if err != nil {
		return "", false, managerTrouble(tenant, err)
	}
	if progress.Registrations == nil {
		found, err := countAgents(ctx, api)
		if err != nil {
			return "", false, managerTrouble(tenant, err)
		}
		progress.Registrations = &found
		return "", false, nil
	}
	left, err := deleteSome(ctx, api)
	if err != nil {
		return "", false, managerTrouble(tenant, err)
	}
	if left > 0 {
		return "", false, nil
	}
	return fmt.Sprintf("%d registrations deleted; the manager reports 0", *progress.Registrations), true, nil
}

// batchPause keeps a thousand agents' deletion within the API's requests a minute.
const batchPause = time.Second

// deleteAtOnce bounds one request: a manager needs a while for each agent.
const deleteAtOnce = 200

func countAgents(ctx context.Context, api *wazuh.API) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	summary, err := api.AgentsSummary(ctx)
	return int32(summary.Total), err
}

// deleteSome deletes a part of the agents and says how many are left, as the
// manager lists them.
func deleteSome(ctx context.Context, api *wazuh.API) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	agents, err := api.ListAgents(ctx, wazuh.AgentFilter{})
	if err != nil || len(agents) == 0 {
		return 0, err
	}
	var ids []string
	for _, agent := range agents[:min(len(agents), deleteAtOnce)] {
		ids = append(ids, agent.ID)
	}
	if _, err := api.DeleteAgents(ctx, ids...); err != nil {
		return 0, err
	}
	rest, err := api.ListAgents(ctx, wazuh.AgentFilter{})
	return len(rest), err
}

func managerTrouble(tenant *v1alpha1.Tenant, err error) error {
	return fmt.Errorf("the manager's API must delete the registrations: %s; repair the manager, or give the registrations up with: kubectl annotate tenant %s %s=\"why\"",
		words(err), tenant.Name, naming.AnnotationAbandonRegistrations)
}

// managerExists is true while there is a manager to ask: its pods, or the
// StatefulSet that would start them.
func (r *Reconciler) managerExists(ctx context.Context, tenant *v1alpha1.Tenant) (bool, error) {
	namespace := naming.Namespace(tenant.Name)
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(managerapi.PodLabels(tenant.Spec.Manager))); err != nil {
		return false, fmt.Errorf("list manager pods in %q: %w", namespace, err)
	}
	if len(pods.Items) > 0 {
		return true, nil
	}
	for _, gvk := range r.kinds {
		if gvk.Kind != "StatefulSet" {
			continue
		}
		set := &unstructured.Unstructured{}
		set.SetGroupVersionKind(gvk)
		err := r.cached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.Manager}, set)
		if err == nil {
			return true, nil
		}
		if !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("read statefulset %s/%s: %w", namespace, naming.Manager, err)
		}
	}
	return false, nil
}

// removeObjects deletes the namespace if we made it. One that SocTalk or a
// person made stays, without our objects.
func (r *Reconciler) removeObjects(ctx context.Context, slug string, namespace *corev1.Namespace) (string, bool, error) {
	if namespace.Annotations[naming.AnnotationCreatedBy] == naming.Product {
		if namespace.DeletionTimestamp != nil {
			return "", false, nil
		}
		uid := namespace.UID
		err := r.writer.Delete(ctx, namespace, client.Preconditions{UID: &uid})
		if client.IgnoreNotFound(err) != nil {
			return "", false, fmt.Errorf("delete namespace %q: %w", namespace.Name, err)
		}
		return "", false, nil
	}
	if err := r.prune(ctx, plan.Placement{Slug: slug, Namespace: namespace.Name}, nil); err != nil {
		return "", false, err
	}
	left, err := r.removeData(ctx, slug, namespace.Name)
	if err != nil || left > 0 {
		return "", false, err
	}
	if err := r.unlabel(ctx, namespace.Name); err != nil {
		return "", false, err
	}
	return fmt.Sprintf("our objects, secrets and volumes are gone; namespace %s was not made by us and stays", namespace.Name), true, nil
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
