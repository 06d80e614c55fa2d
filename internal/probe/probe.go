// Package probe asks a tenant's enrollment port what an agent would meet there,
// and leaves nothing behind: no agent is made, no key is issued.
//
// [Certificate] shakes hands without SNI, as agents do, and tells what is served;
// [Secret] tests an enrollment secret. Who listens does not matter: a manager's
// authd and the gateway in front of one answer alike. What to do about an answer
// is the caller's.
package probe

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Timeout bounds one question. An agent would wait a minute; whoever probes has
// other tenants to look at.
const Timeout = 10 * time.Second

// Served is the certificate chain an enrollment port showed, leaf first.
type Served struct {
	Chain []*x509.Certificate
}

// Certificate reads what is served at host:port. A nil dial is the network of
// this process.
func Certificate(ctx context.Context, dial wazuh.DialFunc, address string) (Served, error) {
	state, err := wazuh.Handshake(ctx, wazuh.EnrollOptions{Address: address, Dial: dial, Timeout: Timeout})
	if err != nil {
		return Served{}, fmt.Errorf("look at the served certificate: %w", err)
	}
	if len(state.PeerCertificates) == 0 {
		return Served{}, fmt.Errorf("look at the served certificate: %s sent none", address)
	}
	return Served{Chain: state.PeerCertificates}, nil
}

// Leaf is the certificate itself.
func (s Served) Leaf() *x509.Certificate { return s.Chain[0] }

// Serial of the leaf, hexadecimal, as cert.Info has it.
func (s Served) Serial() string { return fmt.Sprintf("%x", s.Leaf().SerialNumber) }

// SHA256 of the leaf, hexadecimal.
func (s Served) SHA256() string {
	sum := sha256.Sum256(s.Leaf().Raw)
	return hex.EncodeToString(sum[:])
}

// NotAfter is the end of the leaf's time.
func (s Served) NotAfter() time.Time { return s.Leaf().NotAfter.UTC() }

// Names are those an agent compares its manager's address with.
func (s Served) Names() []string {
	leaf := s.Leaf()
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && leaf.Subject.CommonName != "" {
		names = []string{leaf.Subject.CommonName}
	}
	return names
}

// Verify says whether an agent that connects to hostname and trusts the roots
// would go on. Nil roots are those of this system.
func (s Served) Verify(hostname string, roots *x509.CertPool) error {
	return wazuh.CheckServer(s.Chain, roots, hostname)
}

// Outcome of testing an enrollment secret.
type Outcome string

const (
	// Accepted: an agent with this secret would be let in.
	Accepted Outcome = "accepted"
	// Refused: it would not.
	Refused Outcome = "refused"
	// Open: the port asks for no secret at all, so anybody would be let in.
	Open Outcome = "open"
)

// impossibleName is too short for an agent. Both authd and the gateway look at the
// secret first and at the name second, so the name is what keeps a test from
// becoming an enrollment.
const impossibleName = "x"

// Secret tests an enrollment secret at host:port. An error means that there was
// no answer to judge; the outcome is then empty.
func Secret(ctx context.Context, dial wazuh.DialFunc, address string, secret wazuh.Secret) (Outcome, error) {
	reason, err := ask(ctx, dial, address, secret)
	if err != nil {
		return "", err
	}
	switch {
	case reason.WrongPassword():
		return Refused, nil
	case reason.BadName() && secret.IsZero():
		return Open, nil
	case reason.BadName():
		return Accepted, nil
	case reason.Reason != wazuh.ReasonInvalidRequest || secret.IsZero():
		return "", fmt.Errorf("test the enrollment secret at %s: %w", address, reason)
	}
	// A port without a secret does not expect one and cannot read the line. Nor can
	// one whose secret is the beginning of ours. Asking without any tells them apart.
	if reason, err = ask(ctx, dial, address, wazuh.Secret{}); err != nil {
		return "", err
	}
	switch {
	case reason.WrongPassword():
		return Refused, nil
	case reason.BadName():
		return Open, nil
	}
	return "", fmt.Errorf("test the enrollment secret at %s: %w", address, reason)
}

// ask sends a request that can only be refused, and returns the refusal.
func ask(ctx context.Context, dial wazuh.DialFunc, address string, secret wazuh.Secret) (*wazuh.Refused, error) {
	_, err := wazuh.Enroll(ctx, wazuh.EnrollOptions{
		Address: address, Dial: dial, Timeout: Timeout,
		Request: wazuh.EnrollRequest{Password: secret, Name: impossibleName},
	})
	var refused *wazuh.Refused
	switch {
	case errors.As(err, &refused):
		return refused, nil
	case err == nil:
		return nil, fmt.Errorf("test the enrollment secret at %s: an agent named %q was made; this is no Wazuh manager", address, impossibleName)
	}
	return nil, fmt.Errorf("test the enrollment secret: %w", err)
}
