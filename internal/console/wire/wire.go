// Package wire is what the console's API says, as Go types: one for each answer
// and each request. testdata holds an example of every one as JSON, which the
// tests of the pages read too, so that neither side changes alone.
//
// Times are RFC 3339 in UTC. A list is [] and never null. What nobody knows is
// left out. Every answer but a problem has HTTP status 200, or 202 where the
// operator goes on with the work.
package wire

import "time"

// About is what a browser is told before anybody has signed in: GET /api/v1/about.
type About struct {
	Product string `json:"product"`
	Version string `json:"version"`
	// SignIn says which ways there are.
	SignIn SignIn `json:"signIn"`
}

// SignIn are the ways to sign in.
type SignIn struct {
	// Token: paste a token of the cluster.
	Token bool `json:"token"`
	// OIDC: GET /auth/login?back=/where/to leads a browser to an identity provider, which
	// leads it back to /auth/callback, and that to the path that was named, signed in or not.
	OIDC bool `json:"oidc"`
	// Provider is what people call the identity provider.
	Provider string `json:"provider,omitempty"`
	// ProviderSignOut is where a browser signs out of the identity provider too, once the
	// session here has ended; left out while no such place is known.
	ProviderSignOut string `json:"providerSignOut,omitempty"`
	// Problem is why nobody is signed in, for a minute after it happened: at the way back
	// from the identity provider, or because the session there has ended.
	Problem *Problem `json:"problem,omitempty"`
}

// BackgroundHeader, with any value, marks a request the person did not cause, such as a
// dry run that is asked again. It does not keep a session from falling idle, and neither
// does anything that is only read: a page reads by itself. What does is a request that
// changes something, and GET /api/v1/session, which a page sends now and then while there
// is real input; both without this header.
const BackgroundHeader = "Console-Background"

// SignInRequest is the body of POST /api/v1/session.
type SignInRequest struct {
	Token string `json:"token"`
}

// Session is who is signed in: GET and POST /api/v1/session. Without one the API
// answers 401.
type Session struct {
	// User and Groups as the API server knows them.
	User   string   `json:"user"`
	Groups []string `json:"groups"`
	// Cluster is the address of the API server that is acted in.
	Cluster string `json:"cluster"`
	// Now is the server's time. Ends whatever happens; IdleEnds if the person does nothing until then.
	Now      time.Time `json:"now"`
	Ends     time.Time `json:"ends"`
	IdleEnds time.Time `json:"idleEnds"`
}

// Problem is every answer that is not one: with 400, 401, 403, 404, 409, 422, 502 or 503.
type Problem struct {
	// Error in the words of the command line.
	Error string `json:"error"`
	// Field of the request or the specification, such as spec.wazuhIngress.hostname.
	Field string `json:"field,omitempty"`
	// Next is what to do about it.
	Next string `json:"next,omitempty"`
	// More are further problems of the same request.
	More []Problem `json:"more,omitempty"`
}

// Rights say what the person may do: GET /api/v1/rights, and
// GET /api/v1/tenants/{slug}/rights.
type Rights struct {
	Rights []Right `json:"rights"`
}

// Right is one thing to do.
type Right struct {
	// Action is one of the names in routes.go.
	Action  string `json:"action"`
	Allowed bool   `json:"allowed"`
	// Missing are the Kubernetes rights that are lacking, each such as
	// `create revocations.ingress.soctalk.io in namespace tenant-acme`.
	Missing []string `json:"missing,omitempty"`
}

// Change is one event of the stream GET /api/v1/events, whose SSE event is "change":
// something of that kind is not as it was. Ask again for what is shown of it.
// GET /api/v1/events?agents=acme also tells when that tenant's agents change.
type Change struct {
	// Kind is tenants, regions, tokens, revocations, handovers, reports or agents.
	Kind string `json:"kind"`
	// Tenant by its slug, where the thing belongs to one.
	Tenant string `json:"tenant,omitempty"`
	Name   string `json:"name,omitempty"`
}

// Blind is the stream's SSE event "blind": changes of that kind are not told,
// because the person may not watch it. Ask for it now and then.
type Blind struct {
	Kind    string `json:"kind"`
	Missing string `json:"missing"`
}

// Accepted answers a request that the operator goes on with.
type Accepted struct {
	// Message in a sentence.
	Message string `json:"message"`
	// Warning that concerns the request although it was done.
	Warning string `json:"warning,omitempty"`
}

// WhyRequest is the body of suspend, and of the end of a link. Resume has none.
type WhyRequest struct {
	Why string `json:"why"`
}
