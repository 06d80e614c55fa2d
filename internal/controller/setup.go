// Package controller carries decisions into the cluster and reports what came
// of them: observe → plan (pure) → apply → observe → report. It decides nothing
// itself; what a tenant needs is internal/plan's, what its objects look like is
// the chart's, what they are called is internal/naming's.
//
// Start with [Reconciler.Reconcile] in tenant.go. Reading lives in observe*.go
// and never writes; writing lives in apply.go, secrets.go and claims.go and
// never decides; offboard.go removes a tenant in ordered steps.
package controller

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/zone"
)

// Options say how the operator runs. The zero value of each optional field is
// the way it works inside a cluster.
type Options struct {
	// Operator is the namespace and pod labels the tenants' policies let in.
	Operator plan.Operator
	// Dial reaches in-cluster names such as wazuh-manager-api.tenant-acme.svc:55000.
	// Nil means the ordinary network of the pod.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock; nil means the real one.
	Now func() time.Time
	// Poll is how often a ready tenant's manager is asked; 0 means 30 s.
	Poll time.Duration
	// Updates say how many tenants may be restarted for a new version at a time.
	Updates plan.Updates
	// KeepEndedTokens is how long enrollment tokens are kept after they ended; 0 is
	// for ever.
	KeepEndedTokens time.Duration
	// Drain is how long agents have to notice that their key is gone, or that they
	// were asked to leave, before what is left is told or cut; 0 means 90 s.
	Drain time.Duration
	// EdgeLook is the least time between two looks at the edges' Leases, two of which
	// it takes to call one silent; 0 means 10 s.
	EdgeLook time.Duration
	// CountAge is how old a manager's count of its connections can be; 0 means 10 s.
	CountAge time.Duration
}

// Scheme knows the product's kinds and Kubernetes' own.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register Kubernetes kinds: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register %s: %w", v1alpha1.GroupVersion, err)
	}
	return scheme, nil
}

// CacheOptions keep memory and rights small: of the kinds the chart renders only
// objects that carry our tenant label are held, Secrets as metadata only, and a
// read of anything nobody declared fails instead of starting a cluster-wide watch.
func CacheOptions(kinds []schema.GroupVersionKind) cache.Options {
	ours, err := labels.Parse(naming.LabelTenant)
	if err != nil {
		panic(err) // a constant label is always a valid selector
	}
	byObject := map[client.Object]cache.ByObject{}
	for _, gvk := range kinds {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(gvk)
		byObject[object] = cache.ByObject{Label: ours}
	}
	// Kubernetes gives EndpointSlices the labels of their Service.
	byObject[&discoveryv1.EndpointSlice{}] = cache.ByObject{Label: ours}
	return cache.Options{ByObject: byObject, ReaderFailOnMissingInformer: true}
}

// Register adds the controllers to a manager, and returns what Prometheus reads. The
// kinds are those of [Kinds].
func Register(mgr ctrl.Manager, kinds []schema.GroupVersionKind, options Options) (prometheus.Collector, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Poll == 0 {
		options.Poll = 30 * time.Second
	}
	if options.Drain == 0 {
		options.Drain = drainPatience
	}
	if options.CountAge == 0 {
		options.CountAge = countAge
	}
	if options.EdgeLook == 0 {
		options.EdgeLook = lookEvery
	}
	counted := &countingWriter{Client: mgr.GetClient()}
	beats := newBeats(mgr.GetAPIReader(), options.Now, options.EdgeLook)
	r := &Reconciler{
		beats:      beats,
		cached:     mgr.GetClient(),
		direct:     mgr.GetAPIReader(),
		writer:     counted,
		writes:     &counted.sent,
		events:     mgr.GetEventRecorder(naming.Product),
		kinds:      kinds,
		options:    options,
		renderings: newRenderings(),
		applied:    newApplied(),
		managers:   newManagers(options.Dial),
		asker:      zone.NewAsker(0, options.Now),
		providers:  newProviders(options.Poll, options.Now),
		looks:      newLooks(),
		gateways:   newGateways(options.Dial),
		answers:    &answers{},
	}
	if err := r.watchTenants(mgr, kinds); err != nil {
		return nil, err
	}
	if err := r.watchAgents(mgr); err != nil {
		return nil, err
	}
	regions := &RegionReconciler{
		cached: mgr.GetClient(), direct: mgr.GetAPIReader(), writer: mgr.GetClient(),
		kinds: kinds, namespace: options.Operator.Namespace, applied: newApplied(), beats: beats,
		events: mgr.GetEventRecorder(naming.Product), now: options.Now,
	}
	if err := regions.watch(mgr); err != nil {
		return nil, err
	}
	claims := &ClaimReconciler{cached: mgr.GetClient(), direct: mgr.GetAPIReader(), writer: mgr.GetClient(), now: options.Now}
	told := collector{cached: mgr.GetClient(), answers: r.answers, elected: mgr.Elected(), now: options.Now}
	return told, claims.watch(mgr)
}

// Pauses between attempts after an error. The last one is short enough that after
// an outage every tenant is looked at within a minute.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Minute
)

// writer is the part of a client that writes.
type writer interface {
	client.Writer
	client.StatusClient
}

// Reconciler keeps every Tenant as its spec says.
type Reconciler struct {
	// cached reads what is watched; direct reads bytes of Secrets and objects
	// that carry no label of ours; writer writes.
	cached client.Reader
	direct client.Reader
	writer writer
	events events.EventRecorder
	kinds  []schema.GroupVersionKind

	options Options
	// writes counts what was sent; a turn that sent nothing need not look again.
	writes     *atomic.Int64
	renderings *renderings
	applied    *applied
	managers   *managers
	asker      *zone.Asker
	providers  *providers
	looks      *looks
	gateways   *gateways
	beats      *beats
	answers    *answers
}

func (r *Reconciler) watchTenants(mgr ctrl.Manager, kinds []schema.GroupVersionKind) error {
	build := ctrl.NewControllerManagedBy(mgr).
		Named("tenant").
		For(&v1alpha1.Tenant{}, builder.WithPredicates(predicate.Or(
			predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&v1alpha1.Region{}, handler.EnqueueRequestsFromMapFunc(r.allTenants), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Route{}, handler.EnqueueRequestsFromMapFunc(tenantOf)).
		Watches(&v1alpha1.Claim{}, handler.EnqueueRequestsFromMapFunc(r.tenantsWaitingForClaim), builder.WithPredicates(deletions())).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(tenantOf), builder.WithPredicates(movesEndpoints())).
		Watches(&v1alpha1.EnrollmentToken{}, handler.EnqueueRequestsFromMapFunc(tenantOfNamespace), builder.WithPredicates(changesPolicy())).
		Watches(&v1alpha1.Revocation{}, handler.EnqueueRequestsFromMapFunc(tenantOfNamespace), builder.WithPredicates(changesPolicy())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 8,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		})
	for _, gvk := range kinds {
		if gvk.Kind == "Secret" {
			continue
		}
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(gvk)
		build = build.Watches(object, handler.EnqueueRequestsFromMapFunc(tenantOf))
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	build = build.WatchesMetadata(secret, handler.EnqueueRequestsFromMapFunc(r.tenantsOfSecret))
	if err := build.Complete(r); err != nil {
		return fmt.Errorf("watch tenants: %w", err)
	}
	return nil
}

// tenantOf finds the tenant an object belongs to by its label; objects carry no
// owner reference, so that restoring a Tenant from a backup (with a new UID)
// never has the garbage collector remove a namespace full of agents' keys.
func tenantOf(_ context.Context, object client.Object) []reconcile.Request {
	slug := object.GetLabels()[naming.LabelTenant]
	if slug == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: slug}}}
}

// tenantsOfSecret also wakes everybody who has a copy: of a Region's wildcard
// certificate, whose renewal must reach them at once, or of a pull secret.
func (r *Reconciler) tenantsOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	if secret.GetNamespace() != r.options.Operator.Namespace {
		return tenantOf(ctx, secret)
	}
	var regions v1alpha1.RegionList
	if err := r.cached.List(ctx, &regions); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list regions")
		return nil
	}
	served := map[string]bool{}
	for _, region := range regions.Items {
		served[region.Name] = region.Spec.Certificates.Strategy == v1alpha1.CertificateWildcard && plan.WildcardSecret(region) == secret.GetName() ||
			slices.Contains(region.Spec.ImagePullSecrets, secret.GetName())
	}
	return r.tenantsWhere(ctx, func(tenant v1alpha1.Tenant) bool { return served[tenant.Status.Region] })
}

func (r *Reconciler) allTenants(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.tenantsWhere(ctx, func(v1alpha1.Tenant) bool { return true })
}

// tenantsWaitingForClaim wakes, when a claim is gone, the tenants that lost a race
// for one, and the tenant that held it: somebody may have deleted it by hand.
func (r *Reconciler) tenantsWaitingForClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	if gone, ok := claim.(*v1alpha1.Claim); ok && gone.Spec.Kind == v1alpha1.ClaimUpdateSeat {
		return r.nextForUpdate(ctx)
	}
	return r.tenantsWhere(ctx, func(tenant v1alpha1.Tenant) bool {
		return tenant.Name == claim.GetLabels()[naming.LabelTenant] || !meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionClaimsHeld)
	})
}

// nextForUpdate wakes the first of those who wait for a seat, and not all of them: the
// others would only find it taken. Whoever is missed looks again within the poll.
func (r *Reconciler) nextForUpdate(ctx context.Context) []reconcile.Request {
	waiting := r.tenantsWhere(ctx, plan.UpdateWaits)
	slices.SortFunc(waiting, func(a, b reconcile.Request) int { return strings.Compare(a.Name, b.Name) })
	return waiting[:min(len(waiting), r.options.Updates.AtATime+3)]
}

func (r *Reconciler) tenantsWhere(ctx context.Context, want func(v1alpha1.Tenant) bool) []reconcile.Request {
	var tenants v1alpha1.TenantList
	if err := r.cached.List(ctx, &tenants); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list tenants")
		return nil
	}
	var requests []reconcile.Request
	for _, tenant := range tenants.Items {
		if want(tenant) {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: tenant.Name}})
		}
	}
	return requests
}

// Kinds are those the tenant chart may render, and external-dns's DNSEndpoint,
// without the ones this cluster does not have.
func Kinds(mapper meta.RESTMapper) ([]schema.GroupVersionKind, error) {
	var found []schema.GroupVersionKind
	for _, gvk := range append(chart.Kinds(), endpointKind) {
		_, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		switch {
		case meta.IsNoMatchError(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("look up kind %s: %w", gvk, err)
		}
		found = append(found, gvk)
	}
	return found, nil
}
