package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OffboardingStep is one of the ordered steps that remove a tenant. A step is
// entered only when the one before it is done, and may be repeated safely.
type OffboardingStep string

// The steps, in order.
const (
	// StepStopRouting closes the way in: no new connection reaches the manager.
	StepStopRouting OffboardingStep = "StopRouting"
	// StepDeleteRegistrations deletes every agent through the manager's API, so
	// that no key stays valid.
	StepDeleteRegistrations OffboardingStep = "DeleteRegistrations"
	// StepRemoveObjects removes DNS name, address, certificate, manager and namespace.
	StepRemoveObjects OffboardingStep = "RemoveObjects"
	// StepReleaseClaims gives hostname and ports free.
	StepReleaseClaims OffboardingStep = "ReleaseClaims"
)

// OffboardingSteps lists the steps in their order.
func OffboardingSteps() []OffboardingStep {
	return []OffboardingStep{StepStopRouting, StepDeleteRegistrations, StepRemoveObjects, StepReleaseClaims}
}

// OffboardingStatus says how far the removal of a tenant has come.
type OffboardingStatus struct {
	// Step under way.
	Step OffboardingStep `json:"step"`
	// StartedAt is when the removal began.
	StartedAt metav1.Time `json:"startedAt"`
	// Registrations counts the agents the manager had when their deletion began. It
	// is written down before the first one is deleted, so that it is known
	// afterwards whatever happens in between.
	// +optional
	Registrations *int32 `json:"registrations,omitempty"`
	// Done are the steps that are finished, with what was seen.
	// +listType=map
	// +listMapKey=step
	// +optional
	Done []OffboardingRecord `json:"done,omitempty"`
}

// OffboardingRecord is the evidence of one finished step.
type OffboardingRecord struct {
	// Step that is finished.
	Step OffboardingStep `json:"step"`
	// At is when it was seen to be finished.
	At metav1.Time `json:"at"`
	// Evidence in a sentence, such as "manager reports 0 registrations".
	Evidence string `json:"evidence"`
}
