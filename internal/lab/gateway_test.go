package lab_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/probe"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// A renewed certificate is served by the gateway while agents shake hands all the
// time: none of them fails, and nothing is restarted.
func TestTheGatewayServesARenewedCertificate(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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

// Where nodes put their address in the place of the agents', one guesser among them
// shuts nobody out; where agents' own addresses are seen, he shuts out himself. Here
// all come from one address, as behind a node.
func TestAGuesserShutsOutNobodyElse(t *testing.T) {
	l := installation(t)
	for name, spec := range map[string]v1alpha1.LoadBalancerSpec{"hidden": {ExternalTrafficPolicy: "Cluster"}, "seen": {}} {
		region(t, l, name, v1alpha1.RegionSpec{Domain: name + ".example.com", DefaultMode: v1alpha1.ModeLoadBalancer, LoadBalancer: spec, DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone}})
		create(t, l, name, v1alpha1.TenantSpec{Region: name})
	}
	address := func(name string) string { return net.JoinHostPort(get(t, l, name).Status.Address, "1515") }
	guess := func(ctx context.Context, name string) (heard bool) {
		answer, _ := probe.Secret(ctx, nil, address(name), wazuh.NewSecret("not-the-secret"))
		if answer == probe.Accepted {
			t.Fatal("a wrong secret was accepted")
		}
		return answer == probe.Refused
	}
	becomesReady(t, l, "hidden")
	becomesReady(t, l, "seen")
	// A source is turned away after 60 mistakes, and each second forgives one: who is slow makes more of them.
	guesses := 0
	eventually(t, "the guesser shuts himself out", func(ctx context.Context) (bool, error) {
		for guess(ctx, "seen") {
			guesses++
		}
		answer, err := probe.Secret(ctx, nil, address("seen"), enrollmentSecret(t, l, "seen"))
		if answer != "" || ctx.Err() != nil {
			return false, fmt.Errorf("after %d wrong secrets the right one meets %q, %v", guesses, answer, err)
		}
		return true, nil
	})
	if guesses < 50 { // whatever else looks from here, such as a probe, is counted with him
		t.Errorf("he was shut out after %d guesses", guesses)
	}
	for range guesses + 10 {
		guess(t.Context(), "hidden")
	}
	if answer, err := probe.Secret(t.Context(), nil, address("hidden"), enrollmentSecret(t, l, "hidden")); answer != probe.Accepted {
		t.Errorf("after %d wrong secrets of somebody else's the right one meets %q, %v", guesses+10, answer, err)
	}
}

// A gateway that ends again and again closes the enrollment port alone: the pod is
// not ready, and agents keep coming to the events port.
func TestAnEndingGatewayLeavesTheEventsPort(t *testing.T) {
	l := installation(t)
	const slug = "stumbling"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	key, err := enroll(t, l, slug, "stumbling-web-01", enrollmentSecret(t, l, slug))
	if err != nil {
		t.Fatal(err)
	}
	held := connect(t, l, slug, key)
	// Each time it is put off longer, as by a kubelet; until it is long enough to look.
	unready := func(ctx context.Context) (bool, error) {
		manager, ok := l.Standin.Manager(naming.Namespace(slug))
		if ok && manager.GatewayPID != 0 {
			_ = syscall.Kill(manager.GatewayPID, syscall.SIGKILL)
		}
		var pod corev1.Pod
		if err := l.Client.Get(ctx, podOf(slug), &pod); err != nil {
			return false, err
		}
		for _, container := range pod.Status.ContainerStatuses {
			if container.Name == "gateway" && container.State.Waiting != nil && container.RestartCount > 5 && !managerapi.PodReady(pod) {
				return true, nil
			}
		}
		return false, nil
	}
	eventually(t, "the gateway is put off for seconds", unready)
	var slices discoveryv1.EndpointSliceList
	if err := l.Client.List(t.Context(), &slices, client.InNamespace(naming.Namespace(slug)), client.MatchingLabels{discoveryv1.LabelServiceName: naming.ServiceAgents}); err != nil {
		t.Fatal(err)
	}
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || !*endpoint.Conditions.Ready {
				t.Errorf("the Service has no way to %v any more", endpoint.Addresses)
			}
		}
	}
	if err := held.KeepAlive(t.Context()); err != nil {
		t.Errorf("the session of before: %v", err)
	}
	if err := ping(t, l, slug, "127.0.0.1"); err != nil {
		t.Errorf("an agent that comes now: %v", err)
	}
	eventually(t, "the tenant says which container it is", func(ctx context.Context) (bool, error) {
		if _, err := unready(ctx); err != nil {
			return false, err
		}
		now := meta.FindStatusCondition(get(t, l, slug).Status.Conditions, v1alpha1.ConditionManagerReachable)
		if now != nil && strings.Contains(now.Message, "container gateway of wazuh-manager-0") {
			return true, nil
		}
		return false, fmt.Errorf("it says %+v", now)
	})
	becomesReady(t, l, slug)
}
