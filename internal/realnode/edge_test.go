//go:build linux

package realnode_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// The edge runs on the second node, at that node's own address.
const edgeValues = `
edges:
  - region: shore
    addresses: [172.30.0.12]
    ports: 15140-15239
    nodeSelector: {soctalk.io/edge: shore}
    metricsAddress: ":8090"
    haproxyImage: ` + realnode.HAProxyImage + `
`

const regionShore = `
apiVersion: ingress.soctalk.io/v1alpha1
kind: Region
metadata: {name: shore}
spec:
  domain: shore.mssp.example.com
  defaultMode: edge-haproxy
  edge:
    addresses: [172.30.0.12]
    ports: {first: 15140, last: 15239}
    sourceCIDRs: [172.30.0.12/32, 10.244.2.1/32]
  certificates: {strategy: built-in-ca}
  dns: {mode: none}
---
apiVersion: ingress.soctalk.io/v1alpha1
kind: Tenant
metadata: {name: gamma}
spec: {displayName: Gamma SA, region: shore}
---
apiVersion: ingress.soctalk.io/v1alpha1
kind: Tenant
metadata: {name: delta}
spec: {displayName: Delta Ltd, region: shore}
`

var (
	gammaAgent = netip.MustParseAddr("203.0.113.21")
	deltaAgent = netip.MustParseAddr("203.0.113.22")
)

// twoTenantsAtOneEdge: the chart's DaemonSet on the node's own network.
func twoTenantsAtOneEdge(t *testing.T, c *realnode.Cluster) {
	if _, err := c.Kubectl(t.Context(), "label", "node", "node-2", "soctalk.io/edge=shore"); err != nil {
		t.Fatal(err)
	}
	admit(t, c, "privileged")
	upgrade(t, c, edgeValues)
	if err := c.Apply(t.Context(), regionShore); err != nil {
		t.Fatal(err)
	}
	agents := map[string]netip.Addr{"gamma": gammaAgent, "delta": deltaAgent}
	for slug, address := range agents {
		ready(t, c, slug)
		sendsEvent(t, machine{c, address}, slug)
	}
	separate(t, c, agents)
	for slug, address := range agents {
		seenFrom(t, c, slug, address)
	}
	edgeStatus(t, c, "gamma", "delta")
	edgeTellsItsSources(t, c)
}

// edgeTellsItsSources: what the edge tells of its node is what the Region must hold for
// this story to go on, no more and no less.
func edgeTellsItsSources(t *testing.T, c *realnode.Cluster) {
	t.Helper()
	out, err := product(t.Context(), c, "edge", "sources", "--region", "shore", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var told []struct{ SourceCIDRs, Missing, Unused []string }
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(told) != 1 || len(told[0].Missing) > 0 || len(told[0].Unused) > 0 || len(told[0].SourceCIDRs) != 2 {
		t.Errorf("the Region holds what it must, and it is told %+v", told)
	}
}

// helmUpgrade is `helm upgrade` as the guide says it, with values of its own.
func helmUpgrade(t *testing.T, c *realnode.Cluster, values string, more ...string) (string, error) {
	t.Helper()
	arguments := append([]string{"upgrade", naming.Product, "../../charts/soctalk-ingress", "--namespace", naming.DefaultSystemNamespace,
		"--reset-then-reuse-values"}, more...)
	if values != "" {
		arguments = append(arguments, "--values", file(t, "values.yaml", values))
	}
	return c.Helm(t.Context(), arguments...)
}

// upgrade waits until what was changed runs.
func upgrade(t *testing.T, c *realnode.Cluster, values string, more ...string) {
	t.Helper()
	if out, err := helmUpgrade(t, c, values, append([]string{"--wait", "--timeout", "3m"}, more...)...); err != nil {
		t.Fatal(err, out)
	}
}

// product runs the command line, as an administrator outside the cluster.
func product(ctx context.Context, c *realnode.Cluster, arguments ...string) (string, error) {
	text, err := exec.CommandContext(ctx, c.Programs.Product, append(arguments, "--kubeconfig", c.Plane.Kubeconfig())...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("soctalk-ingress %s: %w: %s", strings.Join(arguments, " "), err, text)
	}
	return string(text), err
}

// seenFrom: the edge and the gateway know the agent's own address, although the
// manager is spoken to by the edge.
func seenFrom(t *testing.T, c *realnode.Cluster, slug string, address netip.Addr) {
	t.Helper()
	eventually(t, slug+"'s agent is seen from "+address.String(), func(ctx context.Context) (bool, error) {
		out, err := product(ctx, c, "agents", "list", slug, "-o", "json")
		if err != nil {
			return false, err
		}
		if strings.Count(out, `"`+address.String()+`"`) < 2 { // by the gateway, and by the edge
			return false, fmt.Errorf("agents list: %s", out)
		}
		return true, nil
	})
}

// edgePod is the pod of the edge on node-2, which serves.
func edgePod(ctx context.Context, c *realnode.Cluster) (corev1.Pod, error) {
	pods, err := edgePods(ctx, c)
	if err != nil {
		return corev1.Pod{}, err
	}
	pod, found := pods["node-2"]
	if !found {
		return corev1.Pod{}, fmt.Errorf("no edge on node-2 among %d pods", len(pods))
	}
	return pod, nil
}

// edgeStatus asks on the edge's machine, as the guide says.
func edgeStatus(t *testing.T, c *realnode.Cluster, tenants ...string) {
	t.Helper()
	pod, err := edgePod(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Kubectl(t.Context(), "--namespace", naming.DefaultSystemNamespace, "exec", pod.Name, "--container", "edge", "--", "/soctalk-ingress", "edge", "status", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var status struct {
		InStep  bool `json:"inStep"`
		Tenants []struct {
			Tenant string `json:"tenant"`
		} `json:"tenants"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	found := map[string]bool{}
	for _, tenant := range status.Tenants {
		found[tenant.Tenant] = true
	}
	for _, slug := range tenants {
		if !found[slug] || !status.InStep {
			t.Errorf("edge status: %s", out)
		}
	}
}

// theEdgesPodGoes: its agents reconnect, to a new pod that serves from the disk of
// the node; who is at an address of its own notices nothing.
func theEdgesPodGoes(t *testing.T, c *realnode.Cluster) {
	gamma := machine{c, gammaAgent}
	key, err := gamma.enroll(t, "gamma", "gamma-db-01", enrollmentSecret(t, c, "gamma"))
	if err != nil {
		t.Fatal(err)
	}
	held := gamma.connect(t, "gamma", key)
	elsewhere := map[string]*wazuh.Session{
		"an address of its own": sendsEventAs(t, machine{c, netip.MustParseAddr("203.0.113.13")}, "acme", "acme-db-01"),
		"the other edge":        deltaAtTheOtherEdge(t, c, "delta-db-02"),
	}
	before, err := edgePod(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Client.Delete(t.Context(), &before); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done():
		t.Logf("the held session ended %s after the pod was deleted", time.Since(began).Round(time.Millisecond))
	case <-time.After(patience):
		t.Fatal("a session outlives the edge's pod")
	}
	gamma.connect(t, "gamma", key)
	t.Logf("the agent is connected again %s after the pod was deleted", time.Since(began).Round(time.Millisecond))
	after, err := edgePod(t.Context(), c)
	if err != nil || after.UID == before.UID {
		t.Errorf("the pod is %s as before (%v)", after.Name, err)
	}
	for where, session := range elsewhere {
		if err := session.KeepAlive(t.Context()); err != nil {
			t.Errorf("an agent at %s noticed: %v", where, err)
		}
	}
}

// theEdgesProgramDies: HAProxy serves on, and nobody notices.
func theEdgesProgramDies(t *testing.T, c *realnode.Cluster) {
	gamma := machine{c, gammaAgent}
	key, err := gamma.enroll(t, "gamma", "gamma-app-01", enrollmentSecret(t, c, "gamma"))
	if err != nil {
		t.Fatal(err)
	}
	held := gamma.connect(t, "gamma", key)
	if err := killContainer(t, c, "edge"); err != nil {
		t.Fatal(err)
	}
	if err := held.KeepAlive(t.Context()); err != nil {
		t.Errorf("an agent noticed that the edge's program died: %v", err)
	}
	edgeStatus(t, c, "gamma", "delta")
}

// haproxyDies: its agents reconnect, to a HAProxy started from the files.
func haproxyDies(t *testing.T, c *realnode.Cluster) {
	gamma := machine{c, gammaAgent}
	key, err := gamma.enroll(t, "gamma", "gamma-ha-01", enrollmentSecret(t, c, "gamma"))
	if err != nil {
		t.Fatal(err)
	}
	held := gamma.connect(t, "gamma", key)
	if err := killContainer(t, c, "haproxy"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done():
	case <-time.After(patience):
		t.Fatal("a session outlives HAProxy")
	}
	gamma.connect(t, "gamma", key)
	eventually(t, "the edge is in step", func(ctx context.Context) (bool, error) {
		pod, err := edgePod(ctx, c)
		return podReady(pod), err
	})
	edgeStatus(t, c, "gamma", "delta")
}

func podReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// killContainer kills a container's first process, and waits until the kubelet has
// started it again.
func killContainer(t *testing.T, c *realnode.Cluster, name string) error {
	t.Helper()
	pod, err := edgePod(t.Context(), c)
	if err != nil {
		return err
	}
	restarts := func(of corev1.Pod) (int32, bool) {
		for _, status := range of.Status.ContainerStatuses {
			if status.Name == name {
				return status.RestartCount, status.Ready
			}
		}
		return -1, false
	}
	before, _ := restarts(pod)
	if err := c.Node("node-2").KillContainer(t.Context(), pod.Namespace, pod.Name, name); err != nil {
		return err
	}
	return realnode.Until(t.Context(), patience, "container "+name+" runs again", func(ctx context.Context) (bool, error) {
		now, err := edgePod(ctx, c)
		count, ready := restarts(now)
		return count > before && ready, err
	})
}

// file writes a file for a program to read.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
