package lab_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// startEdge runs an edge with the real HAProxy until the test ends.
func startEdge(t *testing.T, l *lab.Lab, name, region string, spec *v1alpha1.EdgeSpec) *lab.Edge {
	t.Helper()
	needs(t, "haproxy")
	edge, err := l.StartEdge(t.Context(), name, region, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := edge.Stop(); err != nil {
			t.Errorf("stop the edge: %v", err)
		}
	})
	return edge
}

// atEdgeOf makes a Region with an edge and the real HAProxy behind its address.
func atEdgeOf(t *testing.T, l *lab.Lab, name string, spec *v1alpha1.EdgeSpec) (region string) {
	t.Helper()
	startEdge(t, l, "edge-1", name, spec)
	edgeRegion(t, l, name, *spec, 0)
	return name
}

// edgeDoor is where an agent of a tenant at the edge goes.
func edgeDoor(t *testing.T, l *lab.Lab, slug string) (address string, events, enrollment int32) {
	t.Helper()
	status := get(t, l, slug).Status
	return status.Address, status.EdgePorts.Events, status.EdgePorts.Enrollment
}

func enrollAtEdge(t *testing.T, l *lab.Lab, at, name string, secret wazuh.Secret) (wazuh.Key, error) {
	t.Helper()
	address, _, port := edgeDoor(t, l, at)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(key(t, l, at, naming.SecretTLS, naming.KeyTLSCA))
	return enrollPatiently(t, wazuh.EnrollOptions{
		Address: fmt.Sprintf("%s:%d", get(t, l, at).Status.Hostname, port),
		Request: wazuh.EnrollRequest{Password: secret, Name: name},
		CA:      roots, Timeout: 30 * time.Second, Dial: dialPort(address),
	})
}

func connectAtEdge(t *testing.T, l *lab.Lab, at string, key wazuh.Key) *wazuh.Session {
	t.Helper()
	address, port, _ := edgeDoor(t, l, at)
	var session *wazuh.Session
	eventually(t, "agent "+key.Name+" connects at the edge", func(ctx context.Context) (bool, error) {
		var err error
		session, err = wazuh.Dial(ctx, net.JoinHostPort(address, fmt.Sprint(port)), wazuh.SessionOptions{Key: key, Handshake: 5 * time.Second, Silence: time.Hour})
		return err == nil, err
	})
	t.Cleanup(func() { _ = session.Shutdown(context.Background()) })
	return session
}

// The same separation through one shared address: two tenants, a pair of ports
// each, through the real HAProxy; then suspension and removal of one of them,
// which the other one's agent does not notice.
func TestTwoTenantsAtOneEdge(t *testing.T) {
	t.Parallel()
	l := installation(t)
	spec := l.EdgeSpec()
	atEdgeOf(t, l, "harbour", spec)
	for _, slug := range []string{"pier-a", "pier-b"} {
		create(t, l, slug, v1alpha1.TenantSpec{Region: "harbour"})
		leaves(t, l, slug)
	}
	keys := map[string]wazuh.Key{}
	sessions := map[string]*wazuh.Session{}
	for _, slug := range []string{"pier-a", "pier-b"} {
		becomesReady(t, l, slug)
		address, events, enrollment := edgeDoor(t, l, slug)
		if address != spec.Addresses[0] || enrollment != events+1 {
			t.Errorf("%s is at %s, ports %d/%d", slug, address, events, enrollment)
		}
		got, err := enrollAtEdge(t, l, slug, slug+"-web-01", enrollmentSecret(t, l, slug))
		if err != nil {
			t.Fatal(err)
		}
		keys[slug], sessions[slug] = got, connectAtEdge(t, l, slug, got)
		if err := sessions[slug].SendEvent(t.Context(), wazuh.Event{Queue: wazuh.QueueLocalFile, Location: "/var/log/auth.log", Text: canary("edge-" + slug)}); err != nil {
			t.Fatal(err)
		}
	}
	for own, other := range map[string]string{"pier-a": "pier-b", "pier-b": "pier-a"} {
		eventually(t, "the event of "+own, func(ctx context.Context) (bool, error) {
			found, err := hits(ctx, l, own, "edge-"+own)
			return found == 1, err
		})
		if found, err := hits(t.Context(), l, other, "edge-"+own); err != nil || found != 0 {
			t.Errorf("the event of %s was found %d times at %s (%v)", own, found, other, err)
		}
		_, err := enrollAtEdge(t, l, other, "intruder", enrollmentSecret(t, l, own))
		var refused *wazuh.Refused
		if !errors.As(err, &refused) || !refused.WrongPassword() {
			t.Errorf("%s's secret at %s's port: %v", own, other, err)
		}
	}
	suspend(t, l, "pier-a", true)
	select {
	case <-sessions["pier-a"].Done():
	case <-time.After(patience):
		t.Fatal("a suspended tenant's session goes on")
	}
	if err := sessions["pier-b"].KeepAlive(t.Context()); err != nil {
		t.Errorf("the other tenant's agent noticed: %v", err)
	}
	ended(t, l, "pier-a")
	suspend(t, l, "pier-a", false)
	becomesReady(t, l, "pier-a")
	connectAtEdge(t, l, "pier-a", keys["pier-a"])
	if err := l.Client.Delete(t.Context(), get(t, l, "pier-a")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "pier-a"})
	gone(t, l, &v1alpha1.Route{}, types.NamespacedName{Name: "pier-a"})
	if err := sessions["pier-b"].KeepAlive(t.Context()); err != nil {
		t.Errorf("the other tenant's agent noticed the removal: %v", err)
	}
}
