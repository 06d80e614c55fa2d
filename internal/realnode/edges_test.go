//go:build linux

package realnode_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const otherEdge = "172.30.0.11"

// bothEdges: each listens at every address of its node.
var bothEdges = strings.Replace(edgeValues, "addresses: [172.30.0.12]", "addresses: []", 1)

// regionBothEdges trusts both nodes, under the addresses they have in the segment,
// and in the network of their own pods.
var regionBothEdges = strings.NewReplacer(
	"addresses: [172.30.0.12]", "addresses: [172.30.0.12, 172.30.0.11]",
	"[172.30.0.12/32, 10.244.2.1/32]", "[172.30.0.0/27, 10.244.1.1/32, 10.244.2.1/32]").Replace(regionShore)

func aSecondEdge(t *testing.T, c *realnode.Cluster) {
	if _, err := c.Kubectl(t.Context(), "label", "node", "node-1", "soctalk.io/edge=shore"); err != nil {
		t.Fatal(err)
	}
	upgrade(t, c, bothEdges)
	if err := c.Apply(t.Context(), regionBothEdges); err != nil {
		t.Fatal(err)
	}
	for _, slug := range []string{"gamma", "delta"} {
		ready(t, c, slug)
		eventually(t, slug+" is reached through the other edge", func(ctx context.Context) (bool, error) {
			err := ping(ctx, machine{c, deltaAgent}, otherEdge, doorOf(tenant(t, c, slug)).events)
			return err == nil, err
		})
	}
}

// deltaAtTheOtherEdge is an agent that has come in through node-1.
func deltaAtTheOtherEdge(t *testing.T, c *realnode.Cluster, name string) *wazuh.Session {
	t.Helper()
	m := machine{c, deltaAgent}
	key, err := m.enroll(t, "delta", name, enrollmentSecret(t, c, "delta"))
	if err != nil {
		t.Fatal(err)
	}
	return m.connectThrough(t, otherEdge, "delta", key)
}

// ping asks a manager whether it is there, as load balancers do.
func ping(ctx context.Context, m machine, address string, port int32) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := m.dial(address)(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(wazuh.AppendFrame(nil, []byte(wazuh.Ping))); err != nil {
		return err
	}
	answer, err := wazuh.NewFrameReader(conn).Next()
	if err == nil && string(answer) != wazuh.Pong {
		err = fmt.Errorf("answered %q", answer)
	}
	return err
}

// edgesAreReplaced: a rolling update of the DaemonSet, during which an agent that
// knows both edges always finds one.
func edgesAreReplaced(t *testing.T, c *realnode.Cluster) {
	events := doorOf(tenant(t, c, "gamma")).events
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	var asked, switched int
	var lost []string
	watching.Go(func() {
		m := machine{c, gammaAgent}
		pace := time.NewTicker(20 * time.Millisecond) // well below the Route's limit of connections
		defer pace.Stop()
		for ctx.Err() == nil {
			<-pace.C
			asked++
			err := ping(ctx, m, "172.30.0.12", events)
			if err == nil {
				continue
			}
			switched++
			if other := ping(ctx, m, otherEdge, events); other != nil && ctx.Err() == nil {
				lost = append(lost, errors.Join(err, other).Error())
			}
		}
	})
	upgrade(t, c, strings.Replace(bothEdges, "metricsAddress:", "resources: {requests: {memory: 32Mi}}\n    metricsAddress:", 1))
	eventually(t, "both edges are replaced", func(ctx context.Context) (bool, error) {
		out, err := c.Kubectl(ctx, "--namespace", "soctalk-system", "get", "daemonset", "wazuh-edge-shore", "-o", "jsonpath={.status.updatedNumberScheduled}/{.status.numberReady}")
		return out == "2/2", err
	})
	stop()
	watching.Wait()
	t.Logf("asked %d times, %d of them at the other edge", asked, switched)
	if switched == 0 {
		t.Error("the first edge was never away: nothing was replaced")
	}
	if len(lost) > 0 {
		t.Errorf("%d times no edge answered, first: %s", len(lost), lost[0])
	}
}

// aWrongValueStopsAtOneEdge: an update with an address that no node has reaches one
// node, and the other edge is left as it was until the value is put right.
func aWrongValueStopsAtOneEdge(t *testing.T, c *realnode.Cluster) {
	events := doorOf(tenant(t, c, "gamma")).events
	before, err := edgePods(t.Context(), c)
	if err != nil || len(before) != 2 {
		t.Fatalf("%d edges: %v", len(before), err)
	}
	wrong := strings.Replace(edgeValues, "addresses: [172.30.0.12]", "addresses: [172.30.0.99]", 1)
	if _, err := helmUpgrade(t, c, wrong); err != nil {
		t.Fatal(err)
	}
	// Its containers have run then, so without a probe the pod would have been ready.
	eventually(t, "a program of the changed edge was started again", func(ctx context.Context) (bool, error) {
		pods, err := edgePods(ctx, c)
		for node, pod := range pods {
			for _, status := range pod.Status.ContainerStatuses {
				if pod.UID != before[node].UID && status.RestartCount > 0 {
					return true, nil
				}
			}
		}
		return false, err
	})
	after, err := edgePods(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for node, pod := range after {
		if pod.UID == before[node].UID {
			kept++
			if err := ping(t.Context(), machine{c, gammaAgent}, pod.Status.HostIP, events); err != nil {
				t.Errorf("the edge on %s does not serve on: %v", node, err)
			}
		}
	}
	if kept != 1 {
		t.Errorf("%d of 2 edges were left as they were", kept)
	}
	upgrade(t, c, bothEdges)
	for _, address := range []string{"172.30.0.12", otherEdge} {
		eventually(t, "the edge at "+address+" serves again", func(ctx context.Context) (bool, error) {
			err := ping(ctx, machine{c, gammaAgent}, address, events)
			return err == nil, err
		})
	}
}

// edgePods are the edges' pods by their nodes.
func edgePods(ctx context.Context, c *realnode.Cluster) (map[string]corev1.Pod, error) {
	var pods corev1.PodList
	err := c.Client.List(ctx, &pods, client.InNamespace(naming.DefaultSystemNamespace), client.MatchingLabels{naming.LabelName: naming.EdgePodName})
	found := map[string]corev1.Pod{}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			found[pod.Spec.NodeName] = pod
		}
	}
	return found, err
}
