package lab_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/probe"
)

// A renewed certificate is served by the gateway while agents shake hands all the
// time: none of them fails, and nothing is restarted.
func TestTheGatewayServesARenewedCertificate(t *testing.T) {
	l := installation(t)
	const slug = "renewed"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	before := managerOf(t, l, slug)
	tenant := get(t, l, slug)
	old := tenant.Status.Certificate.Serial
	address := net.JoinHostPort(tenant.Status.Address, "1515")
	// The built-in authority signs another one at once.
	held := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace(slug), Name: naming.SecretTLS}}
	if err := l.Client.Delete(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	secret := enrollmentSecret(t, l, slug)
	shaken, served, looked := 0, old, time.Now()
	for deadline := time.Now().Add(patience); served == old; shaken++ {
		// A whole request each time: who only shakes hands is limited after 60.
		if answer, err := probe.Secret(t.Context(), nil, address, secret); err != nil || answer != probe.Accepted {
			t.Fatalf("handshake %d: %s, %v", shaken, answer, err)
		}
		if time.Since(looked) > time.Second {
			now, err := probe.Certificate(t.Context(), nil, address)
			if err != nil {
				t.Fatal(err)
			}
			served, looked = now.Serial(), time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %d handshakes still the old certificate", shaken)
		}
	}
	t.Logf("the new certificate was served after %d handshakes", shaken)
	if after := managerOf(t, l, slug); after.PID != before.PID || after.GatewayPID != before.GatewayPID {
		t.Error("something was restarted")
	}
	becomesReady(t, l, slug)
	if _, err := enroll(t, l, slug, "renewed-web-01", enrollmentSecret(t, l, slug)); err != nil {
		t.Errorf("enroll under the new certificate: %v", err)
	}
}

// Nobody gets to authd but the gateway, and nobody to the gateway's admin port but
// the operator.
func TestNobodyGoesAroundTheGateway(t *testing.T) {
	l := installation(t)
	const slug = "guarded"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	var pod corev1.Pod
	if err := l.Client.Get(t.Context(), podOf(slug), &pod); err != nil {
		t.Fatal(err)
	}
	operator := l.Standin.DialContext
	neighbour := l.Standin.DialAs("default", map[string]string{"app": "curious"})
	sibling := l.Standin.DialAs(naming.Namespace(slug), map[string]string{"app": "curious"})
	for _, c := range []struct {
		who    string
		dial   func(ctx context.Context, network, address string) (net.Conn, error)
		port   int
		getsIn bool
	}{
		{"operator", operator, naming.PortGatewayAdmin, true},
		{"operator", operator, naming.PortAuthdInternal, false},
		{"operator", operator, naming.PortGatewayMetrics, false},
		{"neighbour", neighbour, naming.PortGatewayAdmin, false},
		{"neighbour", neighbour, naming.PortAuthdInternal, false},
		{"sibling in the tenant's namespace", sibling, naming.PortAuthdInternal, false},
		{"sibling in the tenant's namespace", sibling, naming.PortGatewayAdmin, false},
	} {
		t.Run(fmt.Sprintf("%s at %d", c.who, c.port), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			conn, err := c.dial(ctx, "tcp", fmt.Sprintf("%s:%d", pod.Status.PodIP, c.port))
			if (err == nil) != c.getsIn {
				t.Errorf("connected: %t, want %t (%v)", err == nil, c.getsIn, err)
			}
			if err == nil {
				_ = conn.Close()
			}
		})
	}
}

func podOf(slug string) types.NamespacedName {
	return types.NamespacedName{Namespace: naming.Namespace(slug), Name: naming.Manager + "-0"}
}
