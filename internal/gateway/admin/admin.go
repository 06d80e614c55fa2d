// Package admin is how the operator talks to a running gateway: it pushes a new
// policy, which counts at once, reads the state, and reads who enrolled. Both
// ends are here: [Handler] for the gateway, [Client] for the operator.
//
//	PUT /v1/policy                  200 Pushed, 400 a wrong policy, 409 Outdated
//	GET /v1/state                   200 State
//	GET /v1/enrollments?after=&limit=   200 audit.Page
//
// Every request carries the bearer token from a file only the two can read; the
// port speaks TLS only. No answer contains a secret, a key or a digest.
package admin

import (
	"fmt"
	"time"
)

// MaxPolicy bounds a pushed policy; a Secret, where it also must fit, holds 1 MiB.
const MaxPolicy = 1 << 20

// Pushed answers a policy that is now in force.
type Pushed struct {
	Generation int64 `json:"generation"`
	// Persisted is false when it counts, but would be lost by a restart.
	Persisted bool `json:"persisted"`
}

// Outdated is the error for a policy whose generation is not above the one in
// force, unless it is the very same policy.
type Outdated struct {
	Generation int64 // in force
}

func (o *Outdated) Error() string {
	return fmt.Sprintf("policy: generation: %d or a later one is in force already; push one above it", o.Generation)
}

// State is how the gateway is doing.
type State struct {
	Instance    string           `json:"instance"`
	Started     time.Time        `json:"started"`
	Policy      PolicyState      `json:"policy"`
	Certificate CertificateState `json:"certificate"`
	Manager     ManagerState     `json:"manager"`
	// Connections open, and requests that wait for the manager.
	Connections int `json:"connections"`
	Waiting     int `json:"waiting"`
	// LastEnrollment is the number of the newest record of the enrollment log.
	LastEnrollment uint64 `json:"lastEnrollment"`
}

// PolicyState is the policy in force, without its digests.
type PolicyState struct {
	Generation int64 `json:"generation"`
	// Fingerprint tells whether it is a certain policy; see policy.Fingerprint.
	Fingerprint string `json:"fingerprint"`
	// From is where it came from: file, push or disk.
	From string `json:"from"`
	// Problem says why nobody is let in although there is a policy: it is of a version
	// this gateway is too old for.
	Problem   string `json:"problem,omitempty"`
	Suspended bool   `json:"suspended"`
	// PreviousUntil is set while the secret before the last rotation counts.
	PreviousUntil time.Time    `json:"previousUntil,omitzero"`
	Tokens        []TokenState `json:"tokens"`
	Denied        int          `json:"denied"`
}

// TokenState is a token and how often it was used.
type TokenState struct {
	Name    string    `json:"name"`
	Uses    int       `json:"uses"`
	MaxUses int       `json:"maxUses,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Revoked bool      `json:"revoked,omitempty"`
}

// CertificateState is the certificate new connections are served with.
type CertificateState struct {
	Serial   string    `json:"serial"` // hexadecimal
	SHA256   string    `json:"sha256"` // of the leaf
	NotAfter time.Time `json:"notAfter"`
	// Problem says why a newer certificate in the mount is not used.
	Problem string `json:"problem,omitempty"`
}

// ManagerState is how the last question to authd went.
type ManagerState struct {
	Up      bool      `json:"up"`
	Checked time.Time `json:"checked,omitzero"`
	Problem string    `json:"problem,omitempty"`
}
