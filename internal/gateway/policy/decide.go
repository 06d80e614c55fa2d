package policy

import (
	"crypto/subtle"
	"net/netip"
	"path"
	"strings"
	"time"
)

// Attempt is what one connection asks for.
type Attempt struct {
	// Source is the endpoint's address, as far as we were told the truth.
	Source netip.Addr
	// Secret is the digest of the password shown; zero when none was.
	Secret Digest
	// Malformed says that the request could not be read past the password; Name
	// and KeyHash are then not to be trusted.
	Malformed bool
	Name      string
	KeyHash   string
}

// Credentials by which an attempt may be let in.
const (
	CredentialSecret   = "secret"
	CredentialPrevious = "previous"
	CredentialToken    = "token"
)

// Verdict is what Decide says of an attempt.
type Verdict struct {
	// Reason is ReasonAllowed, or why not.
	Reason Reason
	// Credential is the kind of secret that was shown, also of a refused
	// attempt; empty when it was none of this tenant's.
	Credential string
	// Token is the token that was shown, if it was one. If the attempt is
	// allowed, its use must still be counted.
	Token *Token
	// Group replaces the groups the agent asks for; empty leaves them.
	Group string
	// Ban is the ID of the ban that the attempt falls under, if it showed a secret
	// of this tenant's; then Reason is a refusal, this or an earlier one.
	Ban string
}

// Allowed reports whether the manager may be asked.
func (v Verdict) Allowed() bool { return v.Reason == ReasonAllowed }

// Decide judges an attempt. The secret comes first, as with authd: somebody who
// shows none learns nothing about names or bans. How long it takes depends on
// the size of the policy, not on which secret matched or how much of it.
func Decide(p *Policy, a Attempt, now time.Time) Verdict {
	v := match(p, a.Secret)
	switch {
	case p.Suspended:
		v.Reason = ReasonSuspended
	case v.Credential == "":
		v.Reason = ReasonUnknownSecret
	case v.Credential == CredentialPrevious && !now.Before(p.Previous.Until):
		v.Reason = ReasonPreviousExpired
	default:
		v.Reason = ReasonAllowed
	}
	if v.Reason == ReasonAllowed && v.Token != nil {
		v.Reason = v.Token.judge(a, now)
		v.Group = v.Token.Group
	}
	// A ban is named also where something else refuses first: whoever banned a host
	// wants to know that it tries, whatever became of its secret meanwhile.
	if v.Credential != "" {
		var why Reason
		if why, v.Ban = denied(p.Deny, a, now); v.Reason == ReasonAllowed {
			v.Reason = why
		}
	}
	if v.Reason == ReasonAllowed && a.Malformed {
		v.Reason = ReasonMalformed
	}
	return v
}

// match compares with every secret there is and remembers the last that fits;
// validation has made sure that no two are the same.
func match(p *Policy, shown Digest) Verdict {
	const none, current, previous, firstToken = 0, 1, 2, 3
	found := none
	found = subtle.ConstantTimeSelect(p.Secret.matches(shown), current, found)
	if p.Previous != nil {
		found = subtle.ConstantTimeSelect(p.Previous.Secret.matches(shown), previous, found)
	}
	for i := range p.Tokens {
		found = subtle.ConstantTimeSelect(p.Tokens[i].Secret.matches(shown), firstToken+i, found)
	}
	switch found {
	case none:
		return Verdict{}
	case current:
		return Verdict{Credential: CredentialSecret}
	case previous:
		return Verdict{Credential: CredentialPrevious}
	}
	return Verdict{Credential: CredentialToken, Token: &p.Tokens[found-firstToken]}
}

func (t *Token) judge(a Attempt, now time.Time) Reason {
	switch {
	case t.Revoked:
		return ReasonTokenRevoked
	case now.Before(t.NotBefore):
		return ReasonTokenTooEarly
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return ReasonTokenExpired
	case len(t.Sources) > 0 && !contains(t.Sources, a.Source):
		return ReasonTokenSource
	case t.Names != "" && !a.Malformed && !fits(t.Names, a.Name):
		return ReasonTokenName
	}
	return ReasonAllowed
}

// fits ignores letter case: hosts spell their names as they like.
func fits(pattern, name string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
	return err == nil && ok
}

// denied returns why an attempt is refused, and by which ban.
func denied(bans []Ban, a Attempt, now time.Time) (Reason, string) {
	for _, ban := range bans {
		if !ban.Until.IsZero() && !now.Before(ban.Until) {
			continue
		}
		switch {
		case ban.Source.IsValid() && contains([]netip.Prefix{ban.Source}, a.Source):
			return ReasonDeniedSource, ban.ID
		case a.Malformed:
			continue
		case ban.Name != "" && strings.EqualFold(ban.Name, a.Name):
			return ReasonDeniedName, ban.ID
		case ban.KeyHash != "" && strings.EqualFold(ban.KeyHash, a.KeyHash):
			return ReasonDeniedKey, ban.ID
		}
	}
	return ReasonAllowed, ""
}
