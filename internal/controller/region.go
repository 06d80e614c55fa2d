package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// RegionReconciler reports on Regions, and asks cert-manager for the wildcard
// certificate of one that wants it.
type RegionReconciler struct {
	cached client.Reader
	direct client.Reader
	writer writer

	kinds     []schema.GroupVersionKind
	namespace string // the operator's own
	applied   *applied
	beats     *beats
	events    events.EventRecorder
	now       func() time.Time
}

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=regions/status,verbs=patch

// Reconcile counts a Region's tenants and says whether it can be used.
func (r *RegionReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var region v1alpha1.Region
	if err := r.cached.Get(ctx, request.NamespacedName, &region); err != nil {
		if apierrors.IsNotFound(err) {
			region.Name = request.Name
			_, err = r.keepWildcard(ctx, region)
		}
		return ctrl.Result{}, err
	}
	problem, err := r.keepWildcard(ctx, region)
	if err != nil {
		return ctrl.Result{}, err
	}
	var regions v1alpha1.RegionList
	var tenants v1alpha1.TenantList
	if err := r.cached.List(ctx, &regions); err != nil {
		return ctrl.Result{}, fmt.Errorf("list regions: %w", err)
	}
	if err := r.cached.List(ctx, &tenants); err != nil {
		return ctrl.Result{}, fmt.Errorf("list tenants: %w", err)
	}
	after := region.DeepCopy()
	var again ctrl.Result
	var silent []plan.SilentEdge
	if region.Spec.Edge != nil { // an edge that falls silent wakes nobody
		silent, again.RequeueAfter = r.beats.silent(ctx, region.Name), r.beats.doubt()
	}
	after.Status = plan.ReportRegion(region, regions.Items, tenants.Items, silent, problem)
	if equality.Semantic.DeepEqual(region.Status, after.Status) {
		return again, nil
	}
	if err := r.writer.Status().Patch(ctx, after, client.MergeFrom(&region)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("write status of region %q: %w", region.Name, err)
	}
	return again, nil
}

func (r *RegionReconciler) watch(mgr ctrl.Manager) error {
	if err := mgr.Add(manager.RunnableFunc(r.forgetting)); err != nil { // where this one leads
		return fmt.Errorf("forget edges: %w", err)
	}
	every := handler.EnqueueRequestsFromMapFunc(r.all)
	err := ctrl.NewControllerManagedBy(mgr).
		Named("region").
		For(&v1alpha1.Region{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Region{}, every, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Tenant{}, every, builder.WithPredicates(movesBetweenRegions())).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watch regions: %w", err)
	}
	return nil
}

// all: whether one Region is the only default depends on the others.
func (r *RegionReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	var regions v1alpha1.RegionList
	if err := r.cached.List(ctx, &regions); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list regions")
		return nil
	}
	var requests []reconcile.Request
	for _, region := range regions.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: region.Name}})
	}
	return requests
}

// movesBetweenRegions lets through what changes how many tenants a Region has.
func movesBetweenRegions() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*v1alpha1.Tenant)
		after, ok2 := e.ObjectNew.(*v1alpha1.Tenant)
		return ok1 && ok2 && (before.Spec.Region != after.Spec.Region || before.Status.Region != after.Status.Region)
	}}
}

// deletions lets only deletions through.
func deletions() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
}
