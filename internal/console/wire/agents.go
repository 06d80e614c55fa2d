package wire

import (
	"time"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// Onboarding answers GET /api/v1/tenants/{slug}/onboarding, with the query's version
// and group if given: what soctalk-ingress onboard -o json prints. The zip archive is
// beside it, at .../onboarding/bundle; the enrollment secret is in neither.
// 503 with what is missing, while the tenant has no hostname or address.
type Onboarding struct {
	Sheet onboard.Sheet `json:"sheet"`
	// AuthorityPEM agents are told to trust; empty for a public authority.
	AuthorityPEM string `json:"authorityPEM,omitempty"`
}

// Agents answers GET /api/v1/tenants/{slug}/agents.
type Agents struct {
	// Asked is when manager, gateway and edges were asked.
	Asked  time.Time `json:"asked"`
	Agents []Agent   `json:"agents"`
	// Notes say what could not be asked, and why.
	Notes []string `json:"notes"`
}

// Agent is an agent, as agents list -o json prints it; what nobody knows of it is
// left out. Status is the manager's word; state is that, or enrolled for one that has a
// key and was not heard of yet.
type Agent = roster.View

// RevokeRequest is the body of POST /api/v1/tenants/{slug}/agents/revoke: ids (not names,
// which agents choose themselves), or a selector such as name=berlin-*,status=disconnected. With dryRun it says who would be
// revoked and writes nothing. 422 for more than 500 at once.
type RevokeRequest struct {
	IDs      []string `json:"ids,omitempty"`
	Selector string   `json:"selector,omitempty"`
	// Sources are networks to refuse too.
	Sources []string `json:"sources,omitempty"`
	Why     string   `json:"why"`
	DryRun  bool     `json:"dryRun,omitempty"`
}

// Revoked answers it.
type Revoked struct {
	DryRun bool `json:"dryRun"`
	// Agents that were chosen.
	Agents []Agent `json:"agents"`
	// Results, one for each agent; empty for a dry run.
	Results []RevokeResult `json:"results"`
}

// RevokeResult is what became of the request for one agent. The revocation itself goes
// on; GET .../revocations tells how far it is.
type RevokeResult struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Revocation is the name of the object.
	Revocation string `json:"revocation,omitempty"`
	// Already is true for one that was revoked before.
	Already bool   `json:"already,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Revocations answers GET /api/v1/tenants/{slug}/revocations: the latest first.
// DELETE .../revocations/{name} lifts the ban.
type Revocations struct {
	Revocations []Revocation `json:"revocations"`
}

// Revocation is one agent's right taken away.
type Revocation struct {
	Name      string `json:"name"`
	AgentID   string `json:"agentID"`
	AgentName string `json:"agentName"`
	// Step is Deny, Deregister, Cut or Done; empty while nobody has begun.
	Step     string     `json:"step,omitempty"`
	Ready    bool       `json:"ready"`
	Ended    bool       `json:"ended"`
	Reason   string     `json:"reason,omitempty"`
	Message  string     `json:"message,omitempty"`
	Evidence []string   `json:"evidence"`
	Sources  []string   `json:"sources"`
	Why      string     `json:"why,omitempty"`
	By       string     `json:"by,omitempty"`
	Created  time.Time  `json:"created"`
	Refused  int32      `json:"refused"`
	LastTry  *time.Time `json:"lastTry,omitempty"`
}
