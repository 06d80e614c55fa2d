package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// endpointKind is external-dns's; a cluster need not have it.
var endpointKind = schema.GroupVersionKind{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpoint"}

// +kubebuilder:rbac:groups=externaldns.k8s.io,resources=dnsendpoints,verbs=get;list;watch;create;patch;delete

// applyNames publishes what was decided, and takes back what another way of
// publishing left. A zone that cannot be written is no error of the turn: it is
// noted, and reported as the name's own condition.
func (r *Reconciler) applyNames(ctx context.Context, in *plan.Input, desired plan.Desired) error {
	dns := desired.Placement.RegionSpec.DNS
	writer := plan.WriterOf(dns)
	if writer != plan.WriterEndpoint {
		if err := r.deleteEndpoint(ctx, desired.Placement.Slug); err != nil {
			return err
		}
	}
	if err := r.takeLeftBack(ctx, in, desired); err != nil {
		return err
	}
	if writer == plan.WriterDirect {
		return r.writeZone(ctx, in, desired)
	}
	if desired.Names == nil || len(desired.Names.Records) == 0 || writer != plan.WriterEndpoint {
		return nil
	}
	return r.applyOne(ctx, r.endpoint(desired.Placement, desired.Names.Records))
}

// endpoint is the DNSEndpoint that asks for the records. It lives in the operator's
// namespace, where no tenant can claim a name.
func (r *Reconciler) endpoint(place plan.Placement, records []record.Record) *unstructured.Unstructured {
	var endpoints []any
	for _, wanted := range records {
		targets := make([]any, len(wanted.Values))
		for i, value := range wanted.Values {
			if wanted.Type == record.CNAME {
				value = strings.TrimSuffix(value, ".") // as external-dns writes it
			}
			targets[i] = value
		}
		endpoints = append(endpoints, map[string]any{
			"dnsName": wanted.Name, "recordType": wanted.Type, "recordTTL": int64(wanted.TTL), "targets": targets,
		})
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"endpoints": endpoints}}}
	object.SetGroupVersionKind(endpointKind)
	object.SetNamespace(r.options.Operator.Namespace)
	object.SetName(naming.DNSEndpoint(place.Slug))
	object.SetLabels(map[string]string{
		naming.LabelTenant: place.Slug, naming.LabelRegion: place.Region, naming.LabelManagedBy: naming.Product,
	})
	return object
}

func (r *Reconciler) readEndpoint(ctx context.Context, slug string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(endpointKind)
	if !r.watches(object) {
		return nil, nil
	}
	key := types.NamespacedName{Namespace: r.options.Operator.Namespace, Name: naming.DNSEndpoint(slug)}
	err := r.cached.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read dnsendpoint %s: %w", key, err)
	}
	return object, nil
}

func (r *Reconciler) observeEndpoint(ctx context.Context, slug string) (*plan.EndpointState, error) {
	object, err := r.readEndpoint(ctx, slug)
	if err != nil || object == nil {
		return nil, err
	}
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	return &plan.EndpointState{Generation: object.GetGeneration(), Observed: observed}, nil
}

func (r *Reconciler) deleteEndpoint(ctx context.Context, slug string) error {
	object, err := r.readEndpoint(ctx, slug)
	if err != nil || object == nil {
		return err
	}
	return r.deleteOurs(ctx, object)
}

// writeZone carries the changes out.
func (r *Reconciler) writeZone(ctx context.Context, in *plan.Input, desired plan.Desired) error {
	state, place := &in.Observed.DNS, desired.Placement
	if desired.Names == nil || desired.Names.Changes.Empty() {
		return nil
	}
	err := r.change(ctx, plan.WayOf(place.RegionSpec.DNS, place.Hostname), state.Current, desired.Names.Changes, place.Slug)
	if errors.Is(err, record.ErrChanged) {
		return errConflict
	}
	noteWriteError(state, err)
	return nil
}

// takeLeftBack removes what was written in ways that are no longer in force. What
// cannot be removed is noted, and reported with the name's own condition.
func (r *Reconciler) takeLeftBack(ctx context.Context, in *plan.Input, desired plan.Desired) error {
	if desired.Names == nil {
		return nil
	}
	for _, leaving := range desired.Names.Leaving {
		err := r.change(ctx, leaving.Way, leaving.Current, leaving.Changes, desired.Placement.Slug)
		if errors.Is(err, record.ErrChanged) {
			return errConflict
		}
		for i, left := range in.Observed.DNS.Left {
			switch {
			case !plan.SameWay(left.Way, leaving.Way):
			case err != nil:
				in.Observed.DNS.Left[i].Error = err.Error()
			default:
				in.Observed.DNS.Left[i].Current = nil
			}
		}
	}
	return nil
}

func (r *Reconciler) change(ctx context.Context, way v1alpha1.DNSWritten, current []record.Current, changes record.Changes, slug string) error {
	ctx, cancel := context.WithTimeout(ctx, writerTimeout(way))
	defer cancel()
	writer, err := r.recordWriter(ctx, way)
	if err != nil {
		return err
	}
	if err := writer.Apply(ctx, current, changes, "tenant/"+slug); err != nil {
		return err
	}
	r.writes.Add(1) // the report must look again
	return nil
}

// keepComplaints carries what writing failed with into a second look, which only
// reads.
func keepComplaints(before plan.DNSState, after *plan.DNSState) {
	if after.WriteError == "" {
		after.WriteError, after.WriteRefused = before.WriteError, before.WriteRefused
	}
	for _, left := range before.Left {
		for i := range after.Left {
			if plan.SameWay(after.Left[i].Way, left.Way) && after.Left[i].Error == "" && len(after.Left[i].Current) > 0 {
				after.Left[i].Error = left.Error
			}
		}
	}
}

func noteWriteError(state *plan.DNSState, err error) {
	if err == nil {
		return
	}
	var refused *record.Refused
	state.WriteError, state.WriteRefused = err.Error(), errors.As(err, &refused)
}
