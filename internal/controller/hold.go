package controller

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	place, err := plan.Place(in.Tenant, in.Regions)
	if err != nil {
		return nil, nil // plan.Tenant meets the same problem and reports it
	}
	held, ok := plan.Held(in.Tenant, in.Regions, carried(live, in.Tenant, place))
	if !ok {
		return nil, nil
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

// carried is what was asked of pods, by their annotation, or as far as those show it
// that have none.
func carried(live *unstructured.Unstructured, tenant v1alpha1.Tenant, place plan.Placement) string {
	if noted := live.GetAnnotations()[naming.AnnotationOwnSpec]; noted != "" || live.GetKind() != "StatefulSet" {
		return noted
	}
	containers, _, _ := unstructured.NestedSlice(live.Object, "spec", "template", "spec", "containers")
	gateway := slices.ContainsFunc(containers, func(container any) bool {
		of, ok := container.(map[string]any)
		return ok && of["name"] == gatewayContainer
	})
	return plan.Unnoted(tenant, place, gateway).String()
}
