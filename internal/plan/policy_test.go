package plan

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

func enrollmentInput() Input {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return Input{
		Tenant: v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}},
		Now:    now,
		Observed: Observed{Enrollment: EnrollmentState{
			Secret:        policy.DigestOf([]byte("new-secret-of-acme-0123")),
			Previous:      policy.DigestOf([]byte("old-secret-of-acme-0123")),
			PreviousUntil: now.Add(time.Hour),
			Tokens: []Token{
				{Token: v1alpha1.EnrollmentToken{ObjectMeta: metav1.ObjectMeta{Name: "berlin"}, Spec: v1alpha1.EnrollmentTokenSpec{Group: "berlin", SourceCIDRs: []string{"203.0.113.9/24"}}}, Digest: policy.DigestOf([]byte("token-of-berlin-0123456"))},
				{Token: v1alpha1.EnrollmentToken{ObjectMeta: metav1.ObjectMeta{Name: "unmade"}}},
			},
			Revocations: []v1alpha1.Revocation{{
				ObjectMeta: metav1.ObjectMeta{Name: "stolen-laptop"},
				Spec:       v1alpha1.RevocationSpec{AgentID: "007", AgentName: "laptop-7"},
				Status:     v1alpha1.RevocationStatus{KeyHash: "610259966ccb3212755dcba4f24f91d6a2abedc5"},
			}},
		}},
	}
}

// What the gateway is told is valid, and changes its generation exactly when it changes.
func TestThePolicyGrowsOnlyWhenItChanges(t *testing.T) {
	in := enrollmentInput()
	first := gatewayPolicy(in, policy.Proxy{}, policy.Limits{})
	if err := first.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(first.Tokens) != 1 || first.Tokens[0].Sources[0] != netip.MustParsePrefix("203.0.113.0/24") || len(first.Deny) != 2 || first.Previous == nil {
		t.Errorf("policy %+v", first)
	}
	in.Observed.Enrollment.Stored = first
	if again := gatewayPolicy(in, policy.Proxy{}, policy.Limits{}); again.Generation != first.Generation {
		t.Errorf("generation %d although nothing changed since %d", again.Generation, first.Generation)
	}
	for name, change := range map[string]func(*Input){
		"the overlap ends":         func(in *Input) { in.Now = in.Observed.Enrollment.PreviousUntil },
		"the tenant is suspended":  func(in *Input) { in.Tenant.Spec.Suspended = true },
		"the tenant is offboarded": func(in *Input) { in.Tenant.DeletionTimestamp = &metav1.Time{Time: in.Now} },
		"a ban is lifted":          func(in *Input) { in.Observed.Enrollment.Revocations = nil },
		"a token gets its secret": func(in *Input) {
			in.Observed.Enrollment.Tokens[1].Digest = policy.DigestOf([]byte("token-unmade-no-more-01"))
		},
	} {
		in := enrollmentInput()
		in.Observed.Enrollment.Stored = first
		change(&in)
		changed := gatewayPolicy(in, policy.Proxy{}, policy.Limits{})
		if changed.Generation != first.Generation+1 {
			t.Errorf("%s: generation %d, want %d", name, changed.Generation, first.Generation+1)
		}
		if err := changed.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// More tokens than fit make no invalid policy: the oldest that count are in it, and of
// those that ended the last, so that the audit can name them.
func TestTooManyTokens(t *testing.T) {
	in := enrollmentInput()
	in.Observed.Enrollment.Tokens = nil
	add := func(name string, made time.Time, ended *time.Time) {
		token := v1alpha1.EnrollmentToken{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(made)}}
		if ended != nil {
			token.Spec.Revoked, token.Status.EndedAt = true, &metav1.Time{Time: *ended}
		}
		in.Observed.Enrollment.Tokens = append(in.Observed.Enrollment.Tokens, Token{Token: token, Digest: policy.DigestOf([]byte(name))})
	}
	for number := range 950 {
		add(fmt.Sprintf("live-%d", number), in.Now, nil)
	}
	for number := range 300 {
		ended := in.Now.Add(-time.Duration(number) * time.Hour)
		add(fmt.Sprintf("ended-%d", number), in.Now.Add(-10000*time.Hour), &ended)
	}
	names := func() map[string]bool {
		want := gatewayPolicy(in, policy.Proxy{}, policy.Limits{})
		if err := want.Validate(); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, token := range want.Tokens {
			found[token.Name] = true
		}
		return found
	}
	if got := names(); len(got) != policy.MaxTokens || !got["live-949"] || !got["ended-0"] || !got["ended-49"] || got["ended-50"] {
		t.Errorf("%d tokens, and not the 950 that count with the last 50 that ended", len(got))
	}
	for number := range 60 {
		add(fmt.Sprintf("newer-%02d", number), in.Now.Add(time.Duration(number)*time.Second), nil)
	}
	if got := names(); len(got) != policy.MaxTokens || !got["live-0"] || got["ended-0"] || !got["newer-49"] || got["newer-50"] {
		t.Errorf("%d tokens, and not the 1000 oldest that count", len(got))
	}
}
