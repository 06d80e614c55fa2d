//go:build linux

package realnode

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed files/policies.yaml
var policiesManifest string

// policyQueue is the kernel's queue in which new connections of pods wait for the
// enforcer's word.
const policyQueue = 98

// startPolicies has NetworkPolicies enforced on every node. A packet that nobody
// judges is dropped.
func (c *Cluster) startPolicies(ctx context.Context) error {
	manifest, err := fill("policies.yaml", policiesManifest, map[string]any{"Image": policiesImage, "Queue": policyQueue})
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, manifest); err != nil {
		return err
	}
	for _, node := range c.Nodes {
		if err := Until(ctx, patience, node.Name+"'s policies are enforced", node.judges); err != nil {
			said, _ := c.Kubectl(ctx, "--namespace", "kube-system", "logs", "daemonset/kube-network-policies", "--tail", "20")
			state, _ := c.Kubectl(ctx, "--namespace", "kube-system", "describe", "pods")
			return fmt.Errorf("%w; the enforcer said: %s\n%s", err, said, state)
		}
		if err := node.queuePackets(ctx); err != nil {
			return err
		}
	}
	return nil
}

// judges says whether somebody reads the queue.
func (n *Node) judges(ctx context.Context) (bool, error) {
	queues, err := output(ctx, n.space.command("cat", "/proc/self/net/netfilter/nfnetlink_queue")...)
	for line := range strings.Lines(queues) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == strconv.Itoa(policyQueue) {
			return true, nil
		}
	}
	return false, err
}

// queuePackets hands new connections of the node's pods to the queue, where the
// enforcer could not do it itself: it does so by nftables, and not every kernel's
// nftables has queues. These are its own rules in the words of iptables.
func (n *Node) queuePackets(ctx context.Context) error {
	if n.space.run(ctx, "nft", "list", "table", "inet", "kube-network-policies") == nil {
		return nil
	}
	pods, queue := n.Pods.String(), strconv.Itoa(policyQueue)
	for _, rule := range [][]string{
		{"-m", "owner", "--uid-owner", "0", "-j", "ACCEPT"}, // the kubelet's probes
		{"-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"},
		{"-s", pods, "-j", "NFQUEUE", "--queue-num", queue},
		{"-d", pods, "-j", "NFQUEUE", "--queue-num", queue},
	} {
		if err := n.space.run(ctx, append([]string{"iptables", "-w", "-t", "mangle", "-A", "POSTROUTING"}, rule...)...); err != nil {
			return fmt.Errorf("queue packets: %w", err)
		}
	}
	return nil
}
