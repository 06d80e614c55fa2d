package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=routes,verbs=get;list;watch
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=routes/status,verbs=patch

// KubernetesSource watches the Routes of one Region. It may get, list and watch
// routes, patch their status and renew its Lease; nothing else.
type KubernetesSource struct {
	// Region whose routes are wanted.
	Region string
	cache  cache.Cache
	client client.Client
}

// NewKubernetesSource prepares the watch. The API server is not called yet, and
// may be away.
func NewKubernetesSource(config *rest.Config, region string) (*KubernetesSource, error) {
	if region == "" {
		return nil, errors.New("region: say whose routes to carry")
	}
	scheme := k8sruntime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), coordinationv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	selector := labels.SelectorFromSet(labels.Set{naming.LabelRegion: region})
	watched, err := cache.New(config, cache.Options{Scheme: scheme, Mapper: mapper(), ByObject: map[client.Object]cache.ByObject{&v1alpha1.Route{}: {
		Label: selector, UnsafeDisableDeepCopy: new(true), // nothing here changes what it reads
	}}})
	if err != nil {
		return nil, fmt.Errorf("watch routes: %w", err)
	}
	writer, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("write the routes' status: %w", err)
	}
	return &KubernetesSource{Region: region, cache: watched, client: writer}, nil
}

// mapper knows the two kinds there are, so that nothing is discovered: the edge has
// no right to ask, and must start while the API server is away.
func mapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion, coordinationv1.SchemeGroupVersion})
	mapper.Add(v1alpha1.GroupVersion.WithKind("Route"), meta.RESTScopeRoot)
	mapper.Add(coordinationv1.SchemeGroupVersion.WithKind("Lease"), meta.RESTScopeNamespace)
	return mapper
}

// Watch sends nothing until the API server has told everything once: an edge
// that starts while it is away goes on with what it has on disk. From then on it
// sends what changes.
func (k *KubernetesSource) Watch(ctx context.Context, updates chan<- Update) error {
	news := &names{woken: make(chan struct{}, 1)}
	started := make(chan error, 1)
	go func() { started <- k.cache.Start(ctx) }()
	informer, err := k.cache.GetInformer(ctx, &v1alpha1.Route{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: news.add, DeleteFunc: news.add, UpdateFunc: func(before, after any) {
			if specChanged(before, after) {
				news.add(after)
			}
		},
	}); err != nil {
		return err
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil // the context has ended
	}
	update, err := k.list(ctx)
	for err == nil {
		select {
		case updates <- update:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-started:
			return err
		case <-news.woken:
		}
		update, err = k.changed(ctx, news.take())
	}
	return err
}

// specChanged is false for what an edge writes itself: a route's status.
func specChanged(before, after any) bool {
	old, isRoute := before.(*v1alpha1.Route)
	route, both := after.(*v1alpha1.Route)
	return !isRoute || !both || old.UID != route.UID || old.Generation != route.Generation
}

// names are of routes that changed since somebody last looked.
type names struct {
	mu    sync.Mutex
	of    []string
	woken chan struct{}
}

func (n *names) add(object any) {
	key, err := toolscache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err != nil {
		return // it has no name, so it is no route
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.of = append(n.of, key)
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

func (n *names) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.of
	n.of = nil
	slices.Sort(taken)
	return slices.Compact(taken)
}

// list tells of every route.
func (k *KubernetesSource) list(ctx context.Context) (Update, error) {
	var list v1alpha1.RouteList
	if err := k.cache.List(ctx, &list); err != nil {
		return Update{}, err
	}
	// The label is for selecting; the spec has the word.
	routes := slices.DeleteFunc(list.Items, func(route v1alpha1.Route) bool { return route.Spec.Region != k.Region })
	return UpdateFrom(routes), nil
}

// changed tells of the routes with those names, as they are by now.
func (k *KubernetesSource) changed(ctx context.Context, names []string) (Update, error) {
	var there []v1alpha1.Route
	var gone []string
	for _, name := range names {
		var route v1alpha1.Route
		err := k.cache.Get(ctx, client.ObjectKey{Name: name}, &route)
		switch {
		case apierrors.IsNotFound(err) || err == nil && route.Spec.Region != k.Region:
			gone = append(gone, name)
		case err != nil:
			return Update{}, err
		default:
			there = append(there, route)
		}
	}
	update := UpdateFrom(there)
	update.Partial, update.Gone = true, gone
	return update, nil
}

// Report writes this edge's entry into the status of each route for which it
// says something new.
func (k *KubernetesSource) Report(ctx context.Context, words []v1alpha1.RouteEdge, slugs []string) error {
	var failed []error
	for i, slug := range slugs {
		var route v1alpha1.Route
		if err := k.cache.Get(ctx, client.ObjectKey{Name: slug}, &route); err != nil || slices.Contains(route.Status.Edges, words[i]) {
			continue
		}
		patch, err := json.Marshal(map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Route", "metadata": map[string]any{"name": slug},
			"status": map[string]any{"edges": []v1alpha1.RouteEdge{words[i]}},
		})
		if err != nil {
			return err
		}
		target := &v1alpha1.Route{ObjectMeta: metav1.ObjectMeta{Name: slug}}
		// Each edge owns its own entry of the list, so edges never overwrite one another.
		err = k.client.Status().Patch(ctx, target, client.RawPatch(types.ApplyPatchType, patch), client.FieldOwner("soctalk-edge-"+words[i].Name), client.ForceOwnership)
		if err != nil && !apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("status of route %q: %w", slug, err))
		}
		if len(failed) > 3 {
			break // the API server is away; the next change tries again
		}
	}
	return errors.Join(failed...)
}
