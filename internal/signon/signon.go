// Package signon signs people in at an OpenID provider, and keeps what it gives them
// fresh: the ID token, which the API server takes where it trusts the same provider.
//
// It is the authorization code flow with PKCE, state and nonce. What must be remembered
// between leaving for the provider and coming back is sealed in a cookie of the browser
// that left ([Provider.Begin], [Provider.Finish]), so that whoever comes back with
// another browser's answer is refused, and nothing is kept for those who never do. What
// a person is given stays in memory, in [Tokens].
//
// Nothing here is logged, and no error has a code, a token or a secret in it.
package signon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// Paths below [Config.Home].
const (
	LoginPath    = "/auth/login"
	CallbackPath = "/auth/callback"
)

// providerPatience is how long the provider may take to answer.
const providerPatience = 10 * time.Second

// Config says which provider, and who asks.
type Config struct {
	// Issuer is the provider's URL, exactly as it stands in its tokens.
	Issuer string
	// ClientID is what the provider calls this console. Without SecretFile it is a
	// public client, which PKCE alone protects.
	ClientID string
	// SecretFile holds the client's secret. It is read each time, so that it may change.
	SecretFile string
	// AuthorityFile has certificates, PEM, that may vouch for the provider; empty means
	// the system's.
	AuthorityFile string
	// Scopes to ask for; openid is one of them.
	Scopes []string
	// Name is what people call the provider.
	Name string
	// Home is the console's URL in browsers, without a slash at its end.
	Home string
	// Now is the clock; nil means the real one.
	Now func() time.Time
}

// Provider is where people sign in.
type Provider struct {
	config Config
	client *http.Client
	seal   *Seal

	// asking is held by who asks the provider who it is; nobody holds mu meanwhile.
	asking chan struct{}
	mu     sync.Mutex
	known  *discovered
}

// discovered is what the provider says of itself.
type discovered struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	signOut  string
	// namesIssuer promises that answers say whose they are (RFC 9207).
	namesIssuer bool
}

// New checks what can be checked without the provider: it is asked when somebody signs
// in, and may be down until then.
func New(config Config) (*Provider, error) {
	issuer, err := url.Parse(config.Issuer)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" || issuer.RawQuery != "" || issuer.Fragment != "" || issuer.User != nil {
		return nil, fmt.Errorf("issuer %q: write the provider's https URL, exactly as it stands in the field issuer of its /.well-known/openid-configuration", config.Issuer)
	}
	if config.ClientID == "" {
		return nil, errors.New("client id: say what the provider calls the console")
	}
	if config.Name == "" {
		config.Name = issuer.Host
	}
	if !slices.Contains(config.Scopes, oidc.ScopeOpenID) {
		return nil, fmt.Errorf("scopes %q: openid must be among them, or there is no ID token", strings.Join(config.Scopes, ","))
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	p := &Provider{config: config, asking: make(chan struct{}, 1)}
	if _, err := p.secret(); err != nil {
		return nil, err
	}
	if p.seal, err = newSeal(); err != nil {
		return nil, err
	}
	p.client, err = clientFor(config.AuthorityFile)
	return p, err
}

func clientFor(authorityFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if authorityFile != "" {
		text, err := os.ReadFile(authorityFile)
		if err != nil {
			return nil, fmt.Errorf("the provider's authority: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("the provider's authority: no certificate in %q; it must be PEM", authorityFile)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{
		Transport: transport, Timeout: providerPatience,
		// A token endpoint that leads elsewhere would be sent the secret there.
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it leads to another address, which is not followed")
		},
	}, nil
}

// Name is what people call the provider.
func (p *Provider) Name() string { return p.config.Name }

// Seal is for what else a browser carries on its way through a sign-in.
func (p *Provider) Seal() *Seal { return p.seal }

func (p *Provider) secret() (string, error) {
	if p.config.SecretFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(p.config.SecretFile)
	if err != nil {
		return "", fmt.Errorf("the client's secret: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("the client's secret: %q is empty", p.config.SecretFile)
	}
	return secret, nil
}

// context gives the libraries the client that trusts the provider.
func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// discover asks the provider who it is, once.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	if known := p.heard(); known != nil {
		return known, nil
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return nil, p.silent(ctx.Err())
	}
	if known := p.heard(); known != nil {
		return known, nil // somebody else has asked in the meantime
	}
	provider, err := oidc.NewProvider(p.context(ctx), p.config.Issuer)
	if err != nil {
		return nil, p.silent(err)
	}
	var more struct {
		SignOut string   `json:"end_session_endpoint"`
		Names   bool     `json:"authorization_response_iss_parameter_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
		PKCE    []string `json:"code_challenge_methods_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, p.silent(err)
	}
	endpoint := provider.Endpoint()
	// Told, and not tried out: a try that fails spends the code.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.config.SecretFile == "" || len(more.Methods) > 0 && !slices.Contains(more.Methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	known := &discovered{
		oauth: oauth2.Config{
			ClientID: p.config.ClientID, Endpoint: endpoint, RedirectURL: p.config.Home + CallbackPath, Scopes: p.config.Scopes,
		},
		verifier: provider.Verifier(&oidc.Config{ClientID: p.config.ClientID, Now: p.config.Now}),
		signOut:  more.SignOut, namesIssuer: more.Names,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = known
	return known, nil
}

// heard is what the provider said; nil before it has.
func (p *Provider) heard() *discovered {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// silent is a provider that says nothing useful.
func (p *Provider) silent(err error) error {
	return fault.New(fault.Timeout, fmt.Errorf("%s does not say how to sign in: %s", p.config.Name, clean(err.Error())),
		"try again in a moment; if it goes on, whoever runs the console should see what %s/.well-known/openid-configuration answers", strings.TrimSuffix(p.config.Issuer, "/"))
}

// SignOutURL is where a person signs out of the provider too; empty if it has no such
// place. The ID token is no hint in it: it would be a token of the cluster in a URL.
func (p *Provider) SignOutURL() string {
	known := p.heard()
	if known == nil || known.signOut == "" {
		return ""
	}
	target, err := url.Parse(known.signOut)
	if err != nil || target.Scheme != "https" {
		return ""
	}
	query := target.Query()
	query.Set("client_id", p.config.ClientID)
	query.Set("post_logout_redirect_uri", p.config.Home+"/")
	target.RawQuery = query.Encode()
	return target.String()
}

// Trust says what an API server must be told to take the provider's tokens.
func (p *Provider) Trust() string {
	return fmt.Sprintf("its AuthenticationConfiguration must name issuer %s with audience %s; why it refused is in its own log", p.config.Issuer, p.config.ClientID)
}

// maxText is how much of what somebody else says is shown.
const maxText = 300

// clean is what somebody else says, fit to be shown: one line, of printable characters.
func clean(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)), " ")
	if len(text) > maxText {
		text = text[:maxText] + " ..."
	}
	return text
}
