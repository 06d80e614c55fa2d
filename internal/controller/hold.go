package controller

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// hold has a tenant wait for its turn with what its Region changed for its pods and
// for more than these. While it waits, the input has the Regions as its pods know
// them, and the turn says for whom it waits; nil when there is nothing to wait for.
func (r *Reconciler) hold(ctx context.Context, in *plan.Input) (*plan.Turn, error) {
	slug := in.Tenant.Name
	key := client.ObjectKey{Namespace: naming.Namespace(slug), Name: naming.Manager}
	live, err := r.live(ctx, appsv1.SchemeGroupVersion.WithKind("StatefulSet"), key)
	if live == nil || err != nil {
		return nil, err
	}
	held, ok := plan.Held(in.Tenant, in.Regions, live.GetAnnotations()[naming.AnnotationOwnSpec])
	if !ok {
		return nil, nil
	}
	place, err := plan.Place(in.Tenant, in.Regions)
	if err != nil {
		return nil, nil // plan.Tenant meets the same problem and reports it
	}
	ask, err := r.updateInput(ctx, in, slug, place.RegionSpec)
	if err != nil {
		return nil, err
	}
	ask.Differs = true
	if _, err := r.lookAtPods(ctx, live, &ask); err != nil {
		return nil, err
	}
	turn := plan.NextTurn(ask)
	if turn.Write {
		return nil, r.sit(ctx, slug, place.Region, turn.Take, ask.Version)
	}
	in.Regions = held
	if turn.Reason == v1alpha1.ReasonUpdateWaiting {
		turn.Message += "; until then Services, Secrets and policies stay with the pods, although Region " + place.Region + " says otherwise"
	}
	return &turn, nil
}
