package controller

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=list;delete

// removeData deletes, in a namespace that stays, the secrets we made and the
// volumes: a later tenant of the same name must not find the keys of the former one's
// agents. It says how many are still there.
func (r *Reconciler) removeData(ctx context.Context, slug, namespace string) (left int, err error) {
	var secrets corev1.SecretList
	if err := r.direct.List(ctx, &secrets, client.InNamespace(namespace), client.MatchingLabels{
		naming.LabelTenant: slug, naming.LabelManagedBy: naming.Product,
	}); err != nil {
		return 0, fmt.Errorf("list secrets in %q: %w", namespace, err)
	}
	objects, err := r.volumes(ctx, slug, namespace)
	if err != nil {
		return 0, err
	}
	for i := range secrets.Items {
		objects = append(objects, &secrets.Items[i])
	}
	return len(objects), r.deleteAll(ctx, objects)
}

// volumes are those of manager and gateway, but not that of a manager somebody else
// runs, which has no label of ours.
func (r *Reconciler) volumes(ctx context.Context, slug, namespace string) ([]client.Object, error) {
	var claims corev1.PersistentVolumeClaimList
	if err := r.direct.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list volume claims in %q: %w", namespace, err)
	}
	var objects []client.Object
	for i, claim := range claims.Items {
		if claim.Labels[naming.LabelTenant] == slug && (claim.Name == naming.ServiceGateway || strings.HasSuffix(claim.Name, managerVolume)) {
			objects = append(objects, &claims.Items[i])
		}
	}
	return objects, nil
}

func (r *Reconciler) deleteAll(ctx context.Context, objects []client.Object) error {
	for _, object := range objects {
		if object.GetDeletionTimestamp() != nil {
			continue // a claim waits for its pod
		}
		if err := r.deleteOurs(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// unlabel gives up every field we set on a namespace that stays: applying an
// empty wish removes what only we wished for.
func (r *Reconciler) unlabel(ctx context.Context, name string) error {
	nothing := &unstructured.Unstructured{}
	nothing.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	nothing.SetName(name)
	if err := r.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(nothing), client.FieldOwner(naming.Product), client.ForceOwnership); err != nil {
		return fmt.Errorf("take our labels off namespace %q: %w", name, err)
	}
	return nil
}
