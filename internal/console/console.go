// Package console is the desk in a browser: pages, and a JSON API under /api/v1 that
// does what the command line does, through internal/desk.
//
// It has no rights of its own and keeps nothing. A person signs in with a token of the
// cluster, and everything is asked with that very token, so that the API server decides
// what may be done and writes down who did it. The token is held in this process's
// memory, for the time of the session, and nowhere else.
//
// Start with [Console.Handler], which lists the routes, and internal/console/wire, which
// says what they answer.
package console

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/console/pages"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/signon"
	"github.com/soctalk/soctalk-ingress/internal/throttle"
)

// Options say what to serve. Cluster, Scheme and Log are required.
type Options struct {
	// Cluster says where the API server is and whom to trust; credentials in it are
	// not used.
	Cluster *rest.Config
	Scheme  *runtime.Scheme
	// Version of the program.
	Version string
	// System is the operator's namespace, and Edges that of the edges' pods; empty means
	// where they usually are.
	System, Edges string
	// Links is where links to onboarding kits are served; empty where they are not.
	Links string
	// SignOn is the identity provider to sign in at; nil for pasted tokens alone.
	SignOn *signon.Provider
	// Plain leaves the cookie without Secure, for a browser on the same machine.
	Plain bool
	// Proxies may say, in X-Forwarded-For, for whom they forward.
	Proxies []netip.Prefix
	Log     *slog.Logger
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Console answers browsers.
type Console struct {
	options Options
	visits  *visits
	signIns *throttle.Throttle
}

// signIns are limited because each costs the API server a request: those of one address,
// so that nobody keeps the others out, and behind that everybody's.
var signIns = throttle.Limits{Burst: 10, Refill: 6 * time.Second, Site: 50, SiteRate: 5}

// New makes a console. What it keeps open for people who sign in ends with the context.
func New(ctx context.Context, options Options) *Console {
	if options.Now == nil {
		options.Now = time.Now
	}
	options.System = cmp.Or(options.System, naming.DefaultSystemNamespace)
	options.Edges = cmp.Or(options.Edges, options.System)
	c := &Console{options: options, visits: newVisits(ctx, options.Now), signIns: throttle.New(signIns)}
	go c.visits.sweep(ctx)
	return c
}

// handlers are who answers which route of wire.Routes; a test holds the two together.
func (c *Console) handlers() map[string]http.Handler {
	const tenant = "/api/v1/tenants/{slug}"
	return map[string]http.Handler{
		"GET /api/v1/about":          open(c.about),
		"POST /api/v1/session":       bounded(open(c.signIn)),
		"DELETE /api/v1/session":     open(c.signOut),
		"GET /api/v1/session":        c.person(c.whoAmI),
		"GET /api/v1/rights":         c.person(c.rights),
		"GET /api/v1/events":         c.lasting(c.events),
		"GET /api/v1/regions":        c.person(c.regions),
		"GET /api/v1/reports/{name}": c.person(c.report),

		"GET /api/v1/reports/{name}/envelope": c.person(c.envelope),

		"GET /api/v1/tenants":            c.person(c.tenants),
		"POST /api/v1/tenants":           c.person(c.createTenant),
		"GET " + tenant:                  c.person(c.tenant),
		"GET " + tenant + "/rights":      c.person(c.tenantRights),
		"POST " + tenant + "/suspend":    c.person(c.suspend),
		"POST " + tenant + "/resume":     c.person(c.resume),
		"POST " + tenant + "/offboard":   c.person(c.offboard),
		"GET " + tenant + "/report":      c.person(c.tenantReport),
		"GET " + tenant + "/events":      c.person(c.tenantEvents),
		"GET " + tenant + "/onboarding":  c.person(c.onboarding),
		"GET " + tenant + "/agents":      c.person(c.agents),
		"GET " + tenant + "/revocations": c.person(c.revocations),
		"GET " + tenant + "/secret":      c.person(c.secret),
		"GET " + tenant + "/tokens":      c.person(c.tokens),
		"POST " + tenant + "/tokens":     c.person(c.makeToken),
		"GET " + tenant + "/handovers":   c.person(c.handovers),
		"POST " + tenant + "/handovers":  c.person(c.makeHandover),

		"GET " + tenant + "/onboarding/bundle":     c.person(c.bundle),
		"POST " + tenant + "/agents/revoke":        c.person(c.revoke),
		"DELETE " + tenant + "/revocations/{name}": c.person(c.unrevoke),
		"POST " + tenant + "/secret/reveal":        c.person(c.reveal),
		"POST " + tenant + "/secret/rearm":         c.person(c.rearm),
		"POST " + tenant + "/secret/rotate":        c.person(c.rotate),
		"POST " + tenant + "/tokens/{name}/revoke": c.person(c.revokeToken),
		"DELETE " + tenant + "/tokens/{name}":      c.person(c.deleteToken),
		"DELETE " + tenant + "/handovers/{name}":   c.person(c.endHandover),
	}
}

// Handler serves everything.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handler := range c.handlers() {
		mux.Handle(pattern, handler)
	}
	mux.Handle("GET "+signon.LoginPath, bounded(open(c.login)))
	mux.Handle("GET "+signon.CallbackPath, bounded(open(c.callback)))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, wire.Problem{Error: r.Method + " " + r.URL.Path + " is not part of the API"})
	})
	mux.Handle("/", pages.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusForbidden, wire.Problem{Error: "another site asked for this", Next: "open the console itself"})
	}))
	return c.guarded(protection.Handler(mux))
}

func (c *Console) about(w http.ResponseWriter, r *http.Request) error {
	return give(w, wire.About{Product: "soctalk-ingress", Version: c.options.Version, SignIn: c.waysIn(r)})
}
