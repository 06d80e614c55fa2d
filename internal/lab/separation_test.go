package lab_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// dialPort keeps the port that was asked for and replaces the host.
func dialPort(host string) wazuh.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort(host, port))
	}
}

// The main job: two tenants, their own way in, nobody else's.
func TestEachAgentLandsWithItsOwnTenantOnly(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "sep-a", v1alpha1.TenantSpec{})
	create(t, l, "sep-b", v1alpha1.TenantSpec{})
	areSeparate(t, l, "sep-a", "sep-b")
}

// areSeparate lets an agent of each of two tenants in, and sees that its event is
// found with its own tenant only, and that neither's secret nor key serves at the
// other's address.
func areSeparate(t *testing.T, l *lab.Lab, first, second string) {
	t.Helper()
	becomesReady(t, l, first)
	becomesReady(t, l, second)
	if a, b := get(t, l, first).Status.Address, get(t, l, second).Status.Address; a == b {
		t.Fatalf("both tenants have the address %s", a)
	}
	keys := map[string]wazuh.Key{}
	for _, slug := range []string{first, second} {
		got, err := enroll(t, l, slug, slug+"-web-01", enrollmentSecret(t, l, slug))
		if err != nil {
			t.Fatal(err)
		}
		keys[slug] = got
		session := connect(t, l, slug, got)
		if err := session.SendEvent(t.Context(), wazuh.Event{Queue: wazuh.QueueLocalFile, Location: "/var/log/auth.log", Text: canary("marker-" + slug)}); err != nil {
			t.Fatal(err)
		}
	}
	for own, other := range map[string]string{first: second, second: first} {
		eventually(t, "the event of "+own, func(ctx context.Context) (bool, error) {
			found, err := hits(ctx, l, own, "marker-"+own)
			return found == 1, err
		})
		if found, err := hits(t.Context(), l, other, "marker-"+own); err != nil || found != 0 {
			t.Errorf("the event of %s was found %d times at %s (%v)", own, found, other, err)
		}
		t.Run(own+"'s secret at "+other, func(t *testing.T) {
			_, err := enroll(t, l, other, "intruder", enrollmentSecret(t, l, own))
			var refused *wazuh.Refused
			if !errors.As(err, &refused) || !refused.WrongPassword() {
				t.Errorf("enrolled with another tenant's secret: %v", err)
			}
		})
		t.Run(own+"'s key at "+other, func(t *testing.T) {
			address := net.JoinHostPort(get(t, l, other).Status.Address, "1514")
			_, err := wazuh.Dial(t.Context(), address, wazuh.SessionOptions{Key: keys[own], Handshake: 30 * time.Second})
			if !errors.Is(err, wazuh.ErrNoAnswer) {
				t.Errorf("another tenant's manager answered: %v", err)
			}
		})
	}
}

// Without its secret nobody enrolls: the manager really asks for it.
func TestEnrollmentIsNotOpen(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "shut", v1alpha1.TenantSpec{})
	becomesReady(t, l, "shut")
	for _, attempt := range []string{"", "wrong-secret-wrong-secret"} {
		if key, err := enroll(t, l, "shut", "nobody", wazuh.NewSecret(attempt)); err == nil {
			t.Errorf("enrolled as %s with %d characters that are not the secret", key.ID, len(attempt))
		}
	}
}

// The load balancer lets in the customer's networks only.
func TestAllowedCIDRsKeepOthersOut(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "fenced", v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{AllowedCIDRs: []string{"127.55.0.0/16"}}})
	becomesReady(t, l, "fenced")
	if err := ping(t, l, "fenced", "127.55.0.7"); err != nil {
		t.Errorf("a source inside allowedCIDRs: %v", err)
	}
	if err := ping(t, l, "fenced", "127.56.0.7"); err == nil {
		t.Error("a source outside allowedCIDRs was let in")
	}
}

// ping asks a tenant's events port for a sign of life, from an address of ours.
func ping(t *testing.T, l *lab.Lab, slug, source string) error {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 20 * time.Second}
	conn, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort(get(t, l, slug).Status.Address, "1514"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(wazuh.AppendFrame(nil, []byte(wazuh.Ping))); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 16))
	return err
}

// Nothing but the operator reaches the manager's API.
func TestTheAPIIsTheOperatorsAlone(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "private", v1alpha1.TenantSpec{})
	becomesReady(t, l, "private")
	address := net.JoinHostPort(naming.APIHost("private"), "55000")
	conn, err := l.Standin.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("the operator: %v", err)
	}
	_ = conn.Close()
	stranger := l.Standin.DialAs("default", map[string]string{naming.LabelName: naming.Product})
	if conn, err := stranger(t.Context(), "tcp", address); err == nil {
		_ = conn.Close()
		t.Error("a pod of another namespace reached the API")
	}
}
