package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// What the table promises is what is served, and the other way round.
func TestEveryRouteIsServed(t *testing.T) {
	served := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).handlers()
	for _, route := range wire.Routes() {
		if served[route.Pattern] == nil {
			t.Errorf("%s is in the table and nobody answers it", route.Pattern)
		}
		delete(served, route.Pattern)
	}
	for pattern := range served {
		t.Errorf("%s is answered and not in the table", pattern)
	}
}

// Every action of the table can be asked about.
func TestEveryActionHasRights(t *testing.T) {
	var known []string
	for _, action := range append(generalActions(), tenantActions("acme")...) {
		if len(action.needs) == 0 {
			t.Errorf("%s needs nothing", action.name)
		}
		known = append(known, action.name)
	}
	for _, route := range wire.Routes() {
		if route.Action != "" && !slices.Contains(known, route.Action) {
			t.Errorf("%s: nobody says what %s takes", route.Pattern, route.Action)
		}
	}
}

func testOptions(t *testing.T, server string) Options {
	t.Helper()
	return Options{
		Cluster: &rest.Config{Host: server}, Scheme: runtime.NewScheme(), Version: "test", Plain: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// call sends a request as a browser on the console's own page does.
func call(handler http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestNobodyIsAnswered(t *testing.T) {
	handler := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).Handler()
	for _, route := range wire.Routes() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if path == "/api/v1/about" || path == "/api/v1/session" && method != http.MethodGet {
			continue
		}
		path = strings.NewReplacer("{slug}", "acme", "{name}", "x").Replace(path)
		got := call(handler, method, path, "{}", "Cookie", "console=guessed")
		if got.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a session: %d %s", method, path, got.Code, got.Body)
		}
		if got.Header().Get("Content-Security-Policy") != policy || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", method, path, got.Header())
		}
	}
}

// Another site cannot act in the name of who is signed in, and not sign anybody in.
func TestOtherSitesAreRefused(t *testing.T) {
	handler := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).Handler()
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
		if got := call(handler, http.MethodPost, "/api/v1/session", `{"token":"x"}`, headers...); got.Code != http.StatusForbidden {
			t.Errorf("%v: %d %s", headers, got.Code, got.Body)
		}
	}
	if got := call(handler, http.MethodPost, "/api/v1/session", `{"token":"x"}`, "Content-Type", "text/plain"); got.Code != http.StatusBadRequest {
		t.Errorf("a form's content type: %d %s", got.Code, got.Body)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	handler := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).Handler()
	for body, want := range map[string]int{
		`{"token":""}`: http.StatusUnprocessableEntity, `{"token":" "}`: http.StatusUnprocessableEntity, `{"token":"a b"}`: http.StatusUnprocessableEntity,
		`{"token":"a\nb"}`: http.StatusUnprocessableEntity, `{"token":"x","admin":true}`: http.StatusBadRequest, `{`: http.StatusBadRequest, `{} {}`: http.StatusBadRequest,
	} {
		got := call(handler, http.MethodPost, "/api/v1/session", body)
		var problem wire.Problem
		if err := json.Unmarshal(got.Body.Bytes(), &problem); got.Code != want || err != nil || problem.Error == "" {
			t.Errorf("%s: %d %s, want %d", body, got.Code, got.Body, want)
		}
		if got.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: a cookie is set", body)
		}
	}
}

// A session ends after eight hours whatever happens, and after half an hour in which
// the person did nothing, however busy the page was.
func TestSessionsEnd(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	held := newVisits(t.Context(), func() time.Time { return now })
	busy, ok := held.begin(&visit{})
	idle, _ := held.begin(&visit{})
	if !ok || held.find(busy, true) == nil || held.find(busy+"x", true) != nil || held.find("", true) != nil {
		t.Fatal("a session is not found, or another one is")
	}
	for range 2 {
		now = now.Add(20 * time.Minute)
		if held.find(busy, true) == nil {
			t.Fatal("a session in use fell idle")
		}
		held.find(idle, false)
	}
	if held.find(idle, true) != nil {
		t.Error("a session nobody used for 40 minutes goes on")
	}
	for now.Before(time.Date(2026, 11, 25, 19, 50, 0, 0, time.UTC)) {
		now = now.Add(10 * time.Minute)
		if held.find(busy, true) == nil {
			t.Fatalf("the session ended at %s", now)
		}
	}
	now = now.Add(10 * time.Minute)
	if held.find(busy, true) != nil {
		t.Error("the session goes on after eight hours")
	}
	ended := &visit{}
	name, _ := held.begin(ended)
	held.finish(ended)
	if held.find(name, true) != nil || ended.ctx.Err() == nil {
		t.Error("a session goes on after its end")
	}
}

// A page that is open reads all the time; only what a person does keeps a session awake.
func TestWhatKeepsASessionAwake(t *testing.T) {
	for request, want := range map[string]bool{
		"POST /api/v1/tenants/acme/suspend": true, "DELETE /api/v1/tenants/acme/tokens/berlin": true, "GET /api/v1/session": true,
		"GET /api/v1/tenants": false, "HEAD /api/v1/tenants": false, "GET /api/v1/rights": false, "GET /api/v1/events?agents=acme": false,
		"GET /api/v1/tenants/acme/onboarding/bundle": false,
	} {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, path, nil)
		if caused(r) != want {
			t.Errorf("%s keeps a session awake: %t", request, !want)
		}
		r.Header.Set(wire.BackgroundHeader, "1")
		if caused(r) {
			t.Errorf("%s keeps a session awake although it says that nobody asked for it", request)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	held := newVisits(t.Context(), time.Now)
	for i := range maxVisits {
		if _, ok := held.begin(&visit{user: fmt.Sprint("person ", i)}); !ok {
			t.Fatal("too few")
		}
	}
	if _, ok := held.begin(&visit{user: "one more"}); ok {
		t.Error("there is no limit")
	}
}

// A person who signs in again and again keeps the last sessions, and nobody else out.
func TestOnePersonsSessionsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	held := newVisits(t.Context(), func() time.Time { now = now.Add(time.Second); return now })
	other, _ := held.begin(&visit{user: "viktor"})
	var names []string
	var all []*visit
	for range maxPerPerson + 3 {
		one := &visit{user: "jane"}
		name, ok := held.begin(one)
		if !ok {
			t.Fatal("refused")
		}
		names, all = append(names, name), append(all, one)
	}
	for i, name := range names {
		goesOn := i >= 3
		if (held.find(name, false) != nil) != goesOn || (all[i].ctx.Err() == nil) != goesOn {
			t.Errorf("the %d. session goes on: %t, want %t", i+1, !goesOn, goesOn)
		}
	}
	if held.find(other, false) == nil {
		t.Error("somebody else's session has ended")
	}
}

// One address that tries tokens keeps only itself out, whatever it writes in headers.
func TestSignInsAreLimitedByAddress(t *testing.T) {
	options := testOptions(t, "https://127.0.0.1:1")
	options.Now = func() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }
	options.Proxies = []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16")}
	handler := New(t.Context(), options).Handler()
	try := func(peer, forwarded string) int {
		request := httptest.NewRequest(http.MethodPost, "/api/v1/session", strings.NewReader(`{"token":"guessed"}`))
		request.RemoteAddr = peer
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Forwarded-For", forwarded)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		return recorder.Code
	}
	// The API server does not answer: 502 is somebody who was let through to it.
	for i := range signIns.Burst {
		if got := try("203.0.113.7:1", fmt.Sprint("198.51.100.", i)); got != http.StatusBadGateway {
			t.Fatalf("try %d: %d", i+1, got)
		}
	}
	for name, c := range map[string]struct {
		peer, forwarded string
		want            int
	}{
		"the same again":                       {"203.0.113.7:2", "", http.StatusServiceUnavailable},
		"the same, who says he is another":     {"203.0.113.7:3", "198.51.100.99", http.StatusServiceUnavailable},
		"the same, through the proxy":          {"10.42.0.9:1", "198.51.100.99, 203.0.113.7", http.StatusServiceUnavailable},
		"somebody else":                        {"203.0.113.8:1", "", http.StatusBadGateway},
		"somebody else, through the proxy too": {"10.42.0.9:1", "203.0.113.9", http.StatusBadGateway},
	} {
		if got := try(c.peer, c.forwarded); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// What a message says decides nothing: an agent may be called "is forbidden".
func TestStatusesComeFromTheErrorAndNotItsWords(t *testing.T) {
	for status, err := range map[int]error{
		http.StatusForbidden:  &desk.Forbidden{Namespace: "tenant-acme", Err: errors.New("no")},
		http.StatusNotFound:   fault.New(fault.NotFound, errors.New(`no agent "is forbidden"`), ""),
		http.StatusBadGateway: errors.New(`agent "is forbidden" is busy`),
		http.StatusConflict:   fault.New(fault.Refused, errors.New(`tenant "a" has a token "is forbidden"`), ""),
	} {
		if got := statusOf(err); got != status {
			t.Errorf("%v: %d, want %d", err, got, status)
		}
	}
}

func TestTheCookie(t *testing.T) {
	c := New(t.Context(), Options{Cluster: &rest.Config{}, Log: slog.New(slog.DiscardHandler)})
	if text := c.cookie("x").String(); text != "__Host-console=x; Path=/; Max-Age=28800; HttpOnly; Secure; SameSite=Strict" {
		t.Error(text)
	}
}

// The console takes nobody's credentials but the person's.
func TestTheConsolesOwnCredentialsAreNotUsed(t *testing.T) {
	options := testOptions(t, "https://127.0.0.1:1")
	options.Cluster = &rest.Config{
		Host: "https://127.0.0.1:1", BearerToken: "own", BearerTokenFile: "/own", Username: "own", Password: "own",
		Impersonate: rest.ImpersonationConfig{UserName: "own"}, TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}
	one, err := New(t.Context(), options).visitFor("persons")
	if err != nil {
		t.Fatal(err)
	}
	got := one.desk.Config
	if got.BearerToken != "persons" || got.BearerTokenFile != "" || got.Username != "" || got.Password != "" || got.Impersonate.UserName != "" {
		t.Errorf("acts with %v", got)
	}
}

func TestContextsOfStreams(t *testing.T) {
	one := &visit{}
	one.ctx, one.end = context.WithCancel(t.Context())
	for range maxStreams {
		if !one.enter() {
			t.Fatal("too few")
		}
	}
	if one.enter() {
		t.Error("streams have no limit")
	}
	one.leave()
	if !one.enter() {
		t.Error("a stream that ended still counts")
	}
}
