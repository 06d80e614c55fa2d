package controller

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// announce raises an event when a tenant's summary or address changed, an update got
// further, or an offboarding step was finished. Its reason is the condition's reason; nothing is announced
// twice.
func (r *Reconciler) announce(tenant *v1alpha1.Tenant, status v1alpha1.TenantStatus) {
	before := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
	after := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	if after != nil && (before == nil || before.Status != after.Status || before.Reason != after.Reason) {
		kind := corev1.EventTypeNormal
		if meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionStalled) {
			kind = corev1.EventTypeWarning
		}
		r.events.Eventf(tenant, nil, kind, after.Reason, "Reconcile", "%s", after.Message)
	}
	r.announceSide(tenant, status)
	change, told := status.AddressChange, tenant.Status.AddressChange
	if change != nil && status.Address != "" && (status.Address != tenant.Status.Address || told == nil || !told.At.Equal(&change.At)) {
		now := v1alpha1.AddressChange{From: status.Address}
		if change.Ports != "" {
			now.Ports = status.PortSummary
		}
		r.events.Eventf(tenant, nil, corev1.EventTypeWarning, v1alpha1.ReasonAddressChanged, "Reconcile",
			"agents are to connect to %s instead of %s", now.Place(), change.Place())
	}
	if status.Offboarding == nil {
		return
	}
	known := 0
	if tenant.Status.Offboarding != nil {
		known = len(tenant.Status.Offboarding.Done)
	}
	for _, record := range status.Offboarding.Done[known:] {
		r.events.Eventf(tenant, nil, corev1.EventTypeNormal, string(record.Step), "Offboard", "%s", record.Evidence)
	}
}

// announceSide tells how updates go, and that tokens run out, which Ready does not
// show. Who waits for another's update is told by its condition only: that may be
// hundreds of tenants at once.
func (r *Reconciler) announceSide(tenant *v1alpha1.Tenant, status v1alpha1.TenantStatus) {
	for _, name := range []string{v1alpha1.ConditionUpToDate, v1alpha1.ConditionEnrollmentGuarded} {
		before, after := meta.FindStatusCondition(tenant.Status.Conditions, name), meta.FindStatusCondition(status.Conditions, name)
		if after == nil || before != nil && before.Reason == after.Reason {
			continue
		}
		kind, reason := corev1.EventTypeNormal, after.Reason
		switch {
		case reason == v1alpha1.ReasonUpdateFailed, reason == v1alpha1.ReasonTokensNearLimit:
			kind = corev1.EventTypeWarning
		case name == v1alpha1.ConditionUpToDate && reason == v1alpha1.ReasonOK:
			reason = v1alpha1.ConditionUpToDate
		case reason != v1alpha1.ReasonUpdating:
			continue
		}
		r.events.Eventf(tenant, nil, kind, reason, "Reconcile", "%s", after.Message)
	}
}

// announceGivenUp tells which records are forgotten on a person's word.
func (r *Reconciler) announceGivenUp(in plan.Input, status v1alpha1.TenantStatus) {
	for _, given := range plan.GivenUp(in, status) {
		r.events.Eventf(&in.Tenant, nil, corev1.EventTypeWarning, v1alpha1.EventRecordsAbandoned, "Reconcile",
			"given up by annotation %s: %s", naming.AnnotationAbandonRecords, given)
	}
}
