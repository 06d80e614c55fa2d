package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ConditionOpened is True once a Handover's link was opened.
const ConditionOpened = "Opened"

// Handover is a link that opens a tenant's onboarding kit once, for the
// customer's administrator. It lives in the tenant's namespace, which says whose
// kit it opens. Who may create one can hand out the enrollment secret.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=hov,categories={soctalk}
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Revoked",type=boolean,JSONPath=`.spec.revoked`
// +kubebuilder:printcolumn:name="Opened",type=string,JSONPath=`.status.openedAt`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.from`
// +kubebuilder:printcolumn:name="Created By",type=string,JSONPath=`.spec.createdBy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.spec.why`,priority=1
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name of a Handover must be one DNS label of 63 characters at most; soctalk-ingress handover create chooses one"
type Handover struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   HandoverSpec   `json:"spec"`
	Status HandoverStatus `json:"status,omitzero"`
}

// HandoverSpec says what the link opens, and until when. Only revoked changes.
// +kubebuilder:validation:XValidation:rule="self.tokenSHA256 == oldSelf.tokenSHA256 && self.expires == oldSelf.expires && self.why == oldSelf.why && self.createdBy == oldSelf.createdBy && (has(self.kit) ? has(oldSelf.kit) && self.kit == oldSelf.kit : !has(oldSelf.kit))",message="a link is not changed once it is made; revoke it, and create another"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.revoked) || !oldSelf.revoked || (has(self.revoked) && self.revoked)",message="a revoked link stays revoked; create another"
type HandoverSpec struct {
	// TokenSHA256 is the SHA-256, in hexadecimal, of the token in the link. The
	// token itself is kept nowhere.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	TokenSHA256 string `json:"tokenSHA256"`
	// Expires is when the link ends, opened or not.
	Expires metav1.Time `json:"expires"`
	// Why it was made.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	Why string `json:"why"`
	// CreatedBy is who made it, as the command line was told by the API server.
	// Its audit log has the proof.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	CreatedBy string `json:"createdBy"`
	// Kit adjusts what is handed over.
	// +optional
	Kit HandoverKit `json:"kit,omitzero"`
	// Revoked closes the link and keeps it for the record.
	// +optional
	Revoked bool `json:"revoked,omitempty"`
}

// HandoverKit is what the onboarding sheet is made from, beside Tenant and Region.
type HandoverKit struct {
	// AuthorityPEM is the certificate agents are to trust; empty means a public
	// authority. It stands here so that who serves the link need not read the
	// Secret of the tenant's private key.
	// +kubebuilder:validation:MaxLength=16384
	// +optional
	AuthorityPEM string `json:"authorityPEM,omitempty"`
	// AgentVersion to install; empty means the manager's own.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	AgentVersion string `json:"agentVersion,omitempty"`
	// AgentGroup the agents join.
	// +kubebuilder:validation:MaxLength=512
	// +optional
	AgentGroup string `json:"agentGroup,omitempty"`
}

// HandoverStatus is what became of the link.
type HandoverStatus struct {
	// OpenedAt is when it was opened; it opens nothing after that.
	// +optional
	OpenedAt *metav1.Time `json:"openedAt,omitempty"`
	// From is the address it was opened from.
	// +optional
	From string `json:"from,omitempty"`
	// Conditions: Opened.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// HandoverList is a list of Handovers.
// +kubebuilder:object:root=true
type HandoverList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Handover `json:"items"`
}
