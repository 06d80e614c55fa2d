package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

// EnrollmentState is what is known of a tenant's enrollment secrets, tokens and
// bans. It holds digests, never a secret.
type EnrollmentState struct {
	// Secret is the digest of the current enrollment secret.
	Secret policy.Digest `json:"secret,omitzero"`
	// Previous is the digest of the secret before the last rotation, and
	// PreviousUntil when it ends; zero when there is none.
	Previous      policy.Digest `json:"previous,omitzero"`
	PreviousUntil time.Time     `json:"previousUntil,omitzero"`
	// Tokens of the tenant with the digests of their secrets.
	Tokens []Token `json:"tokens,omitempty"`
	// Revocations of the tenant.
	Revocations []v1alpha1.Revocation `json:"revocations,omitempty"`
	// Since is when the current secret was made.
	Since time.Time `json:"since,omitzero"`
	// Foreign is true for a secret this product did not write.
	Foreign bool `json:"foreign,omitempty"`
	// Rotation that made the current secret, and the request it answered; empty
	// for one that was never rotated.
	Rotation string `json:"rotation,omitempty"`
	Taken    string `json:"taken,omitempty"`
	// PreviousRotation is the rotation that kept the secret before aside.
	PreviousRotation string `json:"previousRotation,omitempty"`
	// Stored is the policy as it was written last; nil before the first.
	Stored *policy.Policy `json:"stored,omitempty"`
}

// Token is an EnrollmentToken and the digest of its secret, which is zero until
// the secret is made.
type Token struct {
	Token  v1alpha1.EnrollmentToken `json:"token"`
	Digest policy.Digest            `json:"digest,omitzero"`
}

// gatewayPolicy is what the tenant's gateway is to obey. It keeps the stored
// generation as long as nothing changed: an idle operator pushes nothing.
func gatewayPolicy(in Input, proxy policy.Proxy, limits policy.Limits) *policy.Policy {
	seen := in.Observed.Enrollment
	want := &policy.Policy{
		Generation: 1,
		Suspended:  in.Tenant.Spec.Suspended || in.Tenant.DeletionTimestamp != nil,
		Secret:     seen.Secret,
		Tokens:     policyTokens(seen.Tokens, in.Now),
		Deny:       policyBans(seen.Revocations),
		Proxy:      proxy,
		Limits:     limits,
	}
	if !seen.Previous.IsZero() && seen.Previous != seen.Secret && in.Now.Before(seen.PreviousUntil) {
		want.Previous = &policy.Previous{Secret: seen.Previous, Until: seen.PreviousUntil.UTC()}
	}
	if seen.Stored != nil {
		want.Generation = seen.Stored.Generation
		if !samePolicy(want, seen.Stored) {
			want.Generation++
		}
	}
	// A gateway that has come further, because our Secret was lost or put back from
	// a backup, listens to nothing but a higher generation.
	if at := in.Observed.Gateway.Generation; at >= want.Generation && in.Observed.Gateway.Policy != want.Fingerprint() {
		want.Generation = at + 1
	}
	return want
}

// samePolicy compares policies as they are written: both by value, so that
// order and spelling of what was read back do not count as change.
func samePolicy(a, b *policy.Policy) bool {
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && string(one) == string(two)
}

// keptEnded is how many tokens that have ended a policy still names, so that the audit
// can when somebody tries.
const keptEnded = 100

// policyTokens are those that count, the oldest first if there are too many, and the
// last of those that ended. One without a secret is left out.
func policyTokens(tokens []Token, now time.Time) []policy.Token {
	var live, ended []Token
	for _, t := range tokens {
		switch {
		case t.Digest.IsZero():
		case t.Token.Ended(now) == "":
			live = append(live, t)
		default:
			ended = append(ended, t)
		}
	}
	slices.SortFunc(live, func(a, b Token) int {
		return cmp.Or(a.Token.CreationTimestamp.Compare(b.Token.CreationTimestamp.Time), strings.Compare(a.Token.Name, b.Token.Name))
	})
	slices.SortFunc(ended, func(a, b Token) int {
		return cmp.Or(timeOf(b.Token.Status.EndedAt).Compare(timeOf(a.Token.Status.EndedAt)), strings.Compare(a.Token.Name, b.Token.Name))
	})
	live = live[:min(len(live), policy.MaxTokens)]
	ended = ended[:min(len(ended), policy.MaxTokens-len(live), keptEnded)]
	var out []policy.Token
	for _, t := range append(live, ended...) {
		out = append(out, policyToken(t))
	}
	slices.SortFunc(out, func(a, b policy.Token) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func policyToken(t Token) policy.Token {
	spec := t.Token.Spec
	token := policy.Token{
		Name: t.Token.Name, Secret: t.Digest, MaxUses: int(spec.MaxUses), Group: spec.Group, Names: spec.Names,
		Sources: prefixes(spec.SourceCIDRs),
		// A token on its way out must not let anybody in meanwhile.
		Revoked: spec.Revoked || t.Token.DeletionTimestamp != nil,
	}
	if spec.NotBefore != nil {
		token.NotBefore = spec.NotBefore.UTC()
	}
	if spec.Expires != nil {
		token.Expires = spec.Expires.UTC()
	}
	return token
}

// MaxTokens is how many tokens that count a gateway knows.
const MaxTokens = policy.MaxTokens

// LiveTokens counts the tokens that count now, or will.
func LiveTokens(tokens []v1alpha1.EnrollmentToken, now time.Time) int {
	live := 0
	for i := range tokens {
		if tokens[i].Ended(now) == "" {
			live++
		}
	}
	return live
}

// crowded says that tokens are running out, from four fifths on; empty before.
func crowded(in Input) string {
	const from = policy.MaxTokens * 4 / 5
	live := 0
	for _, t := range in.Observed.Enrollment.Tokens {
		if t.Token.Ended(in.Now) == "" {
			live++
		}
	}
	switch {
	case live > policy.MaxTokens:
		return fmt.Sprintf("%d tokens are to count, and the gateway knows the %d oldest of them; end what is not needed: soctalk-ingress token list %s", live, policy.MaxTokens, in.Tenant.Name)
	case live >= from:
		return fmt.Sprintf("%d tokens count, of %d that the gateway can know; end what is not needed: soctalk-ingress token list %s", live, policy.MaxTokens, in.Tenant.Name)
	}
	return ""
}

// policyBans refuses an agent by its name, by its former key once that is known,
// and by its networks.
func policyBans(revocations []v1alpha1.Revocation) []policy.Ban {
	var out []policy.Ban
	for _, r := range revocations {
		if r.DeletionTimestamp != nil {
			continue // being lifted
		}
		out = append(out, policy.Ban{ID: r.Name, Name: r.Spec.AgentName})
		if r.Status.KeyHash != "" {
			out = append(out, policy.Ban{ID: r.Name, KeyHash: r.Status.KeyHash})
		}
		for _, network := range prefixes(r.Spec.SourceCIDRs) {
			out = append(out, policy.Ban{ID: r.Name, Source: network})
		}
	}
	slices.SortStableFunc(out, func(a, b policy.Ban) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// prefixes reads networks the API server has already judged; one it could not
// have let through is left out.
func prefixes(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		if network, err := netip.ParsePrefix(text); err == nil {
			out = append(out, network.Masked())
		}
	}
	return out
}
