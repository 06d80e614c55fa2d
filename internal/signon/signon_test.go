package signon

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever is asked for, the way back is one into the console.
func TestTheWayBackIsLocal(t *testing.T) {
	for asked, want := range map[string]string{
		"/tenants/acme/agents?sort=name": "/tenants/acme/agents?sort=name",
		"/tenants#part":                  "/tenants",
		"":                               "/",
		"tenants":                        "/",
		"//evil.example/":                "/",
		"/%2Fevil.example":               "/",
		`/\evil.example`:                 "/",
		"/%5Cevil.example":               "/",
		"https://evil.example/":          "/",
		"javascript:alert(1)":            "/",
		"/\tevil":                        "/",
		"/auth/login?back=/":             "/",
		"/api/v1/session":                "/",
		"/" + strings.Repeat("a", 1000):  "/",
	} {
		if got := Local(asked); got != want {
			t.Errorf("%q leads to %q, want %q", asked, got, want)
		}
	}
}

// What a browser carries is read by us alone, for what it was made, and for its time.
func TestASealHolds(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	seal, err := newSeal()
	if err != nil {
		t.Fatal(err)
	}
	text, err := seal.Close("flow", "inside", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := seal.Open("flow", text, &got, now); err != nil || got != "inside" {
		t.Errorf("%q, %v", got, err)
	}
	other, err := newSeal()
	if err != nil {
		t.Fatal(err)
	}
	changed := text[:len(text)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(text, "A")]
	for name, err := range map[string]error{
		"another purpose": seal.Open("problem", text, &got, now),
		"another process": other.Open("flow", text, &got, now),
		"too late":        seal.Open("flow", text, &got, now.Add(time.Minute)),
		"changed":         seal.Open("flow", changed, &got, now),
		"cut":             seal.Open("flow", text[:10], &got, now),
		"nothing":         seal.Open("flow", "", &got, now),
	} {
		if err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// What is wrong is said at the start, with the field and what to write.
func TestWhatCannotBeAsked(t *testing.T) {
	dir := t.TempDir()
	empty, noPEM := filepath.Join(dir, "empty"), filepath.Join(dir, "ca.crt")
	for _, name := range []string{empty, noPEM} {
		if err := os.WriteFile(name, []byte("\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := Config{Issuer: "https://id.example.com", ClientID: "console", Scopes: []string{"openid"}, Home: "https://console.example.com"}
	provider, err := New(good)
	if err != nil || provider.Name() != "id.example.com" {
		t.Fatalf("%v, %v", provider, err)
	}
	for says, spoil := range map[string]func(*Config){
		`issuer "http://id.example.com"`:         func(c *Config) { c.Issuer = "http://id.example.com" },
		`issuer "https://id.example.com/?x=1"`:   func(c *Config) { c.Issuer = "https://id.example.com/?x=1" },
		`client id:`:                             func(c *Config) { c.ClientID = "" },
		`scopes "email": openid`:                 func(c *Config) { c.Scopes = []string{"email"} },
		`the client's secret: open `:             func(c *Config) { c.SecretFile = filepath.Join(dir, "none") },
		`is empty`:                               func(c *Config) { c.SecretFile = empty },
		`the provider's authority: open `:        func(c *Config) { c.AuthorityFile = filepath.Join(dir, "none") },
		`no certificate in "` + noPEM + `"; it `: func(c *Config) { c.AuthorityFile = noPEM },
	} {
		wrong := good
		spoil(&wrong)
		if _, err := New(wrong); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// A provider that hangs must not keep the page from being shown, on which people sign in
// with a token then; and who has gone waits for nobody.
func TestAProviderThatHangsHoldsUpNobodyElse(t *testing.T) {
	asked, release := make(chan struct{}, 9), make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	provider, err := New(Config{Issuer: server.URL, ClientID: "console", Scopes: []string{"openid"}, Home: "https://console.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	provider.client = server.Client()
	ctx, stop := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, _, err := provider.Begin(ctx, "/"); first <- err }()
	<-asked
	told := make(chan error, 1)
	go func() {
		if url := provider.SignOutURL(); url != "" {
			t.Errorf("signs out at %q", url)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		_, _, err := provider.Begin(gone, "/")
		told <- err
	}()
	select {
	case err := <-told:
		if err == nil {
			t.Error("who went away is led to a provider nobody knows")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("everybody waits for the provider")
	}
	stop()
	if err := <-first; err == nil {
		t.Error("a provider that says nothing is known")
	}
}
