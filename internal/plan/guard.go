package plan

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

// Guard is what is known of a tenant's gateway, and of what it obeys.
type Guard struct {
	// Mode of enrollment in force; empty while nobody knows.
	Mode v1alpha1.EnrollmentMode `json:"mode,omitempty"`
	// Stored is the policy as it was written last.
	Stored *policy.Policy `json:"stored,omitempty"`
	// Obeyed is the generation of the policy in force at the gateway; 0 when it was
	// not asked, or did not answer.
	Obeyed int64 `json:"obeyed,omitempty"`
	// Problem says why it did not answer.
	Problem string `json:"problem,omitempty"`
	// Wazuh5 is true when agents of Wazuh 5 are let in, past the gateway.
	Wazuh5 bool `json:"wazuh5,omitempty"`
	// Uses the gateway counted, by the name of the token.
	Uses map[string]int `json:"uses,omitempty"`
}

// answered is true when the gateway said what it obeys.
func (g Guard) answered() bool { return g.Obeyed > 0 }

// current is the policy in force, or nil: an older one may be in force, or none.
func (g Guard) current() *policy.Policy {
	if g.Stored == nil || g.Obeyed < g.Stored.Generation {
		return nil
	}
	return g.Stored
}

// why says in words what a change of policy waits for.
func (g Guard) why() string {
	switch {
	case g.Mode == "":
		return "the operator has not said yet who answers on the enrollment port"
	case g.Problem != "":
		return "the gateway does not answer: " + g.Problem
	}
	return "the gateway still obeys an older policy"
}

// setReady writes the one condition of tokens and revocations. A reason that asks
// something of the reader comes with its page.
func setReady(conditions *[]metav1.Condition, is metav1.ConditionStatus, reason, message string, generation int64, now time.Time) {
	if page := v1alpha1.DocsURL(reason); class(reason) != classFine && !strings.HasSuffix(message, page) {
		message += "; see " + page
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: is, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	})
}
