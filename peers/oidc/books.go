package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The two clients.
const (
	confidential = "console"
	public       = "console-public"
)

// books are the example's storage, with what a test may change.
type books struct {
	*storage.Storage
	settings Settings

	mu  sync.Mutex
	now Control
}

// Control is what a test sets, and reads, at /control.
type Control struct {
	// IDTokenSeconds is how long ID tokens last that are given from now on.
	IDTokenSeconds int `json:"idTokenSeconds"`
	// Revoked refuses every refresh token.
	Revoked bool `json:"revoked"`
	// WrongNonce puts another nonce into ID tokens than was asked for.
	WrongNonce bool `json:"wrongNonce"`
	// Down answers nothing but 503.
	Down bool `json:"down"`
	// Refreshes counts tokens given for a refresh token.
	Refreshes int `json:"refreshes"`
	// Heard is what only the console and the provider may know: codes, verifiers, secrets
	// and refresh tokens that came to the token endpoint.
	Heard []string `json:"heard"`
}

func newBooks(settings Settings) *books {
	clients := map[string]*storage.Client{
		confidential: storage.WebClient(confidential, settings.Secret, settings.Redirect...),
		public:       storage.NativeClient(public, settings.Redirect...),
	}
	return &books{
		Storage: storage.NewStorageWithClients(people(settings.People), clients), settings: settings, now: Control{IDTokenSeconds: 300},
	}
}

// control reads and writes how the provider behaves. It is for the test that started it.
func (b *books) control(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&b.now); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	_ = json.NewEncoder(w).Encode(b.now)
}

func (b *books) state() Control {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// GetClientByClientID gives the example's client with the test's settings.
func (b *books) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	one, err := b.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return &client{Client: one, lasts: time.Duration(b.state().IDTokenSeconds) * time.Second, loggedOut: b.settings.LoggedOut}, nil
}

// CreateAuthRequest notes what is asked for.
func (b *books) CreateAuthRequest(ctx context.Context, request *oidc.AuthRequest, user string) (op.AuthRequest, error) {
	if b.state().WrongNonce {
		request.Nonce = "somebody-elses"
	}
	return b.Storage.CreateAuthRequest(ctx, request, user)
}

// TokenRequestByRefreshToken looks a refresh token up.
func (b *books) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now.Revoked {
		return nil, errors.New("the session was taken back")
	}
	b.now.Refreshes++
	return b.Storage.TokenRequestByRefreshToken(ctx, token)
}

// SetUserinfoFromRequest adds a person's groups to what the ID token says.
func (b *books) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := b.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	info.AppendClaims("groups", b.settings.People[request.GetSubject()].Groups)
	return nil
}

// client is one of the example's.
type client struct {
	op.Client
	lasts     time.Duration
	loggedOut []string
}

func (c *client) IDTokenLifetime() time.Duration       { return c.lasts }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c *client) LoginURL(id string) string            { return "/login?id=" + id }
func (c *client) PostLogoutRedirectURIs() []string     { return c.loggedOut }

// downAtTimes answers nothing while the test wants the provider to be down, and listens.
func (b *books) downAtTimes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			b.listen(r)
		}
		if b.state().Down && r.URL.Path != "/control" {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (b *books) listen(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, secret, _ := r.BasicAuth()
	for _, heard := range []string{secret, r.FormValue("code"), r.FormValue("code_verifier"), r.FormValue("client_secret"), r.FormValue("refresh_token")} {
		if heard != "" {
			b.now.Heard = append(b.now.Heard, heard)
		}
	}
}
