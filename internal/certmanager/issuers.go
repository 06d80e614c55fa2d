package certmanager

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/ca"
)

// DNS01 says where and with which key cert-manager writes the records that prove
// a name (RFC 2136).
type DNS01 struct {
	// Server is the IP address and port of the zone's primary.
	Server string
	// KeyName and Secret (base64) are a TSIG key, HMAC-SHA256.
	KeyName string
	Secret  string
}

// HTTP01 says whose ingress controller leads to the solver.
type HTTP01 struct{ Class string }

// ACMEIssuer is a ClusterIssuer that asks Pebble.
type ACMEIssuer struct {
	Name string
	// Profile is one of Pebble's; asked for none, Pebble takes any of them.
	Profile string
	// Directory is the server's URL, if it is not Pebble's own.
	Directory string
	// DNS01 or HTTP01 is how names are proven.
	DNS01  *DNS01
	HTTP01 *HTTP01
	// Wait makes cert-manager wait after it has put a proof in place, where it would
	// look for it and then, for DNS-01, wait another minute.
	Wait time.Duration
	// Account is what the server wants to be shown at registration.
	Account *ExternalAccount
}

// ExternalAccount is an account at the authority's own books.
type ExternalAccount struct{ KeyID, Key string }

// CreateACMEIssuer creates the ClusterIssuer and its Secrets.
func (p *Pebble) CreateACMEIssuer(ctx context.Context, c client.Client, issuer ACMEIssuer) error {
	solver, err := issuer.solver(ctx, c)
	if err != nil {
		return err
	}
	acme := map[string]any{
		"server":              cmp.Or(issuer.Directory, p.Directory),
		"caBundle":            base64.StdEncoding.EncodeToString(p.CA),
		"privateKeySecretRef": map[string]any{"name": AccountSecret(issuer.Name)},
		"solvers":             []any{solver},
	}
	if issuer.Profile != "" {
		acme["profile"] = issuer.Profile
	}
	if account := issuer.Account; account != nil {
		secret := newSecret(issuer.Name+"-external", corev1.SecretTypeOpaque, map[string][]byte{"key": []byte(account.Key)})
		if err := c.Create(ctx, secret); err != nil {
			return fmt.Errorf("create Secret %q: %w", secret.Name, err)
		}
		acme["externalAccountBinding"] = map[string]any{"keyID": account.KeyID, "keySecretRef": map[string]any{"name": secret.Name, "key": "key"}}
	}
	return createIssuer(ctx, c, issuer.Name, map[string]any{"acme": acme})
}

// AccountSecret is the name of the Secret that keeps an issuer's account.
func AccountSecret(issuer string) string { return issuer + "-account" }

func (i ACMEIssuer) solver(ctx context.Context, c client.Client) (map[string]any, error) {
	solver := map[string]any{}
	if i.Wait > 0 {
		solver["waitInsteadOfSelfCheck"] = i.Wait.String()
	}
	if i.HTTP01 != nil {
		solver["http01"] = map[string]any{"ingress": map[string]any{"ingressClassName": i.HTTP01.Class, "serviceType": "ClusterIP"}}
		return solver, nil
	}
	if _, _, err := net.SplitHostPort(i.DNS01.Server); err != nil {
		return nil, fmt.Errorf("the name server of ClusterIssuer %q: %w", i.Name, err)
	}
	secret := newSecret(i.Name+"-tsig", corev1.SecretTypeOpaque, map[string][]byte{"secret": []byte(i.DNS01.Secret)})
	if err := c.Create(ctx, secret); err != nil {
		return nil, fmt.Errorf("create Secret %q: %w", secret.Name, err)
	}
	solver["dns01"] = map[string]any{"rfc2136": map[string]any{
		"nameserver": i.DNS01.Server, "tsigKeyName": i.DNS01.KeyName, "tsigAlgorithm": "HMACSHA256",
		"tsigSecretSecretRef": map[string]any{"name": secret.Name, "key": "secret"},
	}}
	return solver, nil
}

// CreateCAIssuer creates a ClusterIssuer that signs with an authority.
func CreateCAIssuer(ctx context.Context, c client.Client, name string, authority ca.Pair) error {
	secret := newSecret(name, corev1.SecretTypeTLS, map[string][]byte{corev1.TLSCertKey: authority.CertPEM, corev1.TLSPrivateKeyKey: authority.KeyPEM})
	if err := c.Create(ctx, secret); err != nil {
		return fmt.Errorf("create Secret %q: %w", secret.Name, err)
	}
	return createIssuer(ctx, c, name, map[string]any{"ca": map[string]any{"secretName": secret.Name}})
}

func newSecret(name string, kind corev1.SecretType, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: name}, Type: kind, Data: data}
}

func createIssuer(ctx context.Context, c client.Client, name string, spec map[string]any) error {
	issuer := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	issuer.SetGroupVersionKind(schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "ClusterIssuer"})
	issuer.SetName(name)
	if err := c.Create(ctx, issuer); err != nil {
		return fmt.Errorf("create ClusterIssuer %q: %w", name, err)
	}
	return nil
}
