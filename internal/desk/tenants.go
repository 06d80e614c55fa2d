package desk

import (
	"cmp"
	"context"
	"fmt"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// CreateTenant lets planner, chart and API server judge a new tenant, and writes it
// unless it is a dry run.
func (d *Desk) CreateTenant(ctx context.Context, tenant *v1alpha1.Tenant, dryRun bool) error {
	// The API server first: what its schema refuses, the chart refuses in other words.
	tried := tenant.DeepCopy()
	if err := created(tenant.Name, d.Create(ctx, tried, client.DryRunAll)); err != nil {
		return err
	}
	if err := d.judge(ctx, *tenant); err != nil {
		return err
	}
	if dryRun {
		*tenant = *tried
		return nil
	}
	return created(tenant.Name, d.Create(ctx, tenant))
}

func created(slug string, err error) error {
	switch {
	case apierrors.IsAlreadyExists(err):
		return fault.NewShell(fault.Refused, fmt.Errorf("tenant %q exists already", slug), "choose another slug", "look at it with soctalk-ingress tenant describe %s, or choose another slug", slug)
	case err != nil:
		return fmt.Errorf("create tenant %q: %w", slug, err)
	}
	return nil
}

// judge asks the planner what the operator would say of a new tenant, with the
// claims of the others where the user may read them.
func (d *Desk) judge(ctx context.Context, tenant v1alpha1.Tenant) error {
	regions, err := d.Regions(ctx)
	if err != nil {
		return err
	}
	var claims v1alpha1.ClaimList
	if err := d.List(ctx, &claims); err != nil && !apierrors.IsForbidden(err) {
		return fmt.Errorf("list claims: %w", err)
	}
	return verdict(plan.Input{
		Tenant: tenant, Regions: regions, Now: time.Now(),
		Operator: plan.Operator{Namespace: cmp.Or(d.System, naming.DefaultSystemNamespace), PodLabels: naming.OperatorPodLabels()},
		Observed: plan.Observed{Claims: plan.Holders(claims.Items)},
	})
}

// verdict decides a tenant and renders it, as the operator will: some values are
// refused by the tenant chart alone, such as a version nobody can run.
func verdict(in plan.Input) error {
	desired, err := plan.Tenant(in)
	if err != nil {
		return fmt.Errorf("tenant %q: %w", in.Tenant.Name, err)
	}
	if _, err := chart.Render(desired.Values, chart.Options{}); err != nil {
		return fmt.Errorf("tenant %q: %w", in.Tenant.Name, fault.NewShell(fault.Refused, err, "this is about the tenant chart's values", "this is about the tenant chart's values, which soctalk-ingress render --values shows"))
	}
	return nil
}

// Suspend closes a tenant's way in, and writes down who asked for it and why.
func (d *Desk) Suspend(ctx context.Context, slug, why string) error {
	who, err := reveal.Who(ctx, d)
	if err != nil {
		return err
	}
	return d.change(ctx, slug, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.Suspended = true
		metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationSuspendedBy, who)
		metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationSuspendedWhy, why)
	})
}

// Resume opens it again.
func (d *Desk) Resume(ctx context.Context, slug string) error {
	return d.change(ctx, slug, func(tenant *v1alpha1.Tenant) {
		tenant.Spec.Suspended = false
		delete(tenant.Annotations, naming.AnnotationSuspendedBy)
		delete(tenant.Annotations, naming.AnnotationSuspendedWhy)
	})
}

// change edits a tenant that is not on its way out.
func (d *Desk) change(ctx context.Context, slug string, edit func(*v1alpha1.Tenant)) error {
	tenant, err := d.Tenant(ctx, slug)
	if err != nil {
		return err
	}
	if tenant.DeletionTimestamp != nil {
		return fault.NewShell(fault.Refused, fmt.Errorf("tenant %q is being removed", slug), shownOnPath, "soctalk-ingress tenant describe %s shows the steps", slug)
	}
	before := tenant.DeepCopy()
	edit(&tenant)
	if err := d.Patch(ctx, &tenant, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("change tenant %q: %w", slug, err)
	}
	return nil
}

// Offboard writes down who asked for a tenant's removal and why, and deletes it: the
// one that was looked at, not one created in between.
func (d *Desk) Offboard(ctx context.Context, tenant v1alpha1.Tenant, why string) error {
	who, err := reveal.Who(ctx, d)
	if err != nil {
		return err
	}
	err = d.change(ctx, tenant.Name, func(tenant *v1alpha1.Tenant) {
		metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationOffboardedBy, who)
		metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationOffboardedWhy, why)
	})
	if err != nil {
		return err
	}
	return d.Remove(ctx, tenant)
}

// Remove deletes the tenant that was looked at, not one created in between.
func (d *Desk) Remove(ctx context.Context, tenant v1alpha1.Tenant) error {
	uid := tenant.UID
	if err := d.Delete(ctx, &tenant, client.Preconditions{UID: &uid}); err != nil {
		return fmt.Errorf("delete tenant %q: %w", tenant.Name, err)
	}
	return nil
}

// WayIn is a tenant's way in, in a line.
func WayIn(status v1alpha1.TenantStatus) string {
	text := status.Hostname
	if status.Address != "" {
		text += " (" + status.Address + ")"
	}
	for _, port := range status.Ports {
		text += fmt.Sprintf(", %s on %d", port.Name, port.Port)
	}
	return text
}

// Events of a tenant. It has no namespace, and what happens to such objects is
// kept in the namespace "default".
func (d *Desk) Events(ctx context.Context, slug string) ([]eventsv1.Event, error) {
	var list eventsv1.EventList
	about := fields.Set{"regarding.kind": "Tenant", "regarding.name": slug}
	err := d.List(ctx, &list, client.InNamespace(metav1.NamespaceDefault), client.MatchingFieldsSelector{Selector: about.AsSelector()})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return list.Items, nil
}

// LastSeen is when an event was last seen.
func LastSeen(event eventsv1.Event) time.Time {
	switch {
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}
