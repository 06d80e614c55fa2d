package loadbalancer_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/soctalk/soctalk-ingress/internal/standin/loadbalancer"
	"github.com/soctalk/soctalk-ingress/internal/standin/network"
)

const addressRange = "127.81.0.0/29"

// bench is a balancer over a set of objects, and one pod with an echo behind it.
type bench struct {
	*loadbalancer.Balancer

	client *fake.Clientset
}

func newBench(t *testing.T, objects ...runtime.Object) *bench {
	t.Helper()
	return newBenchWith(t, func(*loadbalancer.Options) {}, objects...)
}

func newBenchWith(t *testing.T, edit func(*loadbalancer.Options), objects ...runtime.Object) *bench {
	t.Helper()
	client := fake.NewClientset(objects...)
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services().Lister()
	fabric := network.New(factory)
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	options := loadbalancer.Options{Client: client, Services: services, Network: fabric,
		Log: slog.New(slog.DiscardHandler), Range: netip.MustParsePrefix(addressRange),
		Classes: []string{"metallb"}, NodeAddress: netip.MustParseAddr("192.0.2.10")}
	edit(&options)
	balancer := loadbalancer.New(options)
	t.Cleanup(func() {
		balancer.Close()
		cancel()
		factory.Shutdown()
	})
	echo := startEcho(t)
	fabric.Attach(netip.MustParseAddr("10.244.0.1"), func(int32) (string, bool) { return echo, true })
	return &bench{balancer, client}
}

func startEcho(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func service(name string, edit func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "t"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
			Ports: []corev1.ServicePort{{Name: "events", Port: 21514}}},
	}
	if edit != nil {
		edit(s)
	}
	return s
}

// backend is a pod, with the endpoints of a Service that lead to it.
func backend(serviceName string, ready bool) []runtime.Object {
	port, name := int32(1514), "events"
	return []runtime.Object{
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "t", Labels: map[string]string{"app": "m"}},
			Status: corev1.PodStatus{PodIP: "10.244.0.1"}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: serviceName + "-1", Namespace: "t", Labels: map[string]string{discoveryv1.LabelServiceName: serviceName}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
			Ports:      []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		},
	}
}

func (b *bench) published(t *testing.T, name string) string {
	t.Helper()
	s, err := b.client.CoreV1().Services("t").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	return s.Status.LoadBalancer.Ingress[0].IP
}

func TestAddresses(t *testing.T) {
	held := func(s *corev1.Service) {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "127.81.0.5"}}
	}
	pin := func(address string) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Annotations = map[string]string{loadbalancer.AnnotationAddresses: address} }
	}
	class := func(name string) func(*corev1.Service) {
		return func(s *corev1.Service) { s.Spec.LoadBalancerClass = &name }
	}
	for name, c := range map[string]struct {
		edit    func(*corev1.Service)
		want    string
		wantErr string
	}{
		"first of the range":       {nil, "127.81.0.1", ""},
		"the published one stays":  {held, "127.81.0.5", ""},
		"the one asked for":        {pin("127.81.0.3"), "127.81.0.3", ""},
		"outside the range":        {pin("127.99.0.1"), "", "is not in 127.81.0.0/29"},
		"no address":               {pin("three"), "", `"three" is not an address`},
		"a class that is served":   {class("metallb"), "127.81.0.1", ""},
		"somebody else's class":    {class("cloud"), "", ""},
		"no load balancer at all":  {func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP }, "", ""},
		"an older way of asking":   {func(s *corev1.Service) { s.Spec.LoadBalancerIP = "127.81.0.4" }, "127.81.0.4", ""},
		"annotation before field":  {func(s *corev1.Service) { pin("127.81.0.2")(s); s.Spec.LoadBalancerIP = "127.81.0.4" }, "127.81.0.2", ""},
		"two families, first wins": {pin(" 127.81.0.3 , 127.81.0.4"), "127.81.0.3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, service("a", c.edit))
			err := b.Reconcile(t.Context(), "t/a")
			if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
				t.Fatalf("error %v, want %q", err, c.wantErr)
			}
			if got := b.published(t, "a"); got != c.want {
				t.Errorf("address %q, want %q", got, c.want)
			}
			events, _ := b.client.CoreV1().Events("t").List(t.Context(), metav1.ListOptions{})
			if (len(events.Items) == 1) != (c.wantErr != "") {
				t.Errorf("%d events, error %v", len(events.Items), err)
			}
		})
	}
}

func TestAddressInUseElsewhereIsPassedOver(t *testing.T) {
	foreign, err := net.Listen("tcp", "127.81.0.1:21514")
	if err != nil {
		t.Skipf("somebody listens there already: %v", err)
	}
	defer foreign.Close()
	b := newBench(t, service("a", nil), service("b", nil))
	for i, name := range []string{"a", "b"} {
		if err := b.Reconcile(t.Context(), "t/"+name); err != nil {
			t.Fatal(err)
		}
		if got, want := b.published(t, name), []string{"127.81.0.2", "127.81.0.3"}[i]; got != want {
			t.Errorf("%s got %q, want %q", name, got, want)
		}
	}
}

// hello says something to the Service and returns what comes back.
func hello(address string) (string, error) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, "21514"), 10*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte("hello")); err != nil {
		return "", err
	}
	// The end of one direction is passed on, and the rest still arrives.
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

func TestRelay(t *testing.T) {
	deny := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "deny", Namespace: "t"},
		Spec: networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}}}
	loopback := deny.DeepCopy()
	loopback.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "127.0.0.0/8"}}}}}
	for name, c := range map[string]struct {
		edit    func(*corev1.Service)
		objects []runtime.Object
		works   bool
	}{
		"a ready endpoint":        {nil, backend("a", true), true},
		"no endpoint":             {nil, nil, false},
		"an endpoint not ready":   {nil, backend("a", false), false},
		"another Service's":       {nil, backend("b", true), false},
		"a policy against it":     {nil, append(backend("a", true), deny), false},
		"a policy for the client": {nil, append(backend("a", true), loopback), true},
		"a masqueraded client": {func(s *corev1.Service) { s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster },
			append(backend("a", true), loopback), false},
		"outside the source ranges": {func(s *corev1.Service) { s.Spec.LoadBalancerSourceRanges = []string{"203.0.113.0/24"} }, backend("a", true), false},
		"inside the source ranges":  {func(s *corev1.Service) { s.Spec.LoadBalancerSourceRanges = []string{"127.0.0.1/32"} }, backend("a", true), true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, append(c.objects, service("a", c.edit))...)
			if err := b.Reconcile(t.Context(), "t/a"); err != nil {
				t.Fatal(err)
			}
			answer, err := hello(b.published(t, "a"))
			if c.works && (err != nil || answer != "hello") {
				t.Errorf("answer %q, %v", answer, err)
			}
			if !c.works && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("answer %q, error %v; want a reset", answer, err)
			}
		})
	}
}

// Where somebody else gives addresses, the stand-in gives none, writes nothing,
// and follows from one address to the next.
func TestAssignedAddressesAreFollowed(t *testing.T) {
	class := "somebody.example/class"
	b := newBenchWith(t, func(o *loadbalancer.Options) { o.Assigned = true },
		append(backend("a", true), service("a", func(s *corev1.Service) { s.Spec.LoadBalancerClass = &class }))...)
	assign := func(address string) {
		t.Helper()
		s, err := b.client.CoreV1().Services("t").Get(t.Context(), "a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.Status.LoadBalancer.Ingress = nil
		if address != "" {
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address}}
		}
		if _, err := b.client.CoreV1().Services("t").UpdateStatus(t.Context(), s, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// settle reconciles until the address answers, or refuses, as wanted.
	settle := func(address string, answers bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if err := b.Reconcile(t.Context(), "t/a"); err != nil {
				t.Fatal(err)
			}
			answer, err := hello(address)
			if answers && answer == "hello" || !answers && errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: answer %q, %v; want an answer: %v", address, answer, err, answers)
			}
		}
	}
	settle("127.81.0.1", false)
	if got := b.published(t, "a"); got != "" {
		t.Errorf("the stand-in gave %s", got)
	}
	assign("127.81.0.4")
	settle("127.81.0.4", true)
	assign("127.81.0.6")
	settle("127.81.0.6", true)
	settle("127.81.0.4", false)
	assign("127.99.0.1") // not in the range: somebody else serves it
	settle("127.81.0.6", false)
	if got := b.published(t, "a"); got != "127.99.0.1" {
		t.Errorf("the stand-in wrote %q over the address", got)
	}
}

func TestDeletionClosesListenersAndRelays(t *testing.T) {
	b := newBench(t, append(backend("a", true), service("a", nil))...)
	if err := b.Reconcile(t.Context(), "t/a"); err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(b.published(t, "a"), "21514")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := b.client.CoreV1().Services("t").Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		// Until the deletion is seen, a turn may still try to write the Service's status.
		if err := b.Reconcile(t.Context(), "t/a"); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		probe, err := net.Dial("tcp", address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break // a reset would be a listener that no longer finds the Service
		}
		if err == nil {
			_ = probe.Close()
		}
		if time.Now().After(deadline) {
			t.Fatal("the listener is still there")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the old connection: %v, want a reset", err)
	}
}
