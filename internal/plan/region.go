package plan

import (
	"cmp"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Wildcard is the certificate a Region has made for all its tenants together, by
// cert-manager, in the operator's namespace.
type Wildcard struct {
	// Name of the Certificate.
	Name string
	// Secret it is to be written into.
	Secret string
	// DNSName it is for.
	DNSName string
	// Issuer to ask.
	Issuer v1alpha1.IssuerRef
}

// WildcardOf says which certificate that is; wanted is false where the Region
// wants none, or somebody else brings it.
func WildcardOf(region v1alpha1.Region) (wildcard Wildcard, wanted bool) {
	certificates := region.Spec.Certificates
	if certificates.Strategy != v1alpha1.CertificateWildcard || certificates.IssuerRef == nil {
		return Wildcard{Name: naming.WildcardSecret(region.Name)}, false
	}
	return Wildcard{
		Name: naming.WildcardSecret(region.Name), Secret: WildcardSecret(region),
		DNSName: "*." + region.Spec.Domain, Issuer: *certificates.IssuerRef,
	}, true
}

// WildcardSecret is where a Region's wildcard certificate lies, in the operator's
// namespace.
func WildcardSecret(region v1alpha1.Region) string {
	return cmp.Or(region.Spec.Certificates.WildcardSecret, naming.WildcardSecret(region.Name))
}

// ReportRegion says whether a Region can be used and how many tenants it has. The
// problem is what kept its wildcard certificate from being asked for, if anything; silent
// are its edges that are no longer heard of.
func ReportRegion(region v1alpha1.Region, regions []v1alpha1.Region, tenants []v1alpha1.Tenant, silent []SilentEdge, problem *Problem) v1alpha1.RegionStatus {
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
	for _, edge := range silent {
		ready.Message += "; " + silentWord(edge, region.Name)
	}
	if problem != nil {
		ready.Status = metav1.ConditionFalse
		ready.Reason = problem.Reason
		ready.Message = fmt.Sprintf("%s; see %s", problem, v1alpha1.DocsURL(problem.Reason))
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
