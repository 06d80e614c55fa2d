package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OffboardingStep is one of the ordered steps that remove a tenant. A step is
// entered only when the one before it is done, and may be repeated safely.
type OffboardingStep string

// The steps, in order. Nobody gets in again before anybody is thrown out, and
// nothing is taken down before that is seen.
const (
	// StepRotateSecret replaces the enrollment secret by one nobody is ever shown,
	// so that no copy of the old one opens anything.
	StepRotateSecret OffboardingStep = "RotateSecret"
	// StepDeny closes the way in: no new connection gets through, nobody enrolls.
	StepDeny OffboardingStep = "Deny"
	// StepDeleteRegistrations deletes every agent through the manager's API, so
	// that no key stays valid.
	StepDeleteRegistrations OffboardingStep = "DeleteRegistrations"
	// StepDrain waits until the manager counts no key and no session.
	StepDrain OffboardingStep = "Drain"
	// StepRemoveWayIn removes address and DNS name, and the ports at the edge.
	StepRemoveWayIn OffboardingStep = "RemoveWayIn"
	// StepRemoveObjects removes certificate, secrets, manager and namespace.
	StepRemoveObjects OffboardingStep = "RemoveObjects"
	// StepQuarantine lets hostname, ports and address rest before others may have them.
	StepQuarantine OffboardingStep = "Quarantine"
	// StepReport writes all this down, signed, in an OffboardingReport.
	StepReport OffboardingStep = "Report"
)

// OffboardingSteps lists the steps in their order.
func OffboardingSteps() []OffboardingStep {
	return []OffboardingStep{
		StepRotateSecret, StepDeny, StepDeleteRegistrations, StepDrain,
		StepRemoveWayIn, StepRemoveObjects, StepQuarantine, StepReport,
	}
}

// OffboardingStatus says how far the removal of a tenant has come.
type OffboardingStatus struct {
	// Step under way.
	Step OffboardingStep `json:"step"`
	// StepSince is when it began.
	// +optional
	StepSince metav1.Time `json:"stepSince,omitzero"`
	// StartedAt is when the removal began.
	StartedAt metav1.Time `json:"startedAt"`
	// By whom and why, as told with the request.
	// +optional
	By string `json:"by,omitempty"`
	// +optional
	Why string `json:"why,omitempty"`
	// Addresses agents connected to, as they were before they were given up.
	// +listType=atomic
	// +optional
	Addresses []string `json:"addresses,omitempty"`
	// Registrations counts the agents the manager had when their deletion began. It
	// is written down before the first one is deleted, so that it is known
	// afterwards whatever happens in between.
	// +optional
	Registrations *int32 `json:"registrations,omitempty"`
	// Agents are the first of them, by id.
	// +listType=atomic
	// +optional
	Agents []OffboardedAgent `json:"agents,omitempty"`
	// Resting is what others may not have for a while.
	// +listType=atomic
	// +optional
	Resting []RestingClaim `json:"resting,omitempty"`
	// Done are the steps that are finished, with what was seen.
	// +listType=map
	// +listMapKey=step
	// +optional
	Done []OffboardingRecord `json:"done,omitempty"`
}

// OffboardedAgent is an agent whose registration was to be deleted.
type OffboardedAgent struct {
	// ID as the manager numbered it.
	ID string `json:"id"`
	// Name of the agent.
	Name string `json:"name"`
}

// RestingClaim is a claim in quarantine.
type RestingClaim struct {
	// Name of the claim.
	Name string `json:"name"`
	// Until when nobody else may have it.
	Until metav1.Time `json:"until"`
}

// OffboardingRecord is the evidence of one finished step.
type OffboardingRecord struct {
	// Step that is finished.
	Step OffboardingStep `json:"step"`
	// StartedAt is when it began.
	// +optional
	StartedAt metav1.Time `json:"startedAt,omitzero"`
	// At is when it was seen to be finished.
	At metav1.Time `json:"at"`
	// Evidence in a sentence, such as "manager reports 0 registrations".
	Evidence string `json:"evidence"`
	// Abandoned is true when a person told the operator to go on without the
	// tenant's manager or edges.
	// +optional
	Abandoned bool `json:"abandoned,omitempty"`
}
