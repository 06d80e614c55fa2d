package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// observeAlone looks at a gateway that is a pod of its own: where it runs, in which
// version, and whether the Secrets are there that only a person can make.
func (r *Reconciler) observeAlone(ctx context.Context, tenant v1alpha1.Tenant, place plan.Placement, seen *plan.Observed) error {
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(place.Namespace), client.MatchingLabels(naming.GatewayPodLabels())); err != nil {
		return fmt.Errorf("list pods of the gateway in %q: %w", place.Namespace, err)
	}
	seen.Manager.Gateway = gatewayVersion(pods.Items)
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			seen.Gateway.Pod, seen.Gateway.Node = pod.Name, pod.Spec.NodeName
		}
	}
	attach := tenant.Spec.Manager.Attach
	for _, needed := range []struct{ field, name, key string }{
		{"enrollmentPasswordSecret", attach.EnrollmentPasswordSecret, naming.KeyEnrollment},
		{"enrollmentCASecret", attach.EnrollmentCASecret, naming.KeyTLSCA},
	} {
		held, err := r.readSecret(ctx, place.Namespace, needed.name)
		if err != nil {
			return err
		}
		named := fmt.Sprintf("Secret %s/%s, which spec.manager.attach.%s names,", place.Namespace, needed.name, needed.field)
		switch {
		case held == nil:
			seen.Gateway.Missing = append(seen.Gateway.Missing, named+" does not exist; make it, with key "+needed.key)
		case len(held.Data[needed.key]) == 0:
			seen.Gateway.Missing = append(seen.Gateway.Missing, named+" has nothing under "+needed.key)
		}
	}
	return nil
}

// followManager makes the gateway's pod anew when the manager's has gone to another
// node: its Deployment puts the new one there.
func (r *Reconciler) followManager(ctx context.Context, place plan.Placement, stray string) error {
	if stray == "" {
		return nil
	}
	var pod corev1.Pod
	err := r.direct.Get(ctx, types.NamespacedName{Namespace: place.Namespace, Name: stray}, &pod)
	if apierrors.IsNotFound(err) || err == nil && pod.DeletionTimestamp != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read pod %s/%s: %w", place.Namespace, stray, err)
	}
	ctrl.LoggerFrom(ctx).Info("the gateway follows the manager to another node", "tenant", place.Slug, "pod", stray, "node", pod.Spec.NodeName)
	return r.deleteOurs(ctx, &pod)
}
