package policy

import (
	"net/netip"
	"testing"
	"time"
)

func d(secret string) Digest { return DigestOf([]byte(secret)) }

// Each row changes one thing in an attempt, or in the time, that would be allowed.
func TestDecide(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	hour := noon.Add(time.Hour)
	p := &Policy{
		Generation: 1, Secret: d("current"), Previous: &Previous{Secret: d("previous"), Until: hour},
		Tokens: []Token{
			{Name: "plain", Secret: d("plain")},
			{Name: "narrow", Secret: d("narrow"), NotBefore: noon, Expires: hour, Group: "berlin", Names: "ber-??", Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
			{Name: "gone", Secret: d("gone"), Revoked: true},
		},
		Deny: []Ban{
			{ID: "1", Name: "web-66"}, {ID: "2", KeyHash: "AB"}, {ID: "3", Source: netip.MustParsePrefix("198.51.100.0/24")},
			{ID: "4", Name: "web-67", Until: noon},
		},
	}
	for _, c := range []struct {
		what       string
		secret     string
		at         time.Time
		attempt    Attempt
		want       Reason
		credential string
		ban        string
	}{
		{what: "current", secret: "current", want: ReasonAllowed, credential: CredentialSecret},
		{what: "previous", secret: "previous", want: ReasonAllowed, credential: CredentialPrevious},
		{what: "previous, at the end", secret: "previous", at: hour, want: ReasonPreviousExpired, credential: CredentialPrevious},
		{what: "unknown", secret: "other", want: ReasonUnknownSecret},
		{what: "empty", secret: "", want: ReasonUnknownSecret},
		{what: "token", secret: "plain", want: ReasonAllowed, credential: CredentialToken},
		{what: "revoked token", secret: "gone", want: ReasonTokenRevoked, credential: CredentialToken},
		{what: "narrow token", secret: "narrow", attempt: Attempt{Name: "BER-01"}, want: ReasonAllowed, credential: CredentialToken},
		{what: "narrow token, mapped source", secret: "narrow", attempt: Attempt{Name: "ber-01", Source: netip.MustParseAddr("::ffff:192.0.2.9")}, want: ReasonAllowed, credential: CredentialToken},
		{what: "too early", secret: "narrow", at: noon.Add(-1), attempt: Attempt{Name: "ber-01"}, want: ReasonTokenTooEarly, credential: CredentialToken},
		{what: "expired", secret: "narrow", at: hour, attempt: Attempt{Name: "ber-01"}, want: ReasonTokenExpired, credential: CredentialToken},
		{what: "wrong name", secret: "narrow", attempt: Attempt{Name: "ber-001"}, want: ReasonTokenName, credential: CredentialToken},
		{what: "wrong source", secret: "narrow", attempt: Attempt{Name: "ber-01", Source: netip.MustParseAddr("192.0.3.1")}, want: ReasonTokenSource, credential: CredentialToken},
		{what: "denied name", secret: "current", attempt: Attempt{Name: "WEB-66"}, want: ReasonDeniedName, credential: CredentialSecret, ban: "1"},
		{what: "denied name with a token", secret: "plain", attempt: Attempt{Name: "web-66"}, want: ReasonDeniedName, credential: CredentialToken, ban: "1"},
		{what: "ban that ended", secret: "current", attempt: Attempt{Name: "web-67"}, want: ReasonAllowed, credential: CredentialSecret},
		{what: "denied key", secret: "current", attempt: Attempt{KeyHash: "ab"}, want: ReasonDeniedKey, credential: CredentialSecret, ban: "2"},
		{what: "denied source", secret: "current", attempt: Attempt{Source: netip.MustParseAddr("198.51.100.9")}, want: ReasonDeniedSource, credential: CredentialSecret, ban: "3"},
		{what: "denied, but first of all expired", secret: "narrow", at: hour, attempt: Attempt{Name: "web-66"}, want: ReasonTokenExpired, credential: CredentialToken, ban: "1"},
		{what: "denied, but first of all unknown", secret: "other", attempt: Attempt{Name: "web-66"}, want: ReasonUnknownSecret},
		{what: "malformed", secret: "current", attempt: Attempt{Malformed: true}, want: ReasonMalformed, credential: CredentialSecret},
		{what: "malformed, unknown", secret: "other", attempt: Attempt{Malformed: true}, want: ReasonUnknownSecret},
		{what: "malformed, denied source", secret: "current", attempt: Attempt{Malformed: true, Source: netip.MustParseAddr("198.51.100.9")}, want: ReasonDeniedSource, credential: CredentialSecret, ban: "3"},
		{what: "malformed, expired", secret: "narrow", at: hour, attempt: Attempt{Malformed: true}, want: ReasonTokenExpired, credential: CredentialToken},
	} {
		a, at := c.attempt, c.at
		if a.Name == "" && !a.Malformed {
			a.Name = "web-01"
		}
		if !a.Source.IsValid() {
			a.Source = netip.MustParseAddr("192.0.2.1")
		}
		if at.IsZero() {
			at = noon
		}
		if c.secret != "" {
			a.Secret = d(c.secret)
		}
		v := Decide(p, a, at)
		if v.Reason != c.want || v.Credential != c.credential || v.Allowed() != (c.want == ReasonAllowed) {
			t.Errorf("%s: got %s with credential %q, want %s with %q", c.what, v.Reason, v.Credential, c.want, c.credential)
		}
		if v.Ban != c.ban {
			t.Errorf("%s: refused by ban %q, want %q", c.what, v.Ban, c.ban)
		}
		if v.Allowed() && c.secret == "narrow" && v.Group != "berlin" {
			t.Errorf("%s: group %q, want berlin", c.what, v.Group)
		}
		suspended := *p
		suspended.Suspended = true
		if v := Decide(&suspended, a, at); v.Reason != ReasonSuspended {
			t.Errorf("%s, suspended: got %s", c.what, v.Reason)
		}
	}
}

// A policy with no secret at all lets nobody in, least of all with none.
func TestNoSecretMatchesNothing(t *testing.T) {
	p := &Policy{Generation: 1, Previous: &Previous{}, Tokens: []Token{{}}}
	for _, secret := range []Digest{{}, d("")} {
		if v := Decide(p, Attempt{Secret: secret, Name: "web-01"}, time.Now()); v.Reason != ReasonUnknownSecret {
			t.Errorf("got %s", v.Reason)
		}
	}
}
