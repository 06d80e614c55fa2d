package console

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/docs/reference"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// severity sorts states, the worst first.
func severity(state string) int {
	return slices.Index([]string{wire.StateBroken, wire.StateWaiting, wire.StateRemoving, wire.StateSuspended, wire.StateReady}, state)
}

// rowOf is a tenant in a line.
func rowOf(tenant v1alpha1.Tenant) wire.TenantRow {
	status := tenant.Status
	row := wire.TenantRow{
		Slug: tenant.Name, DisplayName: tenant.Spec.DisplayName, Region: status.Region, Mode: string(status.Mode), Hostname: status.Hostname,
		Address: status.Address, Ports: []wire.Port{}, State: stateOf(tenant), Created: tenant.CreationTimestamp.UTC(),
	}
	if row.Region == "" {
		row.Region = tenant.Spec.Region
	}
	for _, port := range status.Ports {
		row.Ports = append(row.Ports, wire.Port{Name: port.Name, Port: port.Port})
	}
	if ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady); ready != nil {
		row.Reason, row.Message, row.Since = ready.Reason, ready.Message, utc(&ready.LastTransitionTime)
	}
	for _, name := range v1alpha1.HopConditions() {
		if !meta.IsStatusConditionTrue(status.Conditions, name) && row.State != wire.StateReady {
			row.Hop = name
			break
		}
	}
	if agents := status.Agents; agents != nil {
		row.Agents = &wire.Counts{
			Total: agents.Total, Active: agents.Active, Disconnected: agents.Disconnected, Pending: agents.Pending, NeverConnected: agents.NeverConnected,
		}
	}
	if certificate := status.Certificate; certificate != nil {
		row.CertificateEnds = utc(&certificate.NotAfter)
	}
	return row
}

// stateOf sums a tenant up in a word. A suspended or leaving tenant that only a person
// can help is broken all the same.
func stateOf(tenant v1alpha1.Tenant) string {
	ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
	stalled := meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionStalled)
	switch {
	case stalled:
		return wire.StateBroken
	case tenant.DeletionTimestamp != nil:
		return wire.StateRemoving
	case tenant.Spec.Suspended:
		return wire.StateSuspended
	}
	switch desk.StandingOf(tenant, ready) {
	case desk.Good:
		return wire.StateReady
	case desk.Waiting:
		return wire.StateWaiting
	}
	return wire.StateBroken
}

// pageOf is a tenant on a page.
func pageOf(tenant v1alpha1.Tenant, now time.Time) (wire.Tenant, error) {
	spec, err := asYAML(tenant)
	if err != nil {
		return wire.Tenant{}, err
	}
	status := tenant.Status
	page := wire.Tenant{
		Now: now.UTC(), TenantRow: rowOf(tenant), Namespace: naming.Namespace(tenant.Name),
		Behind: status.ObservedGeneration < tenant.Generation,
		Hops:   []wire.Hop{}, Sides: []wire.Hop{}, Manager: wire.Manager{Kind: "deployed"},
		AllowedNetworks: list(tenant.Spec.WazuhIngress.AllowedCIDRs),
		Certificate:     certificateOf(status.Certificate), Removal: removalOf(tenant),
		Spec: spec, Loss: desk.Loss(tenant, desk.AgentsOfStatus(tenant, nil, now)),
	}
	for _, name := range v1alpha1.HopConditions() {
		page.Hops = append(page.Hops, hopOf(tenant, name))
	}
	for _, name := range v1alpha1.SideConditions() {
		if meta.FindStatusCondition(status.Conditions, name) != nil {
			page.Sides = append(page.Sides, hopOf(tenant, name))
		}
	}
	if tenant.Spec.Manager.Attach != nil {
		page.Manager.Kind = "attached"
	}
	if seen := status.Manager; seen != nil {
		page.Manager.Version, page.Manager.Gateway = seen.Version, seen.Gateway
	}
	if seen := status.Enrollment; seen != nil {
		page.Enrollment = wire.Enrollment{Mode: string(seen.Mode), Tokens: seen.Tokens, Denied: seen.Denied}
	}
	if seen := status.Suspension; seen != nil {
		page.Suspension = &wire.Suspension{Since: seen.Since.UTC(), By: seen.By, Why: seen.Why, Sessions: seen.Sessions, Ended: utc(seen.EndedAt)}
	}
	return page, nil
}

func hopOf(tenant v1alpha1.Tenant, name string) wire.Hop {
	condition := meta.FindStatusCondition(tenant.Status.Conditions, name)
	hop := wire.Hop{Type: name, Means: reference.Means(name), State: wire.HopWaiting}
	switch desk.StandingOf(tenant, condition) {
	case desk.Good:
		hop.State = wire.HopGood
	case desk.Bad:
		hop.State = wire.HopBad
	}
	if condition == nil {
		return hop
	}
	hop.Reason, hop.Message, hop.Since = condition.Reason, condition.Message, utc(&condition.LastTransitionTime)
	if hop.State != wire.HopGood {
		hop.Next = reference.Reason(condition.Reason)
	}
	return hop
}

func certificateOf(seen *v1alpha1.CertificateStatus) *wire.Certificate {
	if seen == nil {
		return nil
	}
	certificate := &wire.Certificate{
		Strategy: string(seen.Strategy), Issuer: seen.Issuer, Serial: seen.Serial, Ends: seen.NotAfter.UTC(), NotServedSince: utc(seen.NotServedSince),
	}
	if served := seen.Served; served != nil && served.Serial != seen.Serial {
		certificate.ServedSerial, certificate.ServedEnds = served.Serial, utc(&served.NotAfter)
	}
	return certificate
}

// removalOf says how far a removal is; nil for a tenant that stays.
func removalOf(tenant v1alpha1.Tenant) *wire.Removal {
	if tenant.DeletionTimestamp == nil {
		return nil
	}
	removal := &wire.Removal{
		Started: tenant.DeletionTimestamp.UTC(), By: tenant.Annotations[naming.AnnotationOffboardedBy], Why: tenant.Annotations[naming.AnnotationOffboardedWhy],
		Report: desk.ReportName(tenant), Steps: []wire.RemovalStep{},
	}
	seen := tenant.Status.Offboarding
	if seen == nil {
		seen = &v1alpha1.OffboardingStatus{}
	}
	removal.Registrations = seen.Registrations
	for _, step := range v1alpha1.OffboardingSteps() {
		at := wire.RemovalStep{Step: string(step), State: wire.StepPending}
		done := slices.IndexFunc(seen.Done, func(record v1alpha1.OffboardingRecord) bool { return record.Step == step })
		switch {
		case done >= 0:
			record := seen.Done[done]
			at.State, at.At, at.Evidence, at.Abandoned = wire.StepDone, utc(&record.At), record.Evidence, record.Abandoned
		case step == seen.Step:
			at.State, at.At = wire.StepNow, utc(&seen.StepSince)
			if ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
				at.Evidence = ready.Message
			}
		}
		removal.Steps = append(removal.Steps, at)
	}
	return removal
}
