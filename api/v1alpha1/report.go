package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OffboardingReport is what is left of a tenant: which steps removed it, when, and
// what was seen. The operator writes it last and never changes it; it carries a
// signature, so that a copy proves the same anywhere. It outlives the tenant until
// a person deletes it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=obr,categories={soctalk}
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant`
// +kubebuilder:printcolumn:name="Registrations",type=integer,JSONPath=`.spec.registrations`
// +kubebuilder:printcolumn:name="Abandoned",type=boolean,JSONPath=`.spec.abandoned`
// +kubebuilder:printcolumn:name="Finished",type=string,JSONPath=`.spec.finishedAt`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.by`,priority=1
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.spec.why`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type OffboardingReport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec OffboardingReportSpec `json:"spec"`
}

// OffboardingReportSpec is a signed envelope, with some of its contents in the
// open for lists. The envelope has the word.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an OffboardingReport does not change; it can only be deleted"
type OffboardingReportSpec struct {
	// Tenant that was removed, and its UID.
	// +kubebuilder:validation:MinLength=1
	Tenant    string `json:"tenant"`
	TenantUID string `json:"tenantUID"`
	// FinishedAt is when the last step was done.
	FinishedAt metav1.Time `json:"finishedAt"`
	// Registrations that were deleted; absent when the manager was never asked.
	// +optional
	Registrations *int32 `json:"registrations,omitempty"`
	// Abandoned is true when a step was given up on a person's word.
	// +optional
	Abandoned bool `json:"abandoned,omitempty"`
	// By whom and why, as told with the request.
	// +optional
	By string `json:"by,omitempty"`
	// +optional
	Why string `json:"why,omitempty"`
	// Envelope with the report, in the form of DSSE (Dead Simple Signing Envelope).
	Envelope SignedEnvelope `json:"envelope"`
}

// SignedEnvelope is a payload and who signed it. The signature is over the
// pre-authentication encoding of type and payload, as DSSE v1 says.
type SignedEnvelope struct {
	// PayloadType says what the payload is.
	PayloadType string `json:"payloadType"`
	// Payload in base64.
	Payload string `json:"payload"`
	// Signatures, one for each key.
	// +kubebuilder:validation:MinItems=1
	// +listType=atomic
	Signatures []EnvelopeSignature `json:"signatures"`
}

// EnvelopeSignature is one key's signature.
type EnvelopeSignature struct {
	// KeyID is the SHA-256 of the public key (its SubjectPublicKeyInfo), hexadecimal.
	KeyID string `json:"keyid"`
	// Sig is the Ed25519 signature in base64.
	Sig string `json:"sig"`
}

// OffboardingReportList is a list of OffboardingReports.
// +kubebuilder:object:root=true
type OffboardingReportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OffboardingReport `json:"items"`
}
