package wire

import (
	"time"

	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// Secret answers GET /api/v1/tenants/{slug}/secret: what is known of the enrollment
// secret, without it. ?token=berlin asks about that token's instead; a token's cannot be
// rotated.
type Secret struct {
	// Name of the Secret in the tenant's namespace.
	Name string `json:"name"`
	// State is armed (it can be revealed once), revealed, or foreign (somebody else made it).
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Revealed and Rearmed are the last of their kind.
	Revealed *Entry    `json:"revealed,omitempty"`
	Rearmed  *Entry    `json:"rearmed,omitempty"`
	Rotation *Rotation `json:"rotation,omitempty"`
}

// Entry is who did something, when, and why.
type Entry = reveal.Entry

// Rotation is how the last replacement of the secret went.
type Rotation struct {
	// Step is Generate, AcceptNew, Overlap, RefuseOld or Done.
	Step         string     `json:"step"`
	Started      time.Time  `json:"started"`
	OverlapUntil *time.Time `json:"overlapUntil,omitempty"`
	Finished     *time.Time `json:"finished,omitempty"`
	Stuck        string     `json:"stuck,omitempty"`
	// Message of the condition SecretRotated.
	Message string `json:"message,omitempty"`
	// Waiting is true while a further rotation is asked for and not begun.
	Waiting bool `json:"waiting"`
}

// RevealRequest is the body of POST /api/v1/tenants/{slug}/secret/reveal; token names
// one of the tenant's tokens, whose secret is meant then.
type RevealRequest struct {
	Why   string `json:"why"`
	Token string `json:"token,omitempty"`
}

// Revealed is the one answer that holds a secret. It is not given again: 409 says who
// had it. POST .../secret/rearm allows it once more.
type Revealed struct {
	Secret  string `json:"secret"`
	Warning string `json:"warning,omitempty"`
}

// RotateRequest is the body of POST /api/v1/tenants/{slug}/secret/rotate; overlap such as
// 24h, 0 for none, empty for the tenant's own.
type RotateRequest struct {
	Overlap string `json:"overlap,omitempty"`
}

// Tokens answers GET /api/v1/tenants/{slug}/tokens.
type Tokens struct {
	Tokens []Token `json:"tokens"`
}

// Token is a named enrollment secret. POST .../tokens with a TokenRequest makes one (201,
// a Token), POST .../tokens/{name}/revoke ends it and keeps it, DELETE .../tokens/{name}
// ends and forgets it.
type Token struct {
	Name string `json:"name"`
	// State is Pending, Active, Early, Expired, UsedUp or Revoked.
	State   string     `json:"state"`
	Reason  string     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
	Uses    int32      `json:"uses"`
	MaxUses int32      `json:"maxUses"`
	Expires *time.Time `json:"expires,omitempty"`
	Group   string     `json:"group,omitempty"`
	Names   string     `json:"names,omitempty"`
	Sources []string   `json:"sources"`
	Created time.Time  `json:"created"`
	LastUse *time.Time `json:"lastUse,omitempty"`
}

// TokenRequest describes a token to be made.
type TokenRequest struct {
	Name string `json:"name"`
	// Expires is a time from now such as 72h, or a date; empty is never.
	Expires string   `json:"expires,omitempty"`
	MaxUses int32    `json:"maxUses,omitempty"`
	Group   string   `json:"group,omitempty"`
	Names   string   `json:"names,omitempty"`
	Sources []string `json:"sources,omitempty"`
}

// Handovers answers GET /api/v1/tenants/{slug}/handovers. URL is where links lead, as
// the console was told; empty means it was not, and that none can be made here.
type Handovers struct {
	URL       string     `json:"url,omitempty"`
	Handovers []Handover `json:"handovers"`
}

// Handover is a link that opens the onboarding kit once, as handover list -o json prints
// it. DELETE .../handovers/{name} with a WhyRequest takes it back.
type Handover = handover.View

// HandoverRequest is the body of POST /api/v1/tenants/{slug}/handovers; expires such as 24h.
type HandoverRequest struct {
	Expires string `json:"expires,omitempty"`
	Why     string `json:"why"`
	Version string `json:"version,omitempty"`
	Group   string `json:"group,omitempty"`
}

// Link is a fresh link, shown once.
type Link struct {
	Name    string    `json:"name"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
	Warning string    `json:"warning,omitempty"`
}
