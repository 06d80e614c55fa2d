package console

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/signon"
	"github.com/soctalk/soctalk-ingress/internal/throttle"
)

// What a browser carries on its way through the identity provider, beside the session.
const (
	flowCookie    = "flow"
	problemCookie = "problem"
)

// problemLasts is how long the page can still say why nobody is signed in.
const problemLasts = time.Minute

// waysIn are the ways to sign in, and why the last one led nowhere.
func (c *Console) waysIn(r *http.Request) wire.SignIn {
	ways := wire.SignIn{Token: true}
	provider := c.options.SignOn
	if provider == nil {
		return ways
	}
	ways.OIDC, ways.Provider, ways.ProviderSignOut = true, provider.Name(), provider.SignOutURL()
	var problem wire.Problem
	if provider.Seal().Open(problemCookie, c.carriedBy(r, problemCookie), &problem, c.options.Now()) == nil {
		ways.Problem = &problem
	}
	return ways
}

// login leads a browser to the identity provider.
func (c *Console) login(w http.ResponseWriter, r *http.Request) error {
	if c.options.SignOn == nil {
		return refuse(http.StatusNotFound, "", "no identity provider is configured here", "sign in with a token of the cluster")
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		// Another site may lead people here, but not sign them in on its own.
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	back := r.URL.Query().Get("back")
	location, flow, err := c.options.SignOn.Begin(r.Context(), back)
	if err != nil {
		return c.turnBack(w, r, signon.Local(back), err)
	}
	http.SetCookie(w, c.carried(r, flowCookie, flow))
	http.SetCookie(w, c.carried(r, problemCookie, ""))
	http.Redirect(w, r, location, http.StatusSeeOther)
	return nil
}

// callback is where the identity provider leads a browser back to. Whatever comes of it,
// the browser goes on to an address without the provider's code in it.
func (c *Console) callback(w http.ResponseWriter, r *http.Request) error {
	provider := c.options.SignOn
	if provider == nil {
		return refuse(http.StatusNotFound, "", "no identity provider is configured here", "sign in with a token of the cluster")
	}
	http.SetCookie(w, c.carried(r, flowCookie, ""))
	if !c.signIns.Allow(throttle.Client(r, c.options.Proxies), c.options.Now()) {
		return c.turnBack(w, r, "/", refuse(http.StatusServiceUnavailable, "", "too many sign in at this moment", "try again in a few seconds"))
	}
	tokens, back, err := provider.Finish(r.Context(), r.URL.Query(), c.carriedBy(r, flowCookie))
	if err != nil {
		return c.turnBack(w, r, back, err)
	}
	one, err := c.visitFor(func(config *rest.Config) { config.Wrap(transport.TokenSourceWrapTransport(tokens)) })
	if err != nil {
		return c.turnBack(w, r, back, err)
	}
	one.tokens = tokens
	err = c.enter(w, r, one)
	if apierrors.IsUnauthorized(err) {
		err = refuse(http.StatusUnauthorized, "", fmt.Sprintf("%s knows you, but the cluster's API server refuses its ID token: it answers 401 Unauthorized", provider.Name()), provider.Trust())
	}
	if err != nil {
		return c.turnBack(w, r, back, err)
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// turnBack leads a browser to where it came from, which says what went wrong.
func (c *Console) turnBack(w http.ResponseWriter, r *http.Request, back string, err error) error {
	problem := c.keepProblem(w, r, err)
	c.options.Log.Info("sign-in refused", "from", throttle.Client(r, c.options.Proxies).String(), "why", problem.Error)
	http.Redirect(w, r, back, http.StatusSeeOther)
	return nil
}

// keepProblem lets the browser carry a problem to the next page.
func (c *Console) keepProblem(w http.ResponseWriter, r *http.Request, err error) wire.Problem {
	_, problem := problemOf(err)
	problem.More = nil // a cookie is small
	if text, err := c.options.SignOn.Seal().Close(problemCookie, problem, c.options.Now().Add(problemLasts)); err == nil {
		http.SetCookie(w, c.carried(r, problemCookie, text))
	}
	return problem
}

// fresh renews what a person was given by the identity provider, if it is time. The visit
// ends when the provider gives nothing any more.
func (c *Console) fresh(w http.ResponseWriter, r *http.Request, one *visit) error {
	if one.tokens == nil {
		return nil
	}
	_, err := one.tokens.Token()
	var ended *signon.Ended
	if !errors.As(err, &ended) {
		return err
	}
	c.visits.finish(one)
	http.SetCookie(w, c.cookie(r, ""))
	problem := c.keepProblem(w, r, err)
	c.options.Log.Info("session ended", "user", one.user, "why", problem.Error)
	return &refusal{http.StatusUnauthorized, problem}
}

// carried is a cookie beside the session's; an empty value takes it back. That of a
// sign-in on its way is Lax and not Strict: it must come along when the provider, which
// is another site, leads the browser back. It names nobody and opens nothing by itself.
func (c *Console) carried(r *http.Request, name, value string) *http.Cookie {
	cookie := &http.Cookie{
		Name: c.cookieName(r) + "-" + name, Value: value, Path: "/", HttpOnly: true, Secure: !c.options.Plain, SameSite: http.SameSiteStrictMode,
		MaxAge: int(problemLasts.Seconds()),
	}
	if name == flowCookie {
		cookie.SameSite, cookie.MaxAge = http.SameSiteLaxMode, int(signon.FlowLasts.Seconds())
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	return cookie
}

func (c *Console) carriedBy(r *http.Request, name string) string {
	cookie, err := r.Cookie(c.cookieName(r) + "-" + name)
	if err != nil {
		return ""
	}
	return cookie.Value
}
