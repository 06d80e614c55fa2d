package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EnrollmentMode is who answers on a tenant's enrollment port.
// +kubebuilder:validation:Enum=gateway;direct
type EnrollmentMode string

const (
	// EnrollmentGateway puts our gateway in front of the manager's authd: limits,
	// tokens, a deny list, rotation with an overlap, an audit of every attempt.
	EnrollmentGateway EnrollmentMode = "gateway"
	// EnrollmentDirect lets agents talk to authd itself, with all it lacks.
	EnrollmentDirect EnrollmentMode = "direct"
)

// RotationSpec says when the enrollment secret is replaced. Agents that are
// enrolled keep their keys; only who enrolls anew needs the new secret.
// +kubebuilder:validation:XValidation:rule="!has(self.every) || duration(self.every) >= duration('1h')",message="rotation.every must be one hour or more, such as 2160h for 90 days; leave it out to rotate on request only"
// +kubebuilder:validation:XValidation:rule="!has(self.overlap) || duration(self.overlap) >= duration('0s')",message="rotation.overlap must not be negative; 0s ends the old secret at once"
type RotationSpec struct {
	// Every is how old a secret may become; empty means it is replaced on request only.
	// +optional
	Every *metav1.Duration `json:"every,omitempty"`
	// Overlap is how long the old secret is still accepted; 0s ends it at once.
	// Enrollment mode direct knows one secret only and has no overlap.
	// +optional
	Overlap *metav1.Duration `json:"overlap,omitempty"`
}

// RotationStep is where a replacement of the enrollment secret stands.
type RotationStep string

// The steps of a rotation, in order. Each is entered only when the one before it
// was seen to be done.
const (
	// RotationGenerate writes the new secret and keeps the old one aside.
	RotationGenerate RotationStep = "Generate"
	// RotationAccept waits until the new secret is accepted on the wire.
	RotationAccept RotationStep = "AcceptNew"
	// RotationOverlap waits until the old secret's time is over.
	RotationOverlap RotationStep = "Overlap"
	// RotationRefuse waits until the old secret is refused on the wire.
	RotationRefuse RotationStep = "RefuseOld"
	// RotationDone: the new secret is accepted, the old one refused; both were tried.
	RotationDone RotationStep = "Done"
)

// RotationStatus is how the last replacement of the enrollment secret went.
type RotationStatus struct {
	// Request that was taken up: the value of the annotation
	// ingress.soctalk.io/rotate, or "schedule".
	// +optional
	Request string `json:"request,omitempty"`
	// Step under way, or Done.
	Step RotationStep `json:"step"`
	// StartedAt is when the new secret was written.
	StartedAt metav1.Time `json:"startedAt"`
	// OverlapUntil is when the old secret ends.
	// +optional
	OverlapUntil *metav1.Time `json:"overlapUntil,omitempty"`
	// FinishedAt is when the old secret was seen refused.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Stuck says why a step does not finish.
	// +optional
	Stuck string `json:"stuck,omitempty"`
}

// EnrollmentStatus is who answers on the enrollment port, and what it obeys.
type EnrollmentStatus struct {
	// Mode in force.
	Mode EnrollmentMode `json:"mode"`
	// PolicyGeneration the gateway was seen to obey.
	// +optional
	PolicyGeneration int64 `json:"policyGeneration,omitempty"`
	// SecretSince is when the current secret was made.
	// +optional
	SecretSince *metav1.Time `json:"secretSince,omitempty"`
	// Tokens that count now, and agents on the deny list.
	// +optional
	Tokens int32 `json:"tokens,omitempty"`
	// +optional
	Denied int32 `json:"denied,omitempty"`
}

// EnrollmentToken is a named enrollment secret of one tenant, for a site, an
// order or a wave of a roll-out: with an end, a number of uses, a group. It lives
// in the tenant's namespace; the operator makes its secret, in the Secret
// enrollment-token-<name>, and the gateway counts its uses.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=etok,categories={soctalk}
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Uses",type=integer,JSONPath=`.status.uses`
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=`.spec.maxUses`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Group",type=string,JSONPath=`.spec.group`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Last Used",type=date,JSONPath=`.status.lastUsedAt`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name of an EnrollmentToken must be one DNS label of 63 characters at most, such as berlin-office"
type EnrollmentToken struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   EnrollmentTokenSpec   `json:"spec,omitzero"`
	Status EnrollmentTokenStatus `json:"status,omitzero"`
}

// EnrollmentTokenSpec says for whom and for how long a token counts.
// +kubebuilder:validation:XValidation:rule="!has(self.notBefore) || !has(self.expires) || timestamp(self.expires) > timestamp(self.notBefore)",message="expires must be after notBefore"
type EnrollmentTokenSpec struct {
	// NotBefore is when the token begins to count; empty means at once.
	// +optional
	NotBefore *metav1.Time `json:"notBefore,omitempty"`
	// Expires is when it ends; empty means never.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
	// MaxUses is how many agents it lets in; 0 means any number.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxUses int32 `json:"maxUses,omitempty"`
	// Group replaces whatever groups the agent asks for.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^([A-Za-z0-9_-][A-Za-z0-9._-]*)?$`
	// +optional
	Group string `json:"group,omitempty"`
	// Names is a pattern with * and ? that the agent's name must match, such as berlin-*.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._*?-]*$`
	// +optional
	Names string `json:"names,omitempty"`
	// SourceCIDRs are the networks it may be used from; empty means everywhere.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="every entry of sourceCIDRs must be a network in CIDR form, such as 203.0.113.0/24 or 2001:db8::/48"
	// +listType=set
	// +optional
	SourceCIDRs []string `json:"sourceCIDRs,omitempty"`
	// Revoked refuses it from now on and keeps it for the record.
	// +optional
	Revoked bool `json:"revoked,omitempty"`
}

// TokenState is one word for how a token is doing.
type TokenState string

// The states of a token.
const (
	// TokenPending: the gateway does not know it yet.
	TokenPending TokenState = "Pending"
	// TokenActive: it lets agents in.
	TokenActive TokenState = "Active"
	// TokenEarly: its time has not begun.
	TokenEarly TokenState = "Early"
	// TokenExpired: its time is over.
	TokenExpired TokenState = "Expired"
	// TokenUsedUp: it let in as many agents as it may.
	TokenUsedUp TokenState = "UsedUp"
	// TokenRevoked: a person ended it.
	TokenRevoked TokenState = "Revoked"
)

// Ended is the state of a token nobody is let in with any more, as far as its spec,
// its counted uses and the clock say; empty for one that counts, or will.
func (t *EnrollmentToken) Ended(now time.Time) TokenState {
	switch {
	case t.Spec.Revoked || t.DeletionTimestamp != nil:
		return TokenRevoked
	case t.Spec.Expires != nil && !now.Before(t.Spec.Expires.Time):
		return TokenExpired
	case t.Spec.MaxUses > 0 && t.Status.Uses >= t.Spec.MaxUses:
		return TokenUsedUp
	}
	return ""
}

// EnrollmentTokenStatus is how a token is doing.
type EnrollmentTokenStatus struct {
	// ObservedGeneration is the generation of the spec this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// State in one word.
	// +optional
	State TokenState `json:"state,omitempty"`
	// SecretName is the Secret that holds the token's secret under authd.pass.
	// +optional
	SecretName string `json:"secretName,omitempty"`
	// Uses the gateway counted.
	// +optional
	Uses int32 `json:"uses"`
	// LastUsedAt is when the operator last saw that it had been used: it asks twice a
	// minute.
	// +optional
	LastUsedAt *metav1.Time `json:"lastUsedAt,omitempty"`
	// EndedAt is when the token was seen to have ended. The operator deletes the token
	// some time after that, 30 days unless it is told otherwise.
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`
	// Conditions: Ready, with the reason when it does not count.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// EnrollmentTokenList is a list of EnrollmentTokens.
// +kubebuilder:object:root=true
type EnrollmentTokenList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EnrollmentToken `json:"items"`
}

// Wazuh5Agents says whether agents of Wazuh 5 are let in.
// +kubebuilder:validation:Enum=closed;unguarded
type Wazuh5Agents string

const (
	// Wazuh5Closed: port 1517 is in no Service, no edge and no policy.
	Wazuh5Closed Wazuh5Agents = "closed"
	// Wazuh5Unguarded: port 1517 is open, and what enrolls there is the manager's own
	// affair.
	Wazuh5Unguarded Wazuh5Agents = "unguarded"
)
