package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
)

// A session ends after eight hours whatever happens, and after half an hour in which
// the person did nothing, however busy the page was.
func TestSessionsEnd(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	held := newVisits(t.Context(), func() time.Time { return now })
	busy := held.begin(&visit{})
	idle := held.begin(&visit{})
	if held.find(busy, true) == nil || held.find(busy+"x", true) != nil || held.find("", true) != nil {
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
	name := held.begin(ended)
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

// Somebody with many accounts can fill the console and keeps nobody out: the session that
// has been idle for longest makes room.
func TestSessionsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	held := newVisits(t.Context(), func() time.Time { now = now.Add(time.Millisecond); return now })
	jane := held.begin(&visit{user: "jane"})
	var first string
	for i := range maxVisits - 1 {
		name := held.begin(&visit{user: fmt.Sprint("account ", i)})
		if i == 0 {
			first = name
		}
	}
	if held.find(jane, true) == nil || held.find(first, false) == nil {
		t.Fatal("too few")
	}
	if last := held.begin(&visit{user: "viktor"}); held.find(last, false) == nil || len(held.held) != maxVisits {
		t.Errorf("one more: %d are held", len(held.held))
	}
	if held.find(jane, false) == nil {
		t.Error("somebody at work lost the session")
	}
	if held.find(first, false) != nil {
		t.Error("the idlest did not make room")
	}
}

// A person who signs in again and again keeps the last sessions, and nobody else out.
func TestOnePersonsSessionsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	held := newVisits(t.Context(), func() time.Time { now = now.Add(time.Second); return now })
	other := held.begin(&visit{user: "viktor"})
	var names []string
	var all []*visit
	for range maxPerPerson + 3 {
		one := &visit{user: "jane"}
		name := held.begin(one)
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
