// Package policy decides, from NetworkPolicy objects alone, whether one
// connection would be admitted in a cluster whose network enforces them.
//
// It is pure. A connection passes when the policies that isolate its source (for
// egress) and those that isolate its destination (for ingress) both admit it; an
// end that no policy selects is not isolated. Start with [Judge].
package policy

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Peer is one end of a connection: a pod, or an address outside the cluster.
type Peer struct {
	// IP is the address the other end sees.
	IP netip.Addr
	// Namespace is empty for an end that is not a pod.
	Namespace string
	// NamespaceLabels and PodLabels are those of the objects.
	NamespaceLabels, PodLabels map[string]string
	// NamedPorts are the names the pod's containers give to TCP ports.
	NamedPorts map[string]int32
}

func (p Peer) isPod() bool { return p.Namespace != "" }

// Verdict is the answer, and why.
type Verdict struct {
	Admitted bool
	// Reason names the policies that isolate the end and admit nothing fitting.
	Reason string
}

// Judge decides about a TCP connection to a port of the destination pod, port
// being the one the pod listens on. Policies may be of any namespace.
func Judge(policies []*networkingv1.NetworkPolicy, from, to Peer, port int32) Verdict {
	if v := judgeEnd(policies, networkingv1.PolicyTypeEgress, from, to, port); !v.Admitted {
		return v
	}
	return judgeEnd(policies, networkingv1.PolicyTypeIngress, from, to, port)
}

// judgeEnd looks at the policies on one end: those of the source for egress,
// those of the destination for ingress.
func judgeEnd(policies []*networkingv1.NetworkPolicy, direction networkingv1.PolicyType, from, to Peer, port int32) Verdict {
	end, other := to, from
	if direction == networkingv1.PolicyTypeEgress {
		end, other = from, to
	}
	if !end.isPod() {
		return Verdict{Admitted: true}
	}
	var isolating []string
	for _, policy := range policies {
		if policy.Namespace != end.Namespace || !applies(policy, direction) || !selects(&policy.Spec.PodSelector, end.PodLabels) {
			continue
		}
		for _, rule := range rules(policy, direction) {
			if rule.admitsPeer(policy.Namespace, other) && rule.admitsPort(to, port) {
				return Verdict{Admitted: true}
			}
		}
		isolating = append(isolating, policy.Namespace+"/"+policy.Name)
	}
	if len(isolating) == 0 {
		return Verdict{Admitted: true}
	}
	return Verdict{Reason: fmt.Sprintf("no %s rule admits %s to port %d: isolated by %s",
		strings.ToLower(string(direction)), describe(from), port, strings.Join(isolating, ", "))}
}

func describe(p Peer) string {
	if p.isPod() {
		return fmt.Sprintf("a pod of namespace %q", p.Namespace)
	}
	return p.IP.String()
}

// applies follows the API's default: a policy without types is about ingress,
// and about egress too when it has egress rules.
func applies(policy *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return direction == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	for _, t := range policy.Spec.PolicyTypes {
		if t == direction {
			return true
		}
	}
	return false
}

// rule is an ingress or an egress rule: they differ only in the words used.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rules(policy *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) []rule {
	var all []rule
	if direction == networkingv1.PolicyTypeEgress {
		for _, r := range policy.Spec.Egress {
			all = append(all, rule{r.To, r.Ports})
		}
		return all
	}
	for _, r := range policy.Spec.Ingress {
		all = append(all, rule{r.From, r.Ports})
	}
	return all
}

func (r rule) admitsPeer(policyNamespace string, other Peer) bool {
	if len(r.peers) == 0 {
		return true
	}
	for _, peer := range r.peers {
		if peer.IPBlock != nil {
			if inBlock(peer.IPBlock, other.IP) {
				return true
			}
			continue
		}
		if !other.isPod() {
			continue
		}
		inNamespace := other.Namespace == policyNamespace
		if peer.NamespaceSelector != nil {
			inNamespace = selects(peer.NamespaceSelector, other.NamespaceLabels)
		}
		if inNamespace && (peer.PodSelector == nil || selects(peer.PodSelector, other.PodLabels)) {
			return true
		}
	}
	return false
}

func (r rule) admitsPort(to Peer, port int32) bool {
	if len(r.ports) == 0 {
		return true
	}
	for _, p := range r.ports {
		if p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			continue
		}
		if p.Port == nil {
			return true
		}
		first := p.Port.IntVal
		if p.Port.Type == intstr.String {
			first = to.NamedPorts[p.Port.StrVal]
		}
		last := first
		if p.EndPort != nil {
			last = *p.EndPort
		}
		if first != 0 && first <= port && port <= last {
			return true
		}
	}
	return false
}

// inBlock reads the block as the API does; one that cannot be read holds nothing.
func inBlock(block *networkingv1.IPBlock, ip netip.Addr) bool {
	if !holds(block.CIDR, ip) {
		return false
	}
	for _, except := range block.Except {
		if holds(except, ip) {
			return false
		}
	}
	return true
}

func holds(cidr string, ip netip.Addr) bool {
	prefix, err := netip.ParsePrefix(cidr)
	return err == nil && prefix.Contains(ip.Unmap())
}

func selects(selector *metav1.LabelSelector, set map[string]string) bool {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(labels.Set(set))
}

// InRanges says whether a Service's loadBalancerSourceRanges admit a client; an
// empty list admits everybody.
func InRanges(ranges []string, ip netip.Addr) bool {
	for _, cidr := range ranges {
		if holds(strings.TrimSpace(cidr), ip) {
			return true
		}
	}
	return len(ranges) == 0
}
