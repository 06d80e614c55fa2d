package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Revocation takes one agent's right to be a tenant's agent: its registration is
// deleted, its session cut, and its host's own attempts to enroll again are
// refused for as long as the Revocation exists. Deleting it lifts the ban; it
// gives no key back. It lives in the tenant's namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=rev,categories={soctalk}
// +kubebuilder:printcolumn:name="Agent",type=string,JSONPath=`.spec.agentName`
// +kubebuilder:printcolumn:name="ID",type=string,JSONPath=`.spec.agentID`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.refusedAttempts`
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.spec.why`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 100",message="metadata.name of a Revocation may have 100 characters at most, because the gateway's deny list refers to it; choose a shorter one"
type Revocation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RevocationSpec   `json:"spec"`
	Status RevocationStatus `json:"status,omitzero"`
}

// RevocationSpec says which agent, and why. It does not change: lift it and make
// another.
// +kubebuilder:validation:XValidation:rule="self.agentName == oldSelf.agentName && self.agentID == oldSelf.agentID",message="the agent of a Revocation does not change; delete it, which lifts the ban, and create another"
type RevocationSpec struct {
	// AgentID as the manager numbers it, such as 007. Its registration is deleted
	// only if it still has AgentName, because numbers are used again.
	// +kubebuilder:validation:Pattern=`^[0-9]{3,8}$`
	AgentID string `json:"agentID"`
	// AgentName that is refused from now on, in any letter case.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-][A-Za-z0-9._-]{1,127}$`
	AgentName string `json:"agentName"`
	// SourceCIDRs are refused too: the networks the host enrolls from, if they are its own.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="every entry of sourceCIDRs must be a network in CIDR form, such as 203.0.113.7/32"
	// +listType=set
	// +optional
	SourceCIDRs []string `json:"sourceCIDRs,omitempty"`
	// Why, for the record.
	// +kubebuilder:validation:MaxLength=500
	// +optional
	Why string `json:"why,omitempty"`
	// By whom, for the record.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	By string `json:"by,omitempty"`
}

// RevocationStep is where a revocation stands.
type RevocationStep string

// The steps of a revocation, in order: the way back is closed before the agent is
// thrown out.
const (
	// RevocationDeny: the gateway is to refuse the host.
	RevocationDeny RevocationStep = "Deny"
	// RevocationDeregister: the registration is to be deleted.
	RevocationDeregister RevocationStep = "Deregister"
	// RevocationCut: its session is to end.
	RevocationCut RevocationStep = "Cut"
	// RevocationDone: it is gone and was seen to be.
	RevocationDone RevocationStep = "Done"
)

// RevocationStatus is how far a revocation has come.
type RevocationStatus struct {
	// Step under way, or Done.
	// +optional
	Step RevocationStep `json:"step,omitempty"`
	// KeyHash of the agent's former key, by which its host is known under another
	// name. It is a digest and no secret.
	// +optional
	KeyHash string `json:"keyHash,omitempty"`
	// AgentStatus is what the manager said of the agent when the revocation began,
	// such as active; empty if it did not know it.
	// +optional
	AgentStatus string `json:"agentStatus,omitempty"`
	// AgentVersion is the agent's version then, such as v4.14.7; empty if the manager
	// did not tell.
	// +optional
	AgentVersion string `json:"agentVersion,omitempty"`
	// DeregisteredAt is when the registration was gone.
	// +optional
	DeregisteredAt *metav1.Time `json:"deregisteredAt,omitempty"`
	// CutAt is from when the manager refuses the former key: sessions that began
	// earlier are ended.
	// +optional
	CutAt *metav1.Time `json:"cutAt,omitempty"`
	// Evidence of the steps that are done, a sentence each.
	// +listType=atomic
	// +optional
	Evidence []string `json:"evidence,omitempty"`
	// RefusedAttempts to enroll again, as the gateway's log tells.
	// +optional
	RefusedAttempts int32 `json:"refusedAttempts,omitempty"`
	// LastRefused is when the last of them was.
	// +optional
	LastRefused *metav1.Time `json:"lastRefused,omitempty"`
	// Conditions: Ready is True once the agent is gone and refused.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RevocationList is a list of Revocations.
// +kubebuilder:object:root=true
type RevocationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Revocation `json:"items"`
}
