// Package loadbalancer plays the load balancer of a cluster on loopback: it
// gives each Service of type LoadBalancer an address, listens there on the
// Service's ports, and relays to a ready endpoint. Where a real controller gives
// the addresses (see [Options.Assigned]), it only listens at those.
//
// A client outside loadBalancerSourceRanges, one that NetworkPolicies do not
// admit, and one for whom there is no ready endpoint get a reset. (A real network
// drops the first two in silence; a reset keeps tests quick.) What was admitted
// once stays connected: rules apply to new connections.
//
// With externalTrafficPolicy Cluster, policies see the node's address instead of
// the client's, as behind a kube-proxy that masquerades. Start with [New].
package loadbalancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
)

// AnnotationAddresses asks for particular addresses, in MetalLB's words.
const AnnotationAddresses = "metallb.io/loadBalancerIPs"

// Options says which Services are served, and from where.
type Options struct {
	Client   kubernetes.Interface
	Services corelisters.ServiceLister
	Network  *network.Network
	Log      *slog.Logger
	// Range is where addresses come from.
	Range netip.Prefix
	// Assigned leaves the giving of addresses to somebody else, such as MetalLB:
	// what stands in a Service's status and lies in Range is served, nothing is
	// written.
	Assigned bool
	// Classes are the loadBalancerClass values served besides none at all.
	Classes []string
	// NodeAddress is what policies see of masqueraded clients.
	NodeAddress netip.Addr
}

// Balancer is the load balancer; Reconcile is its loop's function.
type Balancer struct {
	Options

	mu     sync.Mutex
	fronts map[string]*front     // by Service key
	taken  map[netip.Addr]string // address to Service key
}

// New makes a balancer that serves nothing yet.
func New(options Options) *Balancer {
	return &Balancer{Options: options, fronts: map[string]*front{}, taken: map[netip.Addr]string{}}
}

// Reconcile brings one Service's address and listeners up to date.
func (b *Balancer) Reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	service, err := b.Services.Services(namespace).Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err != nil || !b.serves(service) {
		b.release(key)
		return nil
	}
	if b.Assigned {
		return b.follow(key, service)
	}
	address, err := b.serve(key, service)
	if err != nil {
		b.Log.Warn("load balancer: no address", "service", key, "error", err)
		b.tell(ctx, service, err)
		return err
	}
	return b.publish(ctx, service, address)
}

func (b *Balancer) serves(service *corev1.Service) bool {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || service.DeletionTimestamp != nil {
		return false
	}
	class := service.Spec.LoadBalancerClass
	return class == nil || b.Assigned || slices.Contains(b.Classes, *class)
}

// follow listens where somebody else says: at the first address of the Service's
// status that lies in the range.
func (b *Balancer) follow(key string, service *corev1.Service) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	given := b.given(service)
	held := b.fronts[key]
	if held != nil && held.address == given {
		return held.update(service)
	}
	if held != nil {
		b.drop(key, held)
	}
	if !given.IsValid() {
		return nil
	}
	_, err := b.open(key, service, given)
	return err
}

func (b *Balancer) given(service *corev1.Service) netip.Addr {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(ingress.IP); err == nil && b.Range.Contains(address) {
			return address
		}
	}
	return netip.Addr{}
}

// serve makes listeners fit the Service, choosing an address first if it has
// none, or if it now asks for another one.
func (b *Balancer) serve(key string, service *corev1.Service) (netip.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted, err := b.candidates(service)
	if err != nil {
		return netip.Addr{}, err
	}
	if held := b.fronts[key]; held != nil {
		if len(wanted) == 0 || slices.Contains(wanted, held.address) {
			return held.address, held.update(service)
		}
		b.drop(key, held)
	}
	if len(wanted) > 0 {
		return b.open(key, service, wanted[0])
	}
	for address := range b.addresses(service) {
		if b.taken[address] != "" {
			continue
		}
		opened, err := b.open(key, service, address)
		// Another process on this machine may listen there.
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		return opened, err
	}
	return netip.Addr{}, fmt.Errorf("no free address in %s", b.Range)
}

// candidates are the addresses the Service insists on.
func (b *Balancer) candidates(service *corev1.Service) ([]netip.Addr, error) {
	text := service.Annotations[AnnotationAddresses]
	if text == "" {
		text = service.Spec.LoadBalancerIP
	}
	var wanted []netip.Addr
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		address, err := netip.ParseAddr(part)
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %q is not an address", AnnotationAddresses, part)
		}
		if !b.Range.Contains(address) {
			return nil, fmt.Errorf("annotation %s: %s is not in %s", AnnotationAddresses, address, b.Range)
		}
		wanted = append(wanted, address)
	}
	return wanted, nil
}

// addresses yields the one already published, then the range in order.
func (b *Balancer) addresses(service *corev1.Service) func(yield func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			if held, err := netip.ParseAddr(ingress.IP); err == nil && b.Range.Contains(held) && !yield(held) {
				return
			}
		}
		for address := b.Range.Masked().Addr().Next(); b.Range.Contains(address); address = address.Next() {
			if !yield(address) {
				return
			}
		}
	}
}

func (b *Balancer) open(key string, service *corev1.Service, address netip.Addr) (netip.Addr, error) {
	if owner := b.taken[address]; owner != "" {
		return netip.Addr{}, fmt.Errorf("address %s belongs to service %s", address, owner)
	}
	opened := newFront(b, key, address)
	if err := opened.update(service); err != nil {
		opened.close()
		return netip.Addr{}, err
	}
	b.fronts[key], b.taken[address] = opened, key
	return address, nil
}

func (b *Balancer) drop(key string, held *front) {
	held.close()
	delete(b.fronts, key)
	delete(b.taken, held.address)
}

func (b *Balancer) release(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if held := b.fronts[key]; held != nil {
		b.drop(key, held)
	}
}

// Close ends every listener and every relayed connection.
func (b *Balancer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, held := range b.fronts {
		b.drop(key, held)
	}
}

// publish writes the address into the Service's status.
func (b *Balancer) publish(ctx context.Context, service *corev1.Service, address netip.Addr) error {
	current := service.Status.LoadBalancer.Ingress
	if len(current) == 1 && current[0].IP == address.String() {
		return nil
	}
	update := service.DeepCopy()
	update.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address.String()}}
	_, err := b.Client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, update, metav1.UpdateOptions{})
	return err
}

// tell leaves the event that an operator's user would find, as MetalLB does.
func (b *Balancer) tell(ctx context.Context, service *corev1.Service, cause error) {
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: service.Name + ".allocation", Namespace: service.Namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Name: service.Name,
			Namespace: service.Namespace, UID: service.UID},
		Type: corev1.EventTypeWarning, Reason: "AllocationFailed", Message: cause.Error(),
		Source: corev1.EventSource{Component: "standin-load-balancer"}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	// One event is enough; later attempts find it there.
	_, _ = b.Client.CoreV1().Events(service.Namespace).Create(ctx, event, metav1.CreateOptions{})
}
