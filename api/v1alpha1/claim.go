package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Claim makes something belong to one tenant: its name is the thing claimed
// (host.acme.soc.mssp.example.com, port.eu.15140), and since the API server
// stores a name once, two tenants can never both hold it. The operator writes
// claims; people read them.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=clm,categories={soctalk}
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.kind`
// +kubebuilder:printcolumn:name="Quarantined Until",type=string,JSONPath=`.spec.quarantinedUntil`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Claim struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ClaimSpec `json:"spec"`
}

// ClaimKind is what is claimed.
// +kubebuilder:validation:Enum=Hostname;EdgePort;EdgeSlot;Address;UpdateSeat
type ClaimKind string

const (
	// ClaimHostname is a claim on a DNS name.
	ClaimHostname ClaimKind = "Hostname"
	// ClaimEdgePort is a claim on a port of a Region's edge.
	ClaimEdgePort ClaimKind = "EdgePort"
	// ClaimEdgeSlot is a claim on a tenant's number at a Region's edges.
	ClaimEdgeSlot ClaimKind = "EdgeSlot"
	// ClaimAddress is a claim on an address a load balancer gave. It is made when the
	// address is given up, to keep others from it for a while.
	ClaimAddress ClaimKind = "Address"
	// ClaimUpdateSeat lets a tenant's pods be restarted for a new version: there are as
	// many seats as tenants may be restarted at a time.
	ClaimUpdateSeat ClaimKind = "UpdateSeat"
)

// ClaimSpec says who holds what.
// +kubebuilder:validation:XValidation:rule="self.tenant == oldSelf.tenant && self.kind == oldSelf.kind",message="a claim does not change hands: delete it, and let the other tenant claim it"
type ClaimSpec struct {
	// Tenant that holds the claim.
	// +kubebuilder:validation:MinLength=1
	Tenant string `json:"tenant"`
	// Kind of thing claimed.
	Kind ClaimKind `json:"kind"`
	// QuarantinedUntil is set when the tenant gave the thing up: until then nobody
	// else may have it, because agents that were left behind still knock there.
	// The tenant itself may take it back at any time.
	// +optional
	QuarantinedUntil *metav1.Time `json:"quarantinedUntil,omitempty"`
}

// ClaimList is a list of Claims.
// +kubebuilder:object:root=true
type ClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Claim `json:"items"`
}
