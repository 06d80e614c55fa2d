// Package network plays the cluster's network: it turns pod addresses, Service
// names and cluster IPs, which are fictions here, into connections to the
// loopback sockets behind them.
//
// It believes only what the API says: a Service leads to the ready endpoints of
// its EndpointSlices, and NetworkPolicies are obeyed. Start with [Network.Dial].
package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"

	"github.com/soctalk/soctalk-ingress/internal/standin/policy"
)

// Ports finds the loopback address behind a port of a pod.
type Ports func(port int32) (address string, ok bool)

// Network is the fiction. Make it with [New].
type Network struct {
	pods       corelisters.PodLister
	services   corelisters.ServiceLister
	namespaces corelisters.NamespaceLister
	slices     discoverylisters.EndpointSliceLister
	policies   networkinglisters.NetworkPolicyLister

	turn atomic.Uint64 // spreads connections over endpoints

	mu       sync.Mutex
	attached map[netip.Addr]Ports
}

// New reads everything from the factory's informers.
func New(factory informers.SharedInformerFactory) *Network {
	return &Network{
		pods:       factory.Core().V1().Pods().Lister(),
		services:   factory.Core().V1().Services().Lister(),
		namespaces: factory.Core().V1().Namespaces().Lister(),
		slices:     factory.Discovery().V1().EndpointSlices().Lister(),
		policies:   factory.Networking().V1().NetworkPolicies().Lister(),
		attached:   map[netip.Addr]Ports{},
	}
}

// Attach says what is behind a pod's address.
func (n *Network) Attach(ip netip.Addr, ports Ports) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attached[ip] = ports
}

// Detach forgets a pod's address.
func (n *Network) Detach(ip netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.attached, ip)
}

// PodPeer describes a pod to package policy.
func (n *Network) PodPeer(pod *corev1.Pod) policy.Peer {
	peer := policy.Peer{Namespace: pod.Namespace, PodLabels: pod.Labels, NamedPorts: map[string]int32{}}
	peer.IP, _ = netip.ParseAddr(pod.Status.PodIP)
	if namespace, err := n.namespaces.Get(pod.Namespace); err == nil {
		peer.NamespaceLabels = namespace.Labels
	}
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name != "" {
				peer.NamedPorts[port.Name] = port.ContainerPort
			}
		}
	}
	return peer
}

// Source describes a pod that need not exist, such as an operator that runs as
// an ordinary process but stands for its Deployment's pod.
func (n *Network) Source(namespace string, podLabels map[string]string) policy.Peer {
	peer := policy.Peer{Namespace: namespace, PodLabels: podLabels}
	if object, err := n.namespaces.Get(namespace); err == nil {
		peer.NamespaceLabels = object.Labels
	}
	return peer
}

// DialPod connects to a pod's port as its own node does: no policy applies.
func (n *Network) DialPod(ctx context.Context, ip netip.Addr, port int32) (net.Conn, error) {
	n.mu.Lock()
	ports := n.attached[ip]
	n.mu.Unlock()
	if ports == nil {
		return nil, fmt.Errorf("no pod runs at %s: %w", ip, syscall.EHOSTUNREACH)
	}
	address, ok := ports(port)
	if !ok {
		return nil, fmt.Errorf("nothing listens on port %d of the pod at %s: %w", port, ip, syscall.ECONNREFUSED)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// DialEndpoint connects to one ready endpoint of a Service's port, if policies
// admit the source. A nil source is the node or the control plane: no policy.
func (n *Network) DialEndpoint(ctx context.Context, from *policy.Peer, service *corev1.Service, port int32) (net.Conn, error) {
	endpoints, err := n.endpoints(service, port)
	if err != nil {
		return nil, err
	}
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("service %s/%s has no ready endpoint for port %d: %w", service.Namespace, service.Name, port, syscall.ECONNREFUSED)
	}
	chosen := endpoints[(n.turn.Add(1)-1)%uint64(len(endpoints))]
	return n.dialJudged(ctx, from, chosen.Addr(), int32(chosen.Port()))
}

func (n *Network) dialJudged(ctx context.Context, from *policy.Peer, ip netip.Addr, port int32) (net.Conn, error) {
	if from != nil {
		if err := n.judge(*from, ip, port); err != nil {
			return nil, err
		}
	}
	return n.DialPod(ctx, ip, port)
}

// RefusedByPolicy is the error of a connection that no policy admits. In a
// cluster the packets vanish and the client waits; here it learns the reason at
// once, and Timeout is true so that it is sorted among the errors it stands for.
type RefusedByPolicy struct{ Reason string }

func (e *RefusedByPolicy) Error() string   { return "network policy: " + e.Reason }
func (e *RefusedByPolicy) Timeout() bool   { return true }
func (e *RefusedByPolicy) Temporary() bool { return false }

func (n *Network) judge(from policy.Peer, ip netip.Addr, port int32) error {
	pods, err := n.pods.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if pod.Status.PodIP != ip.String() || pod.Spec.HostNetwork {
			continue
		}
		policies, err := n.policies.List(labels.Everything())
		if err != nil {
			return err
		}
		if verdict := policy.Judge(policies, from, n.PodPeer(pod), port); !verdict.Admitted {
			return &RefusedByPolicy{Reason: verdict.Reason}
		}
		return nil
	}
	return fmt.Errorf("no pod has the address %s: %w", ip, syscall.EHOSTUNREACH)
}

// endpoints lists where a Service's port leads to now, ready endpoints only.
func (n *Network) endpoints(service *corev1.Service, port int32) ([]netip.AddrPort, error) {
	var name string
	known := false
	for _, p := range service.Spec.Ports {
		if p.Port == port && p.Protocol != corev1.ProtocolUDP {
			name, known = p.Name, true
		}
	}
	if !known {
		return nil, fmt.Errorf("service %s/%s has no port %d: %w", service.Namespace, service.Name, port, syscall.ECONNREFUSED)
	}
	slices, err := n.slices.EndpointSlices(service.Namespace).List(
		labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	if err != nil {
		return nil, err
	}
	var found []netip.AddrPort
	for _, slice := range slices {
		for _, p := range slice.Ports {
			if p.Port == nil || (p.Name == nil && name != "") || (p.Name != nil && *p.Name != name) {
				continue
			}
			found = append(found, ready(slice, uint16(*p.Port))...)
		}
	}
	return found, nil
}

func ready(slice *discoveryv1.EndpointSlice, port uint16) []netip.AddrPort {
	var found []netip.AddrPort
	for _, endpoint := range slice.Endpoints {
		if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
			continue
		}
		for _, text := range endpoint.Addresses {
			if ip, err := netip.ParseAddr(text); err == nil {
				found = append(found, netip.AddrPortFrom(ip, port))
			}
		}
	}
	return found
}
