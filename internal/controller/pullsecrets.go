package controller

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// observePullSecrets says which of the Region's pull secrets cannot be used, and why.
func (r *Reconciler) observePullSecrets(ctx context.Context, place plan.Placement) ([]string, error) {
	var wrong []string
	for _, name := range place.PullSecrets {
		source, err := r.readSecret(ctx, r.options.Operator.Namespace, name)
		if err != nil {
			return nil, err
		}
		named := fmt.Sprintf("Secret %s/%s, which Region %s names in spec.imagePullSecrets,", r.options.Operator.Namespace, name, place.Region)
		switch {
		case source == nil:
			wrong = append(wrong, named+" does not exist")
		case !forPulling(source):
			wrong = append(wrong, fmt.Sprintf("%s is of type %s; make one with kubectl create secret docker-registry", named, source.Type))
		}
	}
	return wrong, nil
}

func forPulling(secret *corev1.Secret) bool {
	return secret.Type == corev1.SecretTypeDockerConfigJson || secret.Type == corev1.SecretTypeDockercfg
}

// copyPullSecrets keeps a copy of each of the Region's pull secrets beside the
// tenant's pods, for a pod can use those of its own namespace only. A Secret of that
// name that somebody else made is left alone, and used.
func (r *Reconciler) copyPullSecrets(ctx context.Context, place plan.Placement) error {
	for _, name := range place.PullSecrets {
		source, err := r.readSecret(ctx, r.options.Operator.Namespace, name)
		if err != nil {
			return err
		}
		if source == nil || !forPulling(source) {
			continue // what is there may still serve
		}
		if err := r.copyPullSecret(ctx, place, source); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) copyPullSecret(ctx context.Context, place plan.Placement, source *corev1.Secret) error {
	copied := newSecret(place, naming.PullSecret(source.Name), source.Data)
	copied.Type = source.Type
	copied.Labels[naming.LabelPullSecret] = "copy"
	held, err := r.readSecret(ctx, place.Namespace, copied.Name)
	switch {
	case err != nil:
		return err
	case held == nil:
		if err := r.writer.Create(ctx, copied); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create secret %s/%s: %w", place.Namespace, copied.Name, err)
		}
		return nil
	case held.Labels[naming.LabelPullSecret] == "", sameData(held.Data, source.Data) && held.Type == source.Type:
		return nil
	case held.Type != source.Type: // which nobody can change
		if err := r.deleteOurs(ctx, held); err != nil {
			return err
		}
		return errConflict
	}
	held.Data = source.Data
	return r.updateSecret(ctx, held)
}

// dropPullSecrets deletes the copies that the Region no longer names, once the pods do
// not name them either.
func (r *Reconciler) dropPullSecrets(ctx context.Context, place plan.Placement) error {
	var wanted []string
	for _, name := range place.PullSecrets {
		wanted = append(wanted, naming.PullSecret(name))
	}
	held := &metav1.PartialObjectMetadataList{}
	held.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err := r.cached.List(ctx, held, client.InNamespace(place.Namespace), client.HasLabels{naming.LabelPullSecret})
	if err != nil {
		return fmt.Errorf("list copies of pull secrets in %q: %w", place.Namespace, err)
	}
	for i := range held.Items {
		if slices.Contains(wanted, held.Items[i].Name) {
			continue
		}
		if err := r.deleteOurs(ctx, &held.Items[i]); err != nil {
			return err
		}
	}
	return nil
}
