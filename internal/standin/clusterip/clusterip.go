// Package clusterip plays kube-proxy for programs of the node itself: where a
// Service's cluster IP is a loopback address, it listens there and relays to a
// ready endpoint. An edge on the host's network reaches the managers this way.
//
// Who connects is judged by the address it comes from, as the policies of a real
// cluster see a host: they know no pod labels for it. Start with [New].
package clusterip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
	"github.com/soctalk/soctalk-ingress/internal/standin/policy"
)

// Proxy listens at the cluster IPs.
type Proxy struct {
	services corelisters.ServiceLister
	network  *network.Network
	log      *slog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	relays   sync.WaitGroup

	mu        sync.Mutex
	listeners map[string]map[netip.AddrPort]net.Listener // by Service
}

// New makes a proxy; call Reconcile for each Service that changes.
func New(services corelisters.ServiceLister, through *network.Network, log *slog.Logger) *Proxy {
	ctx, cancel := context.WithCancel(context.Background())
	return &Proxy{services: services, network: through, log: log, ctx: ctx, cancel: cancel, listeners: map[string]map[netip.AddrPort]net.Listener{}}
}

// Reconcile makes the listeners of one Service fit it.
func (p *Proxy) Reconcile(_ context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	service, err := p.services.Services(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	wanted := map[netip.AddrPort]int32{}
	if err == nil && service.DeletionTimestamp == nil {
		wanted = addresses(service)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	open := p.listeners[key]
	for address, listener := range open {
		if _, ok := wanted[address]; !ok {
			_ = listener.Close()
			delete(open, address)
		}
	}
	if len(wanted) == 0 {
		delete(p.listeners, key)
		return nil
	}
	if open == nil {
		open = map[netip.AddrPort]net.Listener{}
		p.listeners[key] = open
	}
	var failed []error
	for address, port := range wanted {
		if open[address] != nil {
			continue
		}
		listener, err := net.Listen("tcp", address.String())
		if err != nil {
			failed = append(failed, fmt.Errorf("service %s at its cluster IP: %w", key, err))
			continue
		}
		open[address] = listener
		p.relays.Go(func() { p.accept(listener, key, port) })
	}
	return errors.Join(failed...)
}

// addresses are the loopback addresses a Service is reached at, with its ports.
func addresses(service *corev1.Service) map[netip.AddrPort]int32 {
	found := map[netip.AddrPort]int32{}
	address, err := netip.ParseAddr(service.Spec.ClusterIP)
	if err != nil || !address.IsLoopback() {
		return found
	}
	for _, port := range service.Spec.Ports {
		if port.Protocol == corev1.ProtocolTCP || port.Protocol == "" {
			found[netip.AddrPortFrom(address, uint16(port.Port))] = port.Port
		}
	}
	return found
}

func (p *Proxy) accept(listener net.Listener, key string, port int32) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		p.relays.Go(func() { p.relay(client, key, port) })
	}
}

func (p *Proxy) relay(client net.Conn, key string, port int32) {
	backend, err := p.dial(client.RemoteAddr(), key, port)
	if err != nil {
		p.log.Debug("cluster IP: refused", "service", key, "port", port, "client", client.RemoteAddr().String(), "error", err)
		network.Reset(client)
		return
	}
	network.RelayUntil(p.ctx, client, backend)
}

func (p *Proxy) dial(remote net.Addr, key string, port int32) (net.Conn, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil, err
	}
	service, err := p.services.Services(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	from := policy.Peer{IP: remote.(*net.TCPAddr).AddrPort().Addr().Unmap()}
	return p.network.DialEndpoint(p.ctx, &from, service, port)
}

// Stop closes every listener and connection, and waits for them.
func (p *Proxy) Stop() {
	p.cancel()
	p.mu.Lock()
	for _, open := range p.listeners {
		for _, listener := range open {
			_ = listener.Close()
		}
	}
	p.listeners = nil
	p.mu.Unlock()
	p.relays.Wait()
}
