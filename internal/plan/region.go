package plan

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// ReportRegion says whether a Region can be used and how many tenants it has.
func ReportRegion(region v1alpha1.Region, regions []v1alpha1.Region, tenants []v1alpha1.Tenant) v1alpha1.RegionStatus {
	status := *region.Status.DeepCopy()
	status.ObservedGeneration = region.Generation
	status.Tenants = 0
	for _, tenant := range tenants {
		if tenant.Spec.Region == region.Name || tenant.Spec.Region == "" && tenant.Status.Region == region.Name {
			status.Tenants++
		}
	}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady,
		Message: "tenants can use this Region", ObservedGeneration: region.Generation,
	}
	for _, other := range regions {
		if region.Spec.Default && other.Spec.Default && other.Name != region.Name {
			ready.Status = metav1.ConditionFalse
			ready.Reason = v1alpha1.ReasonMultipleDefaultRegions
			ready.Message = fmt.Sprintf("Region %q is marked spec.default: true as well; leave the mark on one; see %s", other.Name, v1alpha1.DocsURL(ready.Reason))
		}
	}
	meta.SetStatusCondition(&status.Conditions, ready)
	return status
}

// Settled is true when a status describes a tenant nothing is pending for.
func Settled(status v1alpha1.TenantStatus) bool {
	return meta.IsStatusConditionFalse(status.Conditions, v1alpha1.ConditionReconciling)
}
