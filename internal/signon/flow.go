package signon

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// FlowLasts is how long a person may take at the provider.
const FlowLasts = 10 * time.Minute

const flowPurpose = "flow"

// flow is one sign-in on its way.
type flow struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Back     string `json:"back"`
}

// Begin says where a person goes to sign in, and what the browser must bring back.
func (p *Provider) Begin(ctx context.Context, back string) (location, cookie string, err error) {
	known, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	one := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Back: Local(back)}
	cookie, err = p.seal.Close(flowPurpose, one, p.config.Now().Add(FlowLasts))
	if err != nil {
		return "", "", err
	}
	return known.oauth.AuthCodeURL(one.State, oidc.Nonce(one.Nonce), oauth2.S256ChallengeOption(one.Verifier)), cookie, nil
}

// Finish takes the provider's answer from the browser that began, and fetches what the
// person is given. Back is where the person wanted to be, also when it fails.
func (p *Provider) Finish(ctx context.Context, answer url.Values, cookie string) (tokens *Tokens, back string, err error) {
	var one flow
	if err := p.seal.Open(flowPurpose, cookie, &one, p.config.Now()); err != nil {
		return nil, "/", fault.New(fault.Refused, fmt.Errorf("this sign-in did not begin in this browser, was finished before, or took longer than %s", minutes(FlowLasts)), "sign in again")
	}
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(one.State)) != 1 {
		return nil, "/", fault.New(fault.Refused, fmt.Errorf("the answer that came from %s belongs to another sign-in", p.config.Name),
			"sign in again; if you began none, somebody tried to sign you in as somebody else")
	}
	known, err := p.discover(ctx)
	if err != nil {
		return nil, one.Back, err
	}
	if issuer := answer.Get("iss"); issuer != p.config.Issuer && (issuer != "" || known.namesIssuer) {
		return nil, one.Back, fault.New(fault.Refused, fmt.Errorf("the answer did not come from %s", p.config.Name), "sign in again; tell whoever runs the console if it happens again")
	}
	if answer.Has("error") {
		return nil, one.Back, p.refusedThere(answer.Get("error"), answer.Get("error_description"))
	}
	secret, err := p.secret()
	if err != nil {
		return nil, one.Back, err
	}
	oauth := known.oauth
	oauth.ClientSecret = secret
	given, err := oauth.Exchange(p.context(ctx), answer.Get("code"), oauth2.VerifierOption(one.Verifier))
	if err != nil {
		return nil, one.Back, p.notGiven("a token for its code", err)
	}
	tokens = &Tokens{provider: p, turn: make(chan struct{}, 1)}
	token, err := tokens.take(ctx, known, given)
	if err != nil {
		return nil, one.Back, err
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(one.Nonce)) != 1 {
		return nil, one.Back, fault.New(fault.Refused, fmt.Errorf("the ID token of %s was made for another sign-in: its nonce is not the one that was sent", p.config.Name), "sign in again")
	}
	return tokens, one.Back, nil
}

// minutes is a duration in words.
func minutes(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d.Minutes())) }

// What to do about errors of RFC 6749 and OpenID Connect.
var nextOf = map[string]string{
	"access_denied":             "you, or the provider, refused; its administrator decides who may use the console",
	"invalid_client":            "whoever runs the console should compare client id and secret with what the provider has",
	"unauthorized_client":       "the provider must allow this client the grant types authorization_code and refresh_token",
	"invalid_scope":             "whoever runs the console should ask for scopes that the provider knows",
	"invalid_grant":             "sign in again",
	"invalid_request":           "whoever runs the console should compare its callback URL and client id with what the provider has",
	"unsupported_response_type": "the provider must allow this client the response type code",
	"temporarily_unavailable":   "try again in a moment",
	"server_error":              "try again in a moment; the provider's log says more",
	"login_required":            "sign in again",
	"interaction_required":      "sign in again",
	"consent_required":          "sign in again, and consent to what the console asks for",
}

func (p *Provider) refusedThere(code, description string) error {
	next, ok := nextOf[code]
	if !ok {
		code, next = clean(code), "the provider's log says more"
	}
	text := fmt.Sprintf("%s says %s", p.config.Name, code)
	if description = clean(description); description != "" {
		text += ": " + description
	}
	return fault.New(fault.Refused, errors.New(text), "%s", next)
}

// notGiven is a token endpoint that gives nothing. What it answers is not quoted whole:
// only the fields that are for people.
func (p *Provider) notGiven(what string, err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" {
		next, ok := nextOf[refused.ErrorCode]
		if !ok {
			next = "the provider's log says more"
		}
		text := fmt.Sprintf("%s gave no %s: %s", p.config.Name, strings.TrimPrefix(what, "a "), clean(strings.TrimSuffix(refused.ErrorCode+": "+refused.ErrorDescription, ": ")))
		return fault.New(fault.Refused, errors.New(text), "%s", next)
	}
	why := "it cannot be reached"
	if errors.As(err, &refused) && refused.Response != nil {
		why = "it answers " + clean(refused.Response.Status)
	} else if reason := (*url.Error)(nil); errors.As(err, &reason) {
		why = clean(reason.Err.Error())
	}
	return fault.New(fault.Timeout, fmt.Errorf("%s gave no %s: %s", p.config.Name, strings.TrimPrefix(what, "a "), why), "try again in a moment")
}

// maxBack is the longest way back that is kept.
const maxBack = 1000

// Local is a way back into the console: a path of its own, whatever was asked for.
func Local(back string) string {
	back, _, _ = strings.Cut(back, "#")
	target, err := url.Parse(back)
	if err != nil || len(back) > maxBack || target.Scheme != "" || target.Host != "" || target.User != nil || target.Opaque != "" ||
		!strings.HasPrefix(back, "/") || strings.Contains(target.Path, "//") || strings.ContainsAny(target.Path, `\`) ||
		slices.ContainsFunc([]string{"/auth/", "/api/"}, func(ours string) bool { return strings.HasPrefix(target.Path, ours) }) {
		return "/"
	}
	return back
}
