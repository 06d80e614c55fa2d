package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

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
// routes, and patch their status; nothing else.
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
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	selector := labels.SelectorFromSet(labels.Set{naming.LabelRegion: region})
	watched, err := cache.New(config, cache.Options{Scheme: scheme, Mapper: mapper(), ByObject: map[client.Object]cache.ByObject{&v1alpha1.Route{}: {Label: selector}}})
	if err != nil {
		return nil, fmt.Errorf("watch routes: %w", err)
	}
	writer, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper()})
	if err != nil {
		return nil, fmt.Errorf("write the routes' status: %w", err)
	}
	return &KubernetesSource{Region: region, cache: watched, client: writer}, nil
}

// mapper knows the one kind there is, so that nothing is discovered: the edge has
// no right to ask, and must start while the API server is away.
func mapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion})
	mapper.Add(v1alpha1.GroupVersion.WithKind("Route"), meta.RESTScopeRoot)
	return mapper
}

// Watch sends nothing until the API server has told everything once: an edge
// that starts while it is away goes on with what it has on disk.
func (k *KubernetesSource) Watch(ctx context.Context, updates chan<- Update) error {
	changed := make(chan struct{}, 1)
	wake := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	started := make(chan error, 1)
	go func() { started <- k.cache.Start(ctx) }()
	informer, err := k.cache.GetInformer(ctx, &v1alpha1.Route{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: wake, DeleteFunc: wake, UpdateFunc: func(_, after any) { wake(after) },
	}); err != nil {
		return err
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil // the context has ended
	}
	wake(nil) // also when there is no route at all
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-started:
			return err
		case <-changed:
		}
		update, err := k.list(ctx)
		if err != nil {
			return err
		}
		select {
		case updates <- update:
		case <-ctx.Done():
			return nil
		}
	}
}

func (k *KubernetesSource) list(ctx context.Context) (Update, error) {
	var list v1alpha1.RouteList
	if err := k.cache.List(ctx, &list); err != nil {
		return Update{}, err
	}
	// The label is for selecting; the spec has the word.
	routes := slices.DeleteFunc(list.Items, func(route v1alpha1.Route) bool { return route.Spec.Region != k.Region })
	return UpdateFrom(routes), nil
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
