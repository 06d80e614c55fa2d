package certmanager

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"

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

// CreateACMEIssuer creates a ClusterIssuer that asks Pebble and proves names by
// DNS-01. The profile is one of Pebble's; asked for none, Pebble takes any of them.
func (p *Pebble) CreateACMEIssuer(ctx context.Context, c client.Client, name, profile string, dns DNS01) error {
	if _, _, err := net.SplitHostPort(dns.Server); err != nil {
		return fmt.Errorf("the name server of ClusterIssuer %q: %w", name, err)
	}
	secret := newSecret(name+"-tsig", corev1.SecretTypeOpaque, map[string][]byte{"secret": []byte(dns.Secret)})
	if err := c.Create(ctx, secret); err != nil {
		return fmt.Errorf("create Secret %q: %w", secret.Name, err)
	}
	acme := map[string]any{
		"server":              p.Directory,
		"caBundle":            base64.StdEncoding.EncodeToString(p.CA),
		"privateKeySecretRef": map[string]any{"name": name + "-account"},
		"solvers": []any{map[string]any{"dns01": map[string]any{"rfc2136": map[string]any{
			"nameserver": dns.Server, "tsigKeyName": dns.KeyName, "tsigAlgorithm": "HMACSHA256",
			"tsigSecretSecretRef": map[string]any{"name": secret.Name, "key": "secret"},
		}}}},
	}
	if profile != "" {
		acme["profile"] = profile
	}
	return createIssuer(ctx, c, name, map[string]any{"acme": acme})
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
