// Command oidc is an identity provider for tests: the OpenID provider of
// github.com/zitadel/oidc, which is a certified one, around the storage of its
// examples. It asks for a password, lets a person refuse, and lets a test say how
// long ID tokens last, take sessions back, and make one mistake.
//
// It is a module of its own because the product, which only signs people in, must not
// inherit a provider's pins.
package main

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Settings are what the file of -config says.
type Settings struct {
	Listen      string `json:"listen"`
	Issuer      string `json:"issuer"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	// Secret of the client "console"; the client "console-public" has none.
	Secret string `json:"secret"`
	// Redirect and LoggedOut are where the clients may have people sent back to.
	Redirect  []string `json:"redirect"`
	LoggedOut []string `json:"loggedOut"`
	// People by their name.
	People map[string]Person `json:"people"`
}

// Person may sign in.
type Person struct {
	Password string   `json:"password"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
}

func main() {
	file := flag.String("config", "", "file of settings")
	flag.Parse()
	if err := serve(*file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var settings Settings
	if err := json.Unmarshal(text, &settings); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	books := newBooks(settings)
	config := &op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true, DefaultLogoutRedirectURI: "/logged-out"}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return err
	}
	provider, err := op.NewProvider(config, books, op.StaticIssuer(settings.Issuer))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/login", op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(&door{books: books, provider: provider, goOn: op.AuthCallbackURL(provider)}))
	mux.HandleFunc("/logged-out", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("signed out\n")) })
	mux.HandleFunc("/control", books.control)
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	server := &http.Server{Addr: settings.Listen, Handler: books.downAtTimes(mux), ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServeTLS(settings.Certificate, settings.Key)
}

// people are the users of the example's storage.
type people map[string]Person

func (p people) GetUserByID(id string) *storage.User {
	one, ok := p[id]
	if !ok {
		return nil
	}
	return &storage.User{ID: id, Username: id, Password: one.Password, Email: one.Email, EmailVerified: true}
}

func (p people) GetUserByUsername(name string) *storage.User { return p.GetUserByID(name) }

func (p people) ExampleClientID() string { return storage.ServiceUserID }
