// Package v1alpha1 holds the product's kinds: what an MSSP writes down (Region,
// Tenant), what the operator answers (status, conditions, reasons), and the
// claims that keep two tenants from owning one name or port.
//
// Rules that one object can break alone are CEL in the schema, so the API server
// itself refuses them; [Tenant.Validate] and [Region.Validate] repeat nothing but
// add what CEL cannot say. Rules between objects (unknown region, taken
// hostname) are judged by internal/plan, which owns the view of all of them.
//
// Start with [Tenant], then conditions.go.
//
// +kubebuilder:object:generate=true
// +groupName=ingress.soctalk.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "ingress.soctalk.io", Version: "v1alpha1"}

// AddToScheme registers the kinds with a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Tenant{}, &TenantList{}, &Region{}, &RegionList{}, &Claim{}, &ClaimList{},
		&Route{}, &RouteList{},
		&EnrollmentToken{}, &EnrollmentTokenList{}, &Revocation{}, &RevocationList{},
		&Handover{}, &HandoverList{},
		&OffboardingReport{}, &OffboardingReportList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
