//go:build linux

package realnode_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

var (
	betaAgent = netip.MustParseAddr("203.0.113.15")
	lookerOn  = netip.MustParseAddr("203.0.113.16")
)

// secretsChange: what reaches a pod through the kubelet's volumes, and what the
// operator brings to it, takes effect without a restart and without an agent
// noticing.
func secretsChange(t *testing.T, c *realnode.Cluster) {
	beta := machine{c, betaAgent}
	held := sendsEventAs(t, beta, "beta", "beta-held-01")
	before := enrollmentSecret(t, c, "beta")
	began := time.Now()
	if _, err := product(t.Context(), c, "secret", "rotate", "beta", "--overlap", "0s", "--wait"); err != nil {
		t.Fatal(err)
	}
	t.Logf("the secret is rotated and proven after %s", time.Since(began).Round(time.Millisecond))
	_, err := beta.enroll(t, "beta", "beta-late-01", before)
	var refused *wazuh.Refused
	if !errors.As(err, &refused) || !refused.WrongPassword() {
		t.Errorf("the old secret: %v", err)
	}
	sendsEventAs(t, beta, "beta", "beta-new-01")

	gone := sendsEventAs(t, beta, "beta", "beta-sold-01")
	if _, err := product(t.Context(), c, "agents", "revoke", "beta", "beta-sold-01", "--why", "sold", "--yes", "--wait"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone.Done():
	case <-time.After(patience):
		t.Error("a revoked agent's session goes on")
	}
	if _, err := beta.enroll(t, "beta", "beta-sold-01", enrollmentSecret(t, c, "beta")); !errors.As(err, &refused) {
		t.Errorf("a revoked agent enrolls again: %v", err)
	}

	old := secret(t, c, "beta", naming.SecretTLS, naming.KeyTLSCert)
	if err := c.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: objectMeta(naming.Namespace("beta"), naming.SecretTLS)}); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	pace := time.NewTicker(time.Second) // who comes more often is turned away
	defer pace.Stop()
	eventually(t, "the new certificate is served", func(ctx context.Context) (bool, error) {
		<-pace.C
		var now corev1.Secret
		if err := c.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace("beta"), Name: naming.SecretTLS}, &now); err != nil {
			return false, err
		}
		wanted := now.Data[naming.KeyTLSCert]
		served, err := servedCertificate(ctx, machine{c, lookerOn}, doorOf(tenant(t, c, "beta")))
		if err != nil || bytes.Equal(wanted, old) || !bytes.Equal(served, leaf(wanted)) {
			return false, errors.Join(err, fmt.Errorf("another one is served"))
		}
		return true, nil
	})
	t.Logf("a new certificate is served %s after the old one was deleted", time.Since(began).Round(time.Millisecond))
	ready(t, c, "beta")
	if err := held.KeepAlive(t.Context()); err != nil {
		t.Errorf("an agent noticed: %v", err)
	}
}

// servedCertificate is what an agent is shown on the enrollment port.
func servedCertificate(ctx context.Context, m machine, d door) ([]byte, error) {
	raw, err := m.dial(d.address)(ctx, "tcp", net.JoinHostPort(d.address, strconv.Itoa(int(d.enrollment))))
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) // it is looked at, not trusted
	defer func() { _ = conn.Close() }()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn.ConnectionState().PeerCertificates[0].Raw, nil
}

func leaf(chain []byte) []byte {
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return nil
	}
	return block.Bytes
}

// theManagersPodGoes: the keys are on the volume, so agents come back with those
// they have, and the revoked stay out.
func theManagersPodGoes(t *testing.T, c *realnode.Cluster) {
	beta := machine{c, betaAgent}
	key, err := beta.enroll(t, "beta", "beta-stays-01", enrollmentSecret(t, c, "beta"))
	if err != nil {
		t.Fatal(err)
	}
	held := beta.connect(t, "beta", key)
	began := time.Now()
	if _, err := c.Kubectl(t.Context(), "--namespace", naming.Namespace("beta"), "delete", "pod", naming.Manager+"-0", "--wait=false"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done():
	case <-time.After(patience):
		t.Fatal("a session outlives the manager's pod")
	}
	t.Logf("the session ended after %s", time.Since(began).Round(time.Millisecond))
	beta.connect(t, "beta", key)
	t.Logf("the agent is connected again after %s", time.Since(began).Round(time.Millisecond))
	var refused *wazuh.Refused
	if _, err := beta.enroll(t, "beta", "beta-sold-01", enrollmentSecret(t, c, "beta")); !errors.As(err, &refused) {
		t.Errorf("a revoked agent enrolls at the new pod: %v", err)
	}
	ready(t, c, "beta")
}

// thePageForLinks: it reads a key that belongs to root, as a user that is not.
func thePageForLinks(t *testing.T, c *realnode.Cluster) {
	crt, key := secret(t, c, "beta", naming.SecretTLS, naming.KeyTLSCert), secret(t, c, "beta", naming.SecretTLS, naming.KeyTLSKey)
	if err := c.Client.Create(t.Context(), &corev1.Secret{ObjectMeta: objectMeta(naming.DefaultSystemNamespace, "onboard-tls"), Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{naming.KeyTLSCert: crt, naming.KeyTLSKey: key}}); err != nil {
		t.Fatal(err)
	}
	upgrade(t, c, "", "--set", "handover.enabled=true", "--set", "handover.host=onboard.example.com", "--set", "handover.tlsSecret=onboard-tls")
}
