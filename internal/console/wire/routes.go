package wire

// Route is one thing the API answers.
type Route struct {
	// Pattern as net/http's ServeMux reads it.
	Pattern string `json:"pattern"`
	// Takes and Gives name the types of this package, or a media type; empty for nothing.
	Takes string `json:"takes,omitempty"`
	Gives string `json:"gives,omitempty"`
	// Action is what the person must be allowed to do; empty for what needs no right.
	Action string `json:"action,omitempty"`
}

// Actions, as in [Right]. Those before tenant.see are of GET /api/v1/rights, the others
// of GET /api/v1/tenants/{slug}/rights.
const (
	ActionTenants     = "tenants.see"
	ActionCreate      = "tenant.create"
	ActionRegions     = "regions.see"
	ActionReports     = "reports.see"
	ActionTenant      = "tenant.see"
	ActionSuspend     = "tenant.suspend"
	ActionOffboard    = "tenant.offboard"
	ActionEvents      = "events.see"
	ActionAgents      = "agents.see"
	ActionRevoke      = "agents.revoke"
	ActionRevocations = "revocations.see"
	ActionUnrevoke    = "revocations.lift"
	ActionSecret      = "secret.see"
	ActionReveal      = "secret.reveal"
	ActionRotate      = "secret.rotate"
	ActionTokens      = "tokens.see"
	ActionTokenMake   = "tokens.make"
	ActionTokenRevoke = "tokens.revoke"
	ActionTokenDelete = "tokens.delete"
	// ActionTokenReveal is secret/reveal and secret/rearm with a token named: its Secret
	// is another than the tenant's.
	ActionTokenReveal  = "tokens.reveal"
	ActionHandovers    = "handovers.see"
	ActionHandoverMake = "handovers.make"
	ActionHandoverEnd  = "handovers.revoke"
	ActionOnboarding   = "onboarding.see"
)

// Routes of the API. A test holds the handlers to it.
func Routes() []Route {
	const tenant = "/api/v1/tenants/{slug}"
	return []Route{
		{Pattern: "GET /api/v1/about", Gives: "About"},
		{Pattern: "GET /api/v1/session", Gives: "Session"},
		{Pattern: "POST /api/v1/session", Takes: "SignInRequest", Gives: "Session"},
		{Pattern: "DELETE /api/v1/session"},
		{Pattern: "GET /api/v1/rights", Gives: "Rights"},
		{Pattern: "GET /api/v1/events", Gives: "text/event-stream"},
		{Pattern: "GET /api/v1/regions", Gives: "Regions", Action: ActionRegions},
		{Pattern: "GET /api/v1/reports/{name}", Gives: "Report", Action: ActionReports},
		{Pattern: "GET /api/v1/reports/{name}/envelope", Gives: "application/json", Action: ActionReports},
		{Pattern: "GET /api/v1/tenants", Gives: "Tenants", Action: ActionTenants},
		{Pattern: "POST /api/v1/tenants", Takes: "CreateRequest", Gives: "Created", Action: ActionCreate},
		{Pattern: "GET " + tenant, Gives: "Tenant", Action: ActionTenant},
		{Pattern: "GET " + tenant + "/rights", Gives: "Rights"},
		{Pattern: "POST " + tenant + "/suspend", Takes: "WhyRequest", Gives: "Accepted", Action: ActionSuspend},
		{Pattern: "POST " + tenant + "/resume", Gives: "Accepted", Action: ActionSuspend},
		{Pattern: "POST " + tenant + "/offboard", Takes: "OffboardRequest", Gives: "Accepted", Action: ActionOffboard},
		{Pattern: "GET " + tenant + "/report", Gives: "Report", Action: ActionReports},
		{Pattern: "GET " + tenant + "/events", Gives: "Events", Action: ActionEvents},
		{Pattern: "GET " + tenant + "/onboarding", Gives: "Onboarding", Action: ActionOnboarding},
		{Pattern: "GET " + tenant + "/onboarding/bundle", Gives: "application/zip", Action: ActionOnboarding},
		{Pattern: "GET " + tenant + "/agents", Gives: "Agents", Action: ActionAgents},
		{Pattern: "POST " + tenant + "/agents/revoke", Takes: "RevokeRequest", Gives: "Revoked", Action: ActionRevoke},
		{Pattern: "GET " + tenant + "/revocations", Gives: "Revocations", Action: ActionRevocations},
		{Pattern: "DELETE " + tenant + "/revocations/{name}", Gives: "Accepted", Action: ActionUnrevoke},
		{Pattern: "GET " + tenant + "/secret", Gives: "Secret", Action: ActionSecret},
		{Pattern: "POST " + tenant + "/secret/reveal", Takes: "RevealRequest", Gives: "Revealed", Action: ActionReveal},
		{Pattern: "POST " + tenant + "/secret/rearm", Takes: "RevealRequest", Gives: "Accepted", Action: ActionReveal},
		{Pattern: "POST " + tenant + "/secret/rotate", Takes: "RotateRequest", Gives: "Accepted", Action: ActionRotate},
		{Pattern: "GET " + tenant + "/tokens", Gives: "Tokens", Action: ActionTokens},
		{Pattern: "POST " + tenant + "/tokens", Takes: "TokenRequest", Gives: "Token", Action: ActionTokenMake},
		{Pattern: "POST " + tenant + "/tokens/{name}/revoke", Gives: "Accepted", Action: ActionTokenRevoke},
		{Pattern: "DELETE " + tenant + "/tokens/{name}", Gives: "Accepted", Action: ActionTokenDelete},
		{Pattern: "GET " + tenant + "/handovers", Gives: "Handovers", Action: ActionHandovers},
		{Pattern: "POST " + tenant + "/handovers", Takes: "HandoverRequest", Gives: "Link", Action: ActionHandoverMake},
		{Pattern: "DELETE " + tenant + "/handovers/{name}", Takes: "WhyRequest", Gives: "Accepted", Action: ActionHandoverEnd},
	}
}
