package cli

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"github.com/soctalk/soctalk-ingress/internal/signon"
)

// oidcFlags say where people sign in, beside with a token.
type oidcFlags struct {
	issuer, clientID, secretFile, caFile, name, home string
	scopes                                           []string
}

// defaultScopes are what most providers know: offline_access is for the refresh token.
var defaultScopes = []string{"openid", "profile", "email", "offline_access"}

func (f *oidcFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.issuer, "oidc-issuer", "", "https URL of the identity provider people sign in at, which the API server must trust too; empty: tokens only")
	set.StringVar(&f.clientID, "oidc-client-id", "", "what the identity provider calls the console")
	set.StringVar(&f.secretFile, "oidc-client-secret-file", "", "file with the client's secret; empty for a public client")
	set.StringVar(&f.caFile, "oidc-ca-file", "", "certificates, PEM, that may vouch for the identity provider; empty means the system's")
	set.StringSliceVar(&f.scopes, "oidc-scopes", defaultScopes, "scopes to ask for")
	set.StringVar(&f.name, "oidc-name", "", "what people call the identity provider; empty means its host")
	set.StringVar(&f.home, "external-url", "", "the console's own URL in browsers, such as https://console.mssp.example.com; needed with --oidc-issuer")
}

// provider makes what the flags ask for; nil if they ask for nothing.
func (f *oidcFlags) provider(insecure bool) (*signon.Provider, error) {
	if f.issuer == "" {
		if f.clientID != "" || f.secretFile != "" || f.caFile != "" || f.name != "" {
			return nil, usageError("--oidc-issuer: say where people sign in, or leave the other --oidc flags out")
		}
		return nil, nil
	}
	home, err := url.Parse(f.home)
	if err != nil || home.Host == "" || strings.Trim(home.Path, "/") != "" || home.RawQuery != "" || home.Fragment != "" || home.User != nil ||
		home.Scheme != "https" && !(insecure && home.Scheme == "http" && isLoopback(home.Hostname())) {
		return nil, usageError("--external-url: %q: write https:// and the host people open the console at, such as https://console.mssp.example.com; the identity provider sends them back there, to %s", f.home, signon.CallbackPath)
	}
	provider, err := signon.New(signon.Config{
		Issuer: f.issuer, ClientID: f.clientID, SecretFile: f.secretFile, AuthorityFile: f.caFile, Scopes: f.scopes, Name: f.name,
		Home: strings.TrimRight(f.home, "/"),
	})
	if err != nil {
		return nil, usageError("--oidc: %w", err)
	}
	return provider, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
