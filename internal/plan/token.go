package plan

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// TokenInput is everything a judgement of one EnrollmentToken may depend on.
type TokenInput struct {
	Token v1alpha1.EnrollmentToken `json:"token"`
	// Tenant is the slug of the tenant whose namespace it is in; empty when there
	// is none, or it is being removed: then nobody's gateway knows the token.
	Tenant string `json:"tenant,omitempty"`
	// Digest of its secret; zero until the secret is made, or if it is unsound.
	Digest policy.Digest `json:"digest,omitzero"`
	// SecretProblem says what is wrong with the secret.
	SecretProblem string `json:"secretProblem,omitempty"`
	Guard         Guard  `json:"guard"`
	// KeepEnded is how long a token that ended is kept; 0 is for ever.
	KeepEnded time.Duration `json:"keepEnded,omitempty"`
	Now       time.Time     `json:"now"`
}

// TokenReport is what became of a token.
type TokenReport struct {
	Status v1alpha1.EnrollmentTokenStatus `json:"status"`
	// Forget is true once a token that is being deleted lets nobody in any more.
	Forget bool `json:"forget,omitempty"`
	// Remove is true once a token that ended has been kept long enough.
	Remove bool `json:"remove,omitempty"`
	// Changes is when its state changes by the clock alone; zero is never.
	Changes time.Time `json:"changes,omitzero"`
}

// ReportToken judges a token by its spec, the clock and what the gateway says.
func ReportToken(in TokenInput) TokenReport {
	token := in.Token
	report := TokenReport{Status: *token.Status.DeepCopy()}
	status := &report.Status
	status.ObservedGeneration = token.Generation
	status.SecretName = naming.TokenSecret(token.Name)
	if uses, known := in.Guard.Uses[token.Name]; known {
		if int32(uses) > status.Uses {
			status.LastUsedAt = &metav1.Time{Time: in.Now}
		}
		status.Uses = int32(uses)
	}
	known := in.known()
	token.Status = *status
	status.State = stateOf(token, known, in.Now)
	status.EndedAt = endedAt(token, in.Now)
	reason, message := in.reason(status)
	is := isFalse
	if reason == v1alpha1.ReasonReady {
		is = isTrue
	}
	setReady(&status.Conditions, is, reason, message, token.Generation, in.Now)
	report.Forget = token.DeletionTimestamp != nil && in.harmless()
	removed := time.Time{}
	if status.EndedAt != nil && in.KeepEnded > 0 {
		removed = status.EndedAt.Add(in.KeepEnded)
		report.Remove = token.DeletionTimestamp == nil && !in.Now.Before(removed)
	}
	for _, at := range []time.Time{timeOf(token.Spec.NotBefore), timeOf(token.Spec.Expires), removed} {
		if at.After(in.Now) && (report.Changes.IsZero() || at.Before(report.Changes)) {
			report.Changes = at
		}
	}
	return report
}

// known is true when the gateway obeys the token just as its spec is now.
func (in TokenInput) known() bool {
	current := in.Guard.current()
	if current == nil || in.Digest.IsZero() {
		return false
	}
	want := policyToken(Token{Token: in.Token, Digest: in.Digest})
	return slices.ContainsFunc(current.Tokens, func(have policy.Token) bool {
		return samePolicy(&policy.Policy{Tokens: []policy.Token{want}}, &policy.Policy{Tokens: []policy.Token{have}})
	})
}

// harmless is true when nobody can get in with the token any more.
func (in TokenInput) harmless() bool {
	if in.Tenant == "" || in.Guard.Mode == v1alpha1.EnrollmentDirect || in.Digest.IsZero() {
		return true
	}
	current := in.Guard.current()
	return current != nil && !slices.ContainsFunc(current.Tokens, func(have policy.Token) bool {
		return have.Name == in.Token.Name && !have.Revoked
	})
}

// ended is true when the gateway refuses the token by what it was told of it: an end
// that was brought forward counts once the gateway knows. While nobody can say, what
// was found out about the same spec before still holds.
func (in TokenInput) ended(uses int32) bool {
	current := in.Guard.current()
	if current == nil {
		before := meta.FindStatusCondition(in.Token.Status.Conditions, v1alpha1.ConditionReady)
		return before != nil && before.ObservedGeneration == in.Token.Generation &&
			(before.Reason == v1alpha1.ReasonTokenExpired || before.Reason == v1alpha1.ReasonTokenUsedUp)
	}
	return !slices.ContainsFunc(current.Tokens, func(have policy.Token) bool {
		expired := !have.Expires.IsZero() && !in.Now.Before(have.Expires)
		usedUp := have.MaxUses > 0 && int(uses) >= have.MaxUses
		return have.Name == in.Token.Name && !have.Revoked && !expired && !usedUp
	})
}

// endedAt is when the token ended, as far as that was seen; nil for one that counts.
func endedAt(token v1alpha1.EnrollmentToken, now time.Time) *metav1.Time {
	switch state := token.Ended(now); {
	case state == "":
		return nil
	case token.Status.EndedAt != nil:
		return token.Status.EndedAt
	case state == v1alpha1.TokenExpired:
		return token.Spec.Expires
	}
	return &metav1.Time{Time: now}
}

func stateOf(token v1alpha1.EnrollmentToken, known bool, now time.Time) v1alpha1.TokenState {
	switch ended := token.Ended(now); {
	case ended != "":
		return ended
	case !known:
		return v1alpha1.TokenPending
	case token.Spec.NotBefore != nil && now.Before(token.Spec.NotBefore.Time):
		return v1alpha1.TokenEarly
	}
	return v1alpha1.TokenActive
}

// crowdedOut is true when the gateway knows as many tokens as it can, and not this one.
func (in TokenInput) crowdedOut() bool {
	current := in.Guard.current()
	return current != nil && len(current.Tokens) >= policy.MaxTokens &&
		!slices.ContainsFunc(current.Tokens, func(have policy.Token) bool { return have.Name == in.Token.Name })
}

// reason says why the token counts or doesn't, the most lasting reason first.
func (in TokenInput) reason(status *v1alpha1.EnrollmentTokenStatus) (reason, message string) {
	spec := in.Token.Spec
	switch {
	case in.Tenant == "":
		return v1alpha1.ReasonTenantNotFound, fmt.Sprintf("namespace %q belongs to no tenant, or to one that is being removed; a token counts in tenant-<slug> only", in.Token.Namespace)
	case in.Guard.Mode == v1alpha1.EnrollmentDirect:
		return v1alpha1.ReasonNotGuarded, "enrollment is direct: agents talk to authd itself, which knows one secret and no tokens; set the tenant's spec.enrollment to gateway"
	case in.SecretProblem != "":
		return v1alpha1.ReasonSecretUnsound, fmt.Sprintf("Secret %s, key %s: %s; delete the Secret and a new one is generated", status.SecretName, naming.KeyEnrollment, in.SecretProblem)
	case status.State == v1alpha1.TokenRevoked && !in.harmless():
		return v1alpha1.ReasonWaitingForGateway, "the token is revoked, and " + in.Guard.why()
	case status.State == v1alpha1.TokenRevoked:
		return v1alpha1.ReasonTokenRevoked, "the token was revoked; the gateway refuses it"
	case (status.State == v1alpha1.TokenExpired || status.State == v1alpha1.TokenUsedUp) && !in.ended(status.Uses):
		return v1alpha1.ReasonWaitingForGateway, "the token is to let nobody in any more, and " + in.Guard.why()
	case status.State == v1alpha1.TokenExpired:
		return v1alpha1.ReasonTokenExpired, "the token ended at " + clock(spec.Expires.Time)
	case status.State == v1alpha1.TokenUsedUp:
		return v1alpha1.ReasonTokenUsedUp, fmt.Sprintf("the token let in %d agents, which is all it may; raise spec.maxUses for more", status.Uses)
	case status.State == v1alpha1.TokenPending && in.Digest.IsZero():
		return v1alpha1.ReasonSecretMissing, fmt.Sprintf("Secret %s is not there yet", status.SecretName)
	case status.State == v1alpha1.TokenPending && in.crowdedOut():
		return v1alpha1.ReasonTokenBeyondLimit, fmt.Sprintf("the gateway knows %d tokens, which is all it can, and all are older than this one; end some that are not needed, and this one counts: soctalk-ingress token list %s", policy.MaxTokens, in.Tenant)
	case status.State == v1alpha1.TokenPending:
		return v1alpha1.ReasonWaitingForGateway, "the token is written down, and " + in.Guard.why()
	case status.State == v1alpha1.TokenEarly:
		return v1alpha1.ReasonTokenEarly, "the token counts from " + clock(spec.NotBefore.Time)
	}
	return v1alpha1.ReasonReady, "the gateway lets agents in with it"
}

func clock(at time.Time) string { return at.UTC().Format(time.RFC3339) }
