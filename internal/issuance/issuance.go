// Package issuance says, in words for people, what keeps cert-manager from
// issuing a certificate.
//
// cert-manager works through a chain of objects (Certificate, CertificateRequest,
// Order, Challenge) and the trouble is usually written on the last of them, where
// nobody looks. [State] is what was read of the chain; [Judge] finds the one thing
// that holds it up. It is pure: reading is the controller's.
package issuance

import (
	"fmt"
	"strings"
)

// State is what was read of one certificate's issuance. Its zero value says that
// nothing is known.
type State struct {
	// Issuer that is asked.
	Issuer Issuer `json:"issuer,omitzero"`
	// Certificate's condition Issuing, or Ready where it is not issuing.
	Certificate Step `json:"certificate,omitzero"`
	// Request is the latest CertificateRequest of the Certificate.
	Request Step `json:"request,omitzero"`
	// Order of that request, with ACME.
	Order Step `json:"order,omitzero"`
	// Challenges of that order that are not done.
	Challenges []Step `json:"challenges,omitempty"`
}

// Issuer is what is known of the issuer that is asked.
type Issuer struct {
	// Kind and Name; both empty when nothing was looked at.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Missing is true when there is none.
	Missing bool `json:"missing,omitempty"`
	// NotReady is what the issuer says of itself while it cannot issue.
	NotReady string `json:"notReady,omitempty"`
}

// Step is one object of the chain.
type Step struct {
	// Name of the object; for a challenge the DNS name it is about.
	Name string `json:"name,omitempty"`
	// State is cert-manager's word: an Order's or Challenge's state, a condition's reason.
	State string `json:"state,omitempty"`
	// Message is what cert-manager adds in its own words.
	Message string `json:"message,omitempty"`
}

// Kind is what sort of thing holds an issuance up.
type Kind string

// Kinds of trouble. Working is none: cert-manager is at it.
const (
	None           Kind = ""
	Working        Kind = "working"
	IssuerNotFound Kind = "issuer-not-found"
	IssuerNotReady Kind = "issuer-not-ready"
	RateLimited    Kind = "rate-limited"
	Challenge      Kind = "challenge"
	Failed         Kind = "failed"
)

// Trouble is what holds an issuance up, with a sentence.
type Trouble struct {
	Kind    Kind
	Message string
}

// Serious is true for what does not pass by waiting a moment.
func (t Trouble) Serious() bool { return t.Kind != None && t.Kind != Working }

// Judge finds what holds an issuance up. What is nearest to the cause wins: a
// missing issuer over everything that follows from it, a failed challenge over
// the order that failed with it.
func Judge(s State) Trouble {
	for _, judge := range []func(State) Trouble{noIssuer, limited, issuerUnwell, failedChallenge, failed, waiting} {
		if trouble := judge(s); trouble.Kind != None {
			return trouble
		}
	}
	return Trouble{}
}

func noIssuer(s State) Trouble {
	if !s.Issuer.Missing {
		return Trouble{}
	}
	return Trouble{IssuerNotFound, fmt.Sprintf("cert-manager's %s %q does not exist; create it, or correct the name in the Region's certificates.issuerRef or the Tenant's tls.issuerRef", s.Issuer.Kind, s.Issuer.Name)}
}

// rateLimit is how ACME servers name a limit (RFC 8555, section 6.7).
const rateLimit = "urn:ietf:params:acme:error:rateLimited"

func limited(s State) Trouble {
	for _, text := range append(words(s.Challenges...), s.Order.Message, s.Request.Message, s.Certificate.Message, s.Issuer.NotReady) {
		if strings.Contains(text, rateLimit) || strings.Contains(text, "429 ") && strings.Contains(text, "acme") {
			return Trouble{RateLimited, "the ACME server refuses more certificates for now: " + short(text) +
				"; wait until its limit allows more, or use a wildcard certificate or another account"}
		}
	}
	return Trouble{}
}

func issuerUnwell(s State) Trouble {
	if s.Issuer.NotReady == "" {
		return Trouble{}
	}
	return Trouble{IssuerNotReady, fmt.Sprintf("cert-manager's %s %q is not ready: %s", s.Issuer.Kind, s.Issuer.Name, short(s.Issuer.NotReady))}
}

// failedChallenge also takes a challenge that still waits but says why: a name
// server that refuses the update keeps one pending for ever.
func failedChallenge(s State) Trouble {
	for _, challenge := range s.Challenges {
		if challenge.State == "invalid" || challenge.State == "errored" || challenge.State == "expired" || complains(challenge.Message) {
			text := challenge.Message
			if text == "" {
				text = "it is " + challenge.State
			}
			return Trouble{Challenge, fmt.Sprintf("the ACME challenge for %s fails: %s", challenge.Name, short(text))}
		}
	}
	return Trouble{}
}

// complains tells an error from a progress report: cert-manager writes both into
// the same field.
func complains(message string) bool {
	if message == "" || strings.HasPrefix(message, "Waiting for ") {
		return false
	}
	text := strings.ToLower(message)
	for _, sign := range []string{"error", "fail", "refused", "denied", "timeout", "no such host", "not found", "unexpected", "dns update", "could not"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func failed(s State) Trouble {
	switch s.Order.State {
	case "invalid", "errored", "expired":
		text := s.Order.Message
		if text == "" {
			text = "the order is " + s.Order.State
		}
		return Trouble{Failed, "the ACME order failed: " + short(text)}
	}
	switch s.Request.State {
	case "Failed", "Denied", "InvalidRequest":
		return Trouble{Failed, fmt.Sprintf("cert-manager's request ended as %s: %s", s.Request.State, short(s.Request.Message))}
	}
	if s.Certificate.State == "Failed" {
		return Trouble{Failed, "cert-manager failed to issue and tries again later: " + short(s.Certificate.Message)}
	}
	return Trouble{}
}

// waiting quotes whoever is furthest along the chain.
func waiting(s State) Trouble {
	for _, text := range append(words(s.Challenges...), words(s.Order, s.Request, s.Certificate)...) {
		if text != "" {
			return Trouble{Working, "cert-manager says: " + short(text)}
		}
	}
	return Trouble{}
}

func words(steps ...Step) []string {
	var out []string
	for _, step := range steps {
		out = append(out, step.Message)
	}
	return out
}

// maxWords keeps cert-manager's words, which can quote whole answers of a server,
// readable in a condition.
const maxWords = 400

func short(text string) string {
	text = strings.TrimRight(strings.Join(strings.Fields(text), " "), ".;")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}
