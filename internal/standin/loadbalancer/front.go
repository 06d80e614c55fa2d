package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
	"github.com/soctalk/soctalk-ingress/internal/standin/policy"
)

// front is one Service's address with a listener for each of its ports.
type front struct {
	balancer *Balancer
	key      string
	address  netip.Addr
	ctx      context.Context
	cancel   context.CancelFunc
	relays   sync.WaitGroup

	listeners map[int32]net.Listener // touched under the balancer's lock
}

func newFront(b *Balancer, key string, address netip.Addr) *front {
	ctx, cancel := context.WithCancel(context.Background())
	return &front{balancer: b, key: key, address: address, ctx: ctx, cancel: cancel, listeners: map[int32]net.Listener{}}
}

// update opens and closes listeners to fit the Service's TCP ports.
func (f *front) update(service *corev1.Service) error {
	wanted := map[int32]bool{}
	for _, port := range service.Spec.Ports {
		if port.Protocol == corev1.ProtocolTCP || port.Protocol == "" {
			wanted[port.Port] = true
		}
	}
	for port, listener := range f.listeners {
		if !wanted[port] {
			_ = listener.Close()
			delete(f.listeners, port)
		}
	}
	var failed []error
	for port := range wanted {
		if f.listeners[port] != nil {
			continue
		}
		listener, err := net.Listen("tcp", netip.AddrPortFrom(f.address, uint16(port)).String())
		if err != nil {
			failed = append(failed, fmt.Errorf("service %s, port %d: %w", f.key, port, err))
			continue
		}
		f.listeners[port] = listener
		f.relays.Go(func() { f.accept(listener, port) })
	}
	return errors.Join(failed...)
}

func (f *front) accept(listener net.Listener, port int32) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		f.relays.Go(func() { f.relay(conn, port) })
	}
}

// relay judges one client by the objects as they are now.
func (f *front) relay(client net.Conn, port int32) {
	backend, err := f.dial(client.RemoteAddr(), port)
	if err != nil {
		f.balancer.Log.Debug("load balancer: refused", "service", f.key, "port", port, "client", client.RemoteAddr().String(), "error", err)
		network.Reset(client)
		return
	}
	network.RelayUntil(f.ctx, client, backend)
}

func (f *front) dial(remote net.Addr, port int32) (net.Conn, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(f.key)
	if err != nil {
		return nil, err
	}
	service, err := f.balancer.Services.Services(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	client := remote.(*net.TCPAddr).AddrPort().Addr().Unmap()
	if !policy.InRanges(service.Spec.LoadBalancerSourceRanges, client) {
		return nil, fmt.Errorf("%s is not in loadBalancerSourceRanges %q", client, service.Spec.LoadBalancerSourceRanges)
	}
	from := policy.Peer{IP: client}
	if service.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		from.IP = f.balancer.NodeAddress
	}
	return f.balancer.Network.DialEndpoint(f.ctx, &from, service, port)
}

// close ends listeners and relays, and waits for them: they take no lock.
func (f *front) close() {
	for port, listener := range f.listeners {
		_ = listener.Close()
		delete(f.listeners, port)
	}
	f.cancel()
	f.relays.Wait()
}
