package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/soctalk/soctalk-ingress/internal/standin/policy"
)

// clusterDomain is the cluster's own name suffix.
const clusterDomain = "cluster.local"

// Dial connects to host:port as a pod would, host being a Service's name, a
// cluster IP, a pod's IP or a loopback address, which stands for anything
// outside the cluster. A nil source is the node or the control plane.
func (n *Network) Dial(ctx context.Context, from *policy.Peer, address string) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q of %q: not a port number", portText, address)
	}
	conn, err := n.dial(ctx, from, host, int32(number))
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: named(address), Err: err}
	}
	return conn, nil
}

// named is an address that is only a text.
type named string

func (named) Network() string  { return "tcp" }
func (a named) String() string { return string(a) }

func (n *Network) dial(ctx context.Context, from *policy.Peer, host string, port int32) (net.Conn, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return n.dialIP(ctx, from, ip, port)
	}
	name, namespace, ok := splitServiceName(host)
	if !ok {
		return nil, noSuchHost(host)
	}
	service, err := n.services.Services(namespace).Get(name)
	if err != nil {
		return nil, noSuchHost(host)
	}
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		return n.DialEndpoint(ctx, from, service, port)
	}
	return n.dialHeadless(ctx, from, service, port)
}

func noSuchHost(host string) error {
	return &net.DNSError{Err: "no such host", Name: host, Server: "stand-in", IsNotFound: true}
}

// splitServiceName reads "<service>.<namespace>.svc", with or without the
// cluster's domain. Shorter forms depend on the asking pod and are not offered.
func splitServiceName(host string) (name, namespace string, ok bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	host = strings.TrimSuffix(host, "."+clusterDomain)
	host, ok = strings.CutSuffix(host, ".svc")
	if !ok {
		return "", "", false
	}
	name, namespace, ok = strings.Cut(host, ".")
	return name, namespace, ok && name != "" && namespace != "" && !strings.Contains(namespace, ".")
}

// dialHeadless goes to the addresses the name resolves to, with the port asked
// for: nothing translates ports there.
func (n *Network) dialHeadless(ctx context.Context, from *policy.Peer, service *corev1.Service, port int32) (net.Conn, error) {
	for _, p := range service.Spec.Ports {
		endpoints, err := n.endpoints(service, p.Port)
		if err != nil {
			return nil, err
		}
		if len(endpoints) > 0 {
			return n.dialJudged(ctx, from, endpoints[0].Addr(), port)
		}
	}
	return nil, noSuchHost(service.Name + "." + service.Namespace + ".svc")
}

func (n *Network) dialIP(ctx context.Context, from *policy.Peer, ip netip.Addr, port int32) (net.Conn, error) {
	if ip.IsLoopback() {
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(int(port))))
	}
	services, err := n.services.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		for _, clusterIP := range service.Spec.ClusterIPs {
			if clusterIP == ip.String() {
				return n.DialEndpoint(ctx, from, service, port)
			}
		}
	}
	return n.dialJudged(ctx, from, ip, port)
}
