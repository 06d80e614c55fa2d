// Package handover serves links that open a customer's onboarding kit once.
//
// A link is https://HOST/kit#SLUG.NAME.TOKEN. The part after the # stays in the
// browser, so the token is in no request line, no log and no Referer. The page
// does nothing until the person presses the button; then it sends the token in a
// body. A scanner that fetches the link gets the page and spends nothing.
//
// Opening spends first and shows then: the Handover's status is written with the
// resourceVersion that was read, so that one of several browsers gets the kit,
// and the secret is revealed through internal/reveal like any other time.
//
// Start with [Opener.Open]; the HTTP around it is in http.go.
package handover

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

const (
	tokenBytes = 32
	nameBytes  = 6
	// namePrefix lets a Handover's name begin with a letter whatever is drawn.
	namePrefix = "h-"
)

// MaxLife is how long a link may live: longer ones are forgotten in mailboxes.
const MaxLife = 7 * 24 * time.Hour

// Link is what the customer's administrator is sent.
type Link struct {
	// Tenant by slug, and the Handover's Name in its namespace.
	Tenant, Name string
	token        string
}

// NewLink draws a link. Its token is known to the Link alone.
func NewLink(tenant string, random io.Reader) (Link, error) {
	raw := make([]byte, tokenBytes+nameBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Link{}, fmt.Errorf("draw a link: %w", err)
	}
	return Link{
		Tenant: tenant, Name: namePrefix + hex.EncodeToString(raw[tokenBytes:]),
		token: base64.RawURLEncoding.EncodeToString(raw[:tokenBytes]),
	}, nil
}

// ParseLink reads the part after the #.
func ParseLink(fragment string) (Link, error) {
	parts := strings.Split(fragment, ".")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Link{}, errors.New("the link is not complete")
	}
	return Link{Tenant: parts[0], Name: parts[1], token: parts[2]}, nil
}

// URL is the whole link below a base such as https://onboard.example.com. It
// holds the token: whoever has it can open the kit.
func (l Link) URL(base string) string {
	return strings.TrimSuffix(base, "/") + "/kit#" + l.Tenant + "." + l.Name + "." + l.token
}

// String leaves the token out, so that no log has it by accident.
func (l Link) String() string { return l.Tenant + "/" + l.Name }

// Format keeps every verb from reaching the token.
func (l Link) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, l.String()) }

// Digest is what is stored of the token.
func (l Link) Digest() string {
	sum := sha256.Sum256([]byte(l.token))
	return hex.EncodeToString(sum[:])
}

// opens compares in constant time. The digests are of equal length, so nothing
// about the stored one shows in how long this takes.
func (l Link) opens(stored string) bool {
	return subtle.ConstantTimeCompare([]byte(l.Digest()), []byte(stored)) == 1
}

// State of a link, in one word.
type State string

// The states of a link.
const (
	StateWaiting State = "waiting"
	StateOpened  State = "opened"
	StateExpired State = "expired"
	StateRevoked State = "revoked"
)

// StateOf is how a Handover stands at a time.
func StateOf(held *v1alpha1.Handover, now time.Time) State {
	switch {
	case held.Status.OpenedAt != nil:
		return StateOpened
	case held.Spec.Revoked:
		return StateRevoked
	case !now.Before(held.Spec.Expires.Time):
		return StateExpired
	}
	return StateWaiting
}
