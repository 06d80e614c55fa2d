package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SuspensionStatus says what became of the sessions of a suspended tenant. Closing
// the way in keeps others out; who was connected has to be sent away.
type SuspensionStatus struct {
	// Since is when the suspension was seen.
	Since metav1.Time `json:"since"`
	// By whom and why, as told with the request.
	// +optional
	By string `json:"by,omitempty"`
	// +optional
	Why string `json:"why,omitempty"`
	// Sessions the manager counted last; absent while it has not told.
	// +optional
	Sessions *int32 `json:"sessions,omitempty"`
	// AskedAt is when the manager asked its agents to hang up and connect again,
	// which they cannot.
	// +optional
	AskedAt *metav1.Time `json:"askedAt,omitempty"`
	// RestartedAt is when the manager was restarted, because some did not.
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`
	// EndedAt is when the manager was seen to hold no session.
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`
}
