//go:build linux

package realnode_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
)

// What a packet meets. A policy answers nothing at all.
const (
	opens   = "opens"
	silence = "silence"
)

// place is a container from which a connection is tried.
type place struct{ namespace, pod, container string }

func managerOf(slug string) place {
	return place{naming.Namespace(slug), naming.Manager + "-0", "wazuh-manager"}
}

// try opens connections from there to some ports at once, and says what each met.
// Silence is sooner believed than an open port is given up.
func (p place) try(ctx context.Context, c *realnode.Cluster, want, host string, ports ...int32) (map[int32]string, error) {
	limit := 30
	if want == silence {
		limit = 3
	}
	script := ""
	for _, port := range ports {
		script += fmt.Sprintf("(timeout %d bash -c 'exec 3<>/dev/tcp/%s/%d' 2>/dev/null; echo %d $?) & ", limit, host, port, port)
	}
	out, err := c.Kubectl(ctx, "--namespace", p.namespace, "exec", p.pod, "--container", p.container, "--", "bash", "-c", script+"wait")
	met := map[int32]string{}
	for line := range strings.Lines(out) {
		var port int32
		var code int
		if _, err := fmt.Sscan(line, &port, &code); err == nil {
			met[port] = map[int]string{0: opens, 124: silence}[code]
		}
	}
	return met, err
}

// meets tries them, and tells what is not as it should be.
func (p place) meets(t *testing.T, c *realnode.Cluster, want, host string, ports ...int32) {
	t.Helper()
	met, err := p.try(t.Context(), c, want, host, ports...)
	for _, port := range ports {
		if err != nil || met[port] != want {
			t.Errorf("from %v to %s, port %d: meets %q, want %q (%v)", p, host, port, met[port], want, err)
		}
	}
}

// connection is one that is tried.
type connection struct {
	from  place
	to    string // slug of a tenant, whose manager's pod it goes to
	ports []int32
	want  string
}

// theFirewall: between pods nothing reaches a manager but what the policies let in,
// which the enforcer of real nodes decides.
func theFirewall(t *testing.T, c *realnode.Cluster) {
	stranger, neighbour := place{"stranger", "probe", "probe"}, place{naming.DefaultSystemNamespace, "probe", "probe"}
	if err := c.Apply(t.Context(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: stranger}\n"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []place{stranger, neighbour} {
		probe(t, c, p)
	}
	edges, err := edgePods(t.Context(), c)
	if err != nil || len(edges) != 2 {
		t.Fatalf("%d edges: %v", len(edges), err)
	}
	const events, enrollment, authd, admin, metrics, api, indexer = 1514, 1515, 11515, 9515, 9516, 55000, 9200
	closed := []int32{authd, admin, metrics, api, indexer}
	all := append([]int32{events, enrollment}, closed...)
	tries := []connection{
		{managerOf("beta"), "acme", all, silence},
		{managerOf("beta"), "gamma", all, silence},
		{managerOf("gamma"), "delta", all, silence},
		{stranger, "acme", all, silence},
		{stranger, "gamma", all, silence},
		{neighbour, "delta", all, silence},
		// Beta's customer may come from everywhere.
		{stranger, "beta", []int32{events, enrollment}, opens},
		{stranger, "beta", closed, silence},
	}
	tryAll(t, c, append(tries, fromEdges(t, c, edges, []int32{events, enrollment}, closed)...))
	pastTheLoadBalancer(t, c)
	admitted(t, c, stranger)
}

// fromEdges: an edge reaches the agents' ports of its own tenants, wherever they
// run. What else it reaches is asked on the other node: no NetworkPolicy binds a
// node towards pods of its own, by definition.
func fromEdges(t *testing.T, c *realnode.Cluster, edges map[string]corev1.Pod, open, closed []int32) []connection {
	t.Helper()
	var tries []connection
	refused := 0
	for node, pod := range edges {
		haproxy := place{pod.Namespace, pod.Name, "haproxy"}
		for slug, own := range map[string]bool{"gamma": true, "delta": true, "acme": false} {
			elsewhere := managerPod(t, c, slug).Spec.NodeName != node
			if own {
				tries = append(tries, connection{haproxy, slug, open, opens})
			} else if elsewhere {
				tries = append(tries, connection{haproxy, slug, open, silence})
			}
			if elsewhere {
				refused++
				tries = append(tries, connection{haproxy, slug, closed, silence})
			}
		}
	}
	if refused == 0 {
		t.Error("every manager runs beside every edge: nothing was refused to one")
	}
	return tries
}

// probe is a pod from which connections are tried.
func probe(t *testing.T, c *realnode.Cluster, p place) {
	t.Helper()
	if err := c.Client.Create(t.Context(), &corev1.Pod{ObjectMeta: objectMeta(p.namespace, p.pod), Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: p.container, Image: realnode.ManagerImage, Command: []string{"sleep", "infinity"}}},
	}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a probe runs in "+p.namespace, func(ctx context.Context) (bool, error) {
		var pod corev1.Pod
		err := c.Client.Get(ctx, types.NamespacedName{Namespace: p.namespace, Name: p.pod}, &pod)
		return podReady(pod), err
	})
}

// tryAll tries them, some at a time: silence takes its time.
func tryAll(t *testing.T, c *realnode.Cluster, tries []connection) {
	t.Helper()
	places := make(chan struct{}, 6)
	var running sync.WaitGroup
	for _, try := range tries {
		to := managerPod(t, c, try.to).Status.PodIP
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			try.from.meets(t, c, try.want, to, try.ports...)
		})
	}
	running.Wait()
}

func managerPod(t *testing.T, c *realnode.Cluster, slug string) corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	if err := c.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: naming.Manager + "-0"}, &pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// pastTheLoadBalancer: the network of the pods is routed, and an address acme's
// customer may not come from gets no further that way. One it may come from finds
// the agents' ports alone.
func pastTheLoadBalancer(t *testing.T, c *realnode.Cluster) {
	t.Helper()
	to := managerPod(t, c, "acme").Status.PodIP
	dial := c.Internet.DialFrom(netip.MustParseAddr("203.0.113.25"))
	for port, open := range map[string]bool{"1514": true, "1515": true, "55000": false, "9515": false, "11515": false} {
		limit := 30 * time.Second
		if !open {
			limit = 3 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		conn, err := dial(ctx, "tcp", net.JoinHostPort(to, port))
		cancel()
		if err == nil {
			_ = conn.Close()
		}
		if open != (err == nil) {
			t.Errorf("from the internet to port %s of acme's pod: %v", port, err)
		}
	}
}

// admitted: it is the policies that refuse. With one more, and no other change, the
// stranger gets in; without it no more.
func admitted(t *testing.T, c *realnode.Cluster, stranger place) {
	t.Helper()
	const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: let-in, namespace: tenant-acme}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: stranger}}}]
      ports: [{port: 55000}]
`
	if err := c.Apply(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	to := managerPod(t, c, "acme").Status.PodIP
	turns := func(want string) {
		t.Helper()
		eventually(t, "the stranger at acme's API meets: "+want, func(ctx context.Context) (bool, error) {
			met, err := stranger.try(ctx, c, silence, to, 55000)
			return met[55000] == want, err
		})
	}
	turns(opens)
	if _, err := c.Kubectl(t.Context(), "--namespace", naming.Namespace("acme"), "delete", "networkpolicy", "let-in"); err != nil {
		t.Fatal(err)
	}
	turns(silence)
}
