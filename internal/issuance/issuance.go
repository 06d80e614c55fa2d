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
	"regexp"
	"strings"
	"time"
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
	// Failures in a row, and when the latest one was.
	Failures   int64     `json:"failures,omitempty"`
	LastFailed time.Time `json:"lastFailed,omitzero"`
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
	// Type of a challenge, HTTP-01 or DNS-01.
	Type string `json:"type,omitempty"`
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
	Unanswered     Kind = "unanswered"
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
	for _, judge := range []func(State) Trouble{noIssuer, limited, issuerUnwell, failedChallenge, unanswered, failed, waiting} {
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
			return Trouble{RateLimited, "the ACME server refuses more certificates for now: " + short(text) + limitEnds(text) + again(s) +
				"; nothing needs to be done, unless it is too long: a wildcard certificate or another authority is not limited by this"}
		}
	}
	return Trouble{}
}

// retryAfter is how Let's Encrypt says when its limit allows more. The header that
// says it too does not get further than cert-manager.
var retryAfter = regexp.MustCompile(`retry after (\d{4}-\d\d-\d\d \d\d:\d\d)(:\d\d)? UTC`)

func limitEnds(text string) string {
	if found := retryAfter.FindStringSubmatch(text); found != nil {
		return "; its limit ends at " + found[1] + " UTC"
	}
	return ""
}

// cert-manager's own pauses after failures, unless its flags say otherwise.
const (
	firstPause = time.Hour
	lastPause  = 32 * time.Hour
)

// again says when cert-manager asks next by itself. It knows nothing of the ACME
// server's limit: it waits an hour after the first failure, and twice as long after
// each further one.
func again(s State) string {
	if s.Failures == 0 || s.LastFailed.IsZero() {
		return ""
	}
	pause := lastPause
	if doublings := s.Failures - 1; doublings < 5 {
		pause = firstPause << doublings
	}
	return fmt.Sprintf("; cert-manager's last attempt was at %s, and it makes the next by itself, with its defaults at %s UTC",
		s.LastFailed.UTC().Format("15:04"), s.LastFailed.Add(pause).UTC().Format("2006-01-02 15:04"))
}

func issuerUnwell(s State) Trouble {
	if s.Issuer.NotReady == "" {
		return Trouble{}
	}
	return Trouble{IssuerNotReady, fmt.Sprintf("cert-manager's %s %q is not ready: %s", s.Issuer.Kind, s.Issuer.Name, short(s.Issuer.NotReady)) + remedy(s.Issuer.NotReady)}
}

// remedies say what to do about what an ACME server's own problem types (RFC 8555,
// section 6.7, and RFC 8659 for CAA) mean to whoever runs the issuer.
var remedies = []struct{ problem, what string }{
	{"externalAccountRequired", "this authority wants an account of its own first: put the key id and the HMAC key it gave you into the issuer's spec.acme.externalAccountBinding"},
	{"acme:error:unauthorized: Account", "the account was closed or refused: delete the Secret of the issuer's spec.acme.privateKeySecretRef, and cert-manager registers another"},
	{"acme:error:caa", "a CAA record of the zone names other authorities: add this one's to it, or ask another issuer"},
	{"acme:error:rejectedIdentifier", "this authority issues nothing for that name: ask another issuer"},
	{"no configured challenge solvers", "none of the issuer's solvers fits: a wildcard needs DNS-01, and a solver's selector must admit the name; name another issuer, or correct this one and delete the CertificateRequest: cert-manager does not look again by itself"},
}

func remedy(text string) string {
	for _, known := range remedies {
		if strings.Contains(text, known.problem) {
			return "; " + known.what
		}
	}
	return ""
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
			return Trouble{Challenge, fmt.Sprintf("the ACME challenge for %s fails: %s", challenge.Name, short(text)) + remedy(text) + again(s)}
		}
	}
	return Trouble{}
}

// HTTP01 is ACME's word for a proof that is fetched from the name's port 80.
const HTTP01 = "HTTP-01"

// selfCheck begins cert-manager's words while its own look for the proof fails. It
// asks the ACME server only after it has succeeded.
const selfCheck = "Waiting for HTTP-01 challenge propagation: "

// unanswered is an HTTP-01 challenge whose proof nobody can fetch.
func unanswered(s State) Trouble {
	for _, challenge := range s.Challenges {
		if text, found := strings.CutPrefix(challenge.Message, selfCheck); found && challenge.Type == HTTP01 {
			return Trouble{Unanswered, fmt.Sprintf("the issuer proves names by HTTP-01, and port 80 of %s does not lead to cert-manager's solver: %s", challenge.Name, short(text))}
		}
	}
	return Trouble{}
}

// NeedsName is true while the proof cannot be had unless the name already resolves.
func NeedsName(s State) bool {
	for _, challenge := range s.Challenges {
		if challenge.Type == HTTP01 {
			return true
		}
	}
	return false
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
		return Trouble{Failed, "the ACME order failed: " + short(text) + remedy(text) + again(s)}
	}
	if s.Order.State == "pending" && complains(s.Order.Message) {
		return Trouble{Failed, "the ACME order does not go on: " + short(s.Order.Message) + remedy(s.Order.Message)}
	}
	switch s.Request.State {
	case "Failed", "Denied", "InvalidRequest":
		return Trouble{Failed, fmt.Sprintf("cert-manager's request ended as %s: %s", s.Request.State, short(s.Request.Message)) + again(s)}
	}
	if s.Certificate.State == "Failed" {
		return Trouble{Failed, "cert-manager failed to issue and tries again later: " + short(s.Certificate.Message) + again(s)}
	}
	return Trouble{}
}

// waiting quotes whoever is furthest along the chain. An order without a state is one
// that the ACME server has not taken: cert-manager keeps trying, and writes why not
// into its log alone.
func waiting(s State) Trouble {
	if s.Order.Name != "" && s.Order.State == "" && s.Order.Message == "" {
		return Trouble{Working, fmt.Sprintf("the ACME server has not taken cert-manager's order %s yet; if this lasts, it cannot be reached or is down: cert-manager keeps trying, and its own log says why", s.Order.Name)}
	}
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
