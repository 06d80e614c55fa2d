package lab_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// metrics are the API server's.
func (h *hall) metrics(ctx context.Context) (string, error) {
	client, err := rest.HTTPClientFor(h.lab.Config)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.lab.Config.Host+"/metrics", nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// rbacDecides: who signed in has the name, the groups and the rights the cluster gives.
func (h *hall) rbacDecides() {
	h.t.Helper()
	alice := h.guest(h.url)
	if led := alice.signsIn("alice", "/tenants/signed/path?q=1"); led != h.url+"/tenants/signed/path?q=1" {
		h.t.Errorf("alice is led to %s", led)
	}
	session := want[wire.Session](alice.caller, "GET /api/v1/session", nil, http.StatusOK)
	if session.User != "mssp:alice@mssp.example.com" || !slices.Contains(session.Groups, "mssp:analysts") {
		h.t.Errorf("the session is %+v", session)
	}
	if about := want[wire.About](alice.caller, "GET /api/v1/about", nil, http.StatusOK); !about.SignIn.OIDC || about.SignIn.Provider != "MSSP ID" || about.SignIn.Problem != nil {
		h.t.Errorf("the ways in are %+v", about.SignIn)
	}
	want[wire.Tenants](alice.caller, "GET /api/v1/tenants", nil, http.StatusOK)
	why := wire.WhyRequest{Why: "the customer asked, ticket 4711"}
	alice.refused("POST /api/v1/tenants/signed/suspend", why, http.StatusForbidden, "", `User "mssp:alice@mssp.example.com" cannot patch resource "tenants"`)

	bob := h.guest(h.url)
	bob.signsIn("bob", "//evil.example/")
	want[wire.Accepted](bob.caller, "POST /api/v1/tenants/signed/suspend", why, http.StatusAccepted)
	suspended := soon(bob.caller, "the tenant is suspended", "/api/v1/tenants/signed", func(tenant wire.Tenant) bool { return tenant.Suspension != nil })
	if suspended.Suspension.By != "mssp:bob@mssp.example.com" {
		h.t.Errorf("suspended by %q", suspended.Suspension.By)
	}
	writes, err := h.lab.Plane.Writes(naming.Product + "-console/")
	if err != nil {
		h.t.Fatal(err)
	}
	recorded := false
	for _, event := range writes {
		recorded = recorded || event.User.Username == "mssp:bob@mssp.example.com" && event.Verb == "patch" && event.ObjectRef.Resource == "tenants" && event.ObjectRef.Name == "signed"
	}
	if !recorded {
		h.t.Error("the API server's audit log does not have bob")
	}

	there := want[wire.About](bob.caller, "GET /api/v1/about", nil, http.StatusOK).SignIn.ProviderSignOut
	if code, text := bob.send("DELETE /api/v1/session", nil); code != http.StatusNoContent {
		h.t.Errorf("signing out: %d %s", code, text)
	}
	if led := bob.goes(there, nil); led != h.url+"/" || strings.Contains(there, "eyJ") {
		h.t.Errorf("signing out of the provider, at %s, leads to %s", there, led)
	}
	bob.refused("GET /api/v1/session", nil, http.StatusUnauthorized, "", "sign in")
}

// wrongOnTheWay is what happens between provider and console.
func (h *hall) wrongOnTheWay() {
	h.t.Helper()
	// Somebody else's answer: it signs nobody in, and its code is not even spent.
	victim, attacker := h.guest(h.url), h.guest(h.url)
	victim.atTheDoor("/")
	theirs := attacker.says(attacker.atTheDoor("/"), "bob")
	if led := victim.goes(theirs, nil); led != h.url+"/" {
		h.t.Errorf("a forged answer leads to %s", led)
	}
	victim.turnedAway("belongs to another sign-in", "if you began none")
	never := h.guest(h.url)
	never.goes(theirs, nil)
	never.turnedAway("did not begin in this browser", "sign in again")

	// The same address once more, by the browser itself and by who copied its cookie.
	again := h.guest(h.url)
	landing := again.says(again.atTheDoor("/regions"), "alice")
	place, err := url.Parse(landing)
	if err != nil {
		h.t.Fatal(err)
	}
	flow := again.http.Jar.Cookies(place)
	if led := again.goes(landing, nil); led != h.url+"/regions" {
		h.t.Errorf("led to %s", led)
	}
	again.goes(landing, nil)
	again.told("was finished before", "sign in again")
	want[wire.Session](again.caller, "GET /api/v1/session", nil, http.StatusOK)
	thief := h.guest(h.url)
	thief.http.Jar.SetCookies(place, flow)
	thief.goes(landing, nil)
	thief.turnedAway("MSSP ID gave no token for its code: invalid_grant", "sign in again")

	slow := h.guest(h.url)
	late := slow.says(slow.atTheDoor("/"), "alice")
	h.skew.Store(int64(11 * time.Minute))
	slow.goes(late, nil)
	slow.turnedAway("took longer than 10 minutes", "sign in again")
	h.skew.Store(0)

	lured := h.guest(h.url)
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+"/auth/login", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := lured.http.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	if led, err := answer.Location(); err != nil || led.String() != h.url+"/" || len(answer.Cookies()) != 0 {
		h.t.Errorf("another site begins a sign-in: %v, %v", led, err)
	}
}

// wrongAtTheProvider is what the provider does.
func (h *hall) wrongAtTheProvider() {
	h.t.Helper()
	unwilling := h.guest(h.url)
	form := unwilling.atTheDoor("/regions")
	refusal := unwilling.goes(form, url.Values{"id": {form[strings.Index(form, "id=")+3:]}, "answer": {"refuse"}})
	if led := unwilling.goes(refusal, nil); led != h.url+"/regions" {
		h.t.Errorf("a refusal leads to %s", led)
	}
	unwilling.turnedAway("MSSP ID says access_denied: the person refused", "its administrator decides")

	h.provider.set(behaviour{WrongNonce: yes})
	mixed := h.guest(h.url)
	mixed.signsIn("alice", "/")
	mixed.turnedAway("its nonce is not the one that was sent", "sign in again")
	h.provider.set(behaviour{WrongNonce: no})

	stranded := h.guest(h.url)
	landing := stranded.says(stranded.atTheDoor("/"), "alice")
	h.provider.set(behaviour{Down: yes})
	stranded.goes(landing, nil)
	stranded.turnedAway("MSSP ID gave no token for its code: it answers 503 Service Unavailable", "try again")
	h.provider.set(behaviour{Down: no})
}

// renewed: a visit goes on while ID tokens end, and ends when the provider says so.
func (h *hall) renewed() {
	h.t.Helper()
	before := h.provider.set(behaviour{IDTokenSeconds: 4}).Refreshes
	alice := h.guest(h.url)
	alice.signsIn("alice", "/")
	eventually(h.t, "two further ID tokens", func(context.Context) (bool, error) {
		want[wire.Tenants](alice.caller, "GET /api/v1/tenants", nil, http.StatusOK)
		return h.provider.set(behaviour{}).Refreshes >= before+2, nil
	})
	session := want[wire.Session](alice.caller, "GET /api/v1/session", nil, http.StatusOK)
	if session.User != "mssp:alice@mssp.example.com" {
		h.t.Errorf("the session is %+v", session)
	}

	// A provider that is away for a while ends nothing.
	h.provider.set(behaviour{Down: yes})
	eventually(h.t, "the last ID token has ended", func(context.Context) (bool, error) {
		code, text := alice.send("GET /api/v1/tenants", nil)
		if code == http.StatusServiceUnavailable && !strings.Contains(string(text), "MSSP ID gave no new token: it answers 503") {
			h.t.Errorf("meanwhile: %s", text)
		}
		return code == http.StatusServiceUnavailable, nil
	})
	h.provider.set(behaviour{Down: no})
	soon := time.Now()
	eventually(h.t, "the visit goes on", func(context.Context) (bool, error) {
		code, _ := alice.send("GET /api/v1/tenants", nil)
		return code == http.StatusOK, nil
	})
	h.t.Logf("the visit went on %s after the provider was back", time.Since(soon).Round(100*time.Millisecond))

	h.provider.set(behaviour{Revoked: yes})
	var last []byte
	eventually(h.t, "the visit ends", func(context.Context) (bool, error) {
		code, text := alice.send("GET /api/v1/tenants", nil)
		last = text
		return code == http.StatusUnauthorized, nil
	})
	if !strings.Contains(string(last), "your session at the identity provider has ended: MSSP ID gave no new token: invalid_grant") {
		h.t.Errorf("the last answer: %s", last)
	}
	alice.turnedAway("your session at the identity provider has ended", "sign in again")
	h.provider.set(behaviour{Revoked: no, IDTokenSeconds: 300})
}

// nothingIsTold: what only console and provider may know is in no log and no answer.
func (h *hall) nothingIsTold() {
	h.t.Helper()
	heard := append(h.provider.set(behaviour{}).Heard, h.codes...)
	if len(heard) < 20 {
		h.t.Errorf("only %d secrets came by", len(heard))
	}
	log := h.log.String()
	for _, secret := range append(heard, "eyJ", h.provider.secret) {
		if secret != "" && strings.Contains(log, secret) {
			h.t.Errorf("in the console's log: %.6s...", secret)
		}
	}
	for _, line := range []string{`"msg":"signed in","user":"mssp:bob@mssp.example.com"`, `"msg":"sign-in refused"`, `"msg":"session ended","user":"mssp:alice@mssp.example.com"`} {
		if !strings.Contains(log, line) {
			h.t.Errorf("the log does not say %s:\n%s", line, log)
		}
	}
}
