package plan

import (
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A Service has one selector for all of its ports. Where the gateway is a pod of
// its own, the agents' Service must lead to that pod for enrollment and to the
// manager's pods for everything else, without a further hop. So its selector finds
// nobody, and its EndpointSlices are copied from those Kubernetes keeps for two
// Services with one selector each.

// Mirror is what must become of the agents' EndpointSlices.
type Mirror struct {
	Write  []discoveryv1.EndpointSlice
	Delete []discoveryv1.EndpointSlice
}

// MirrorWish says what the agents' Service is to lead to.
type MirrorWish struct {
	// Alone is true when the gateway is a pod of its own; Closed when nobody is to
	// get in; Local when nodes serve their own pods only.
	Alone, Closed, Local bool
	// Pods is how many pods the manager has.
	Pods int
}

// MirrorEndpoints decides by all the EndpointSlices of the tenant.
func MirrorEndpoints(place Placement, wish MirrorWish, seen []discoveryv1.EndpointSlice) Mirror {
	held, theirs := map[string]discoveryv1.EndpointSlice{}, 0
	for _, one := range seen {
		switch {
		case one.Labels[discoveryv1.LabelServiceName] != naming.ServiceAgents:
		case OurEndpoints(one):
			held[one.Name] = one
		default:
			theirs += len(one.Endpoints)
		}
	}
	var out Mirror
	keep := map[string]bool{}
	if wish.Alone && !wish.Closed {
		for _, want := range mirrored(place, wish.Local, seen) {
			keep[want.Name] = true
			have, there := held[want.Name]
			if !there || !sameEndpoints(have, want) {
				out.Write = append(out.Write, want)
			}
		}
	}
	if !wish.Alone && !wish.Closed && theirs == 0 && wish.Pods > 0 {
		// The Service has its selector back, and Kubernetes has not found the pods
		// yet: until then these are the way in.
		return out
	}
	for name, have := range held {
		if !keep[name] {
			out.Delete = append(out.Delete, have)
		}
	}
	slices.SortFunc(out.Delete, func(a, b discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// OurEndpoints tells slices the operator wrote from those Kubernetes did. The
// latter carry our labels too: Kubernetes copies those of their Service.
func OurEndpoints(slice discoveryv1.EndpointSlice) bool {
	return slice.Labels[discoveryv1.LabelManagedBy] == naming.Product
}

// mirrored are the slices as they are to be, by name.
func mirrored(place Placement, local bool, seen []discoveryv1.EndpointSlice) []discoveryv1.EndpointSlice {
	nodes := map[string]bool{}
	for _, source := range seen {
		if source.Labels[discoveryv1.LabelServiceName] != naming.ServicePods {
			continue
		}
		for _, endpoint := range source.Endpoints {
			nodes[nodeOf(endpoint)] = true
		}
	}
	var out []discoveryv1.EndpointSlice
	for _, source := range seen {
		endpoints := source.Endpoints
		var ports []discoveryv1.EndpointPort
		switch source.Labels[discoveryv1.LabelServiceName] {
		case naming.ServicePods:
			ports = portsWhere(source, func(name string) bool { return name != naming.PortAuthd })
		case naming.ServiceGateway:
			ports = portsWhere(source, func(name string) bool { return name == naming.PortEnrollment })
			if local {
				// A node with the gateway alone would have the load balancer send it
				// events, and lose them.
				endpoints = slices.DeleteFunc(slices.Clone(endpoints), func(e discoveryv1.Endpoint) bool { return !nodes[nodeOf(e)] })
			}
		default:
			continue
		}
		out = append(out, discoveryv1.EndpointSlice{
			TypeMeta: metav1.TypeMeta{APIVersion: discoveryv1.SchemeGroupVersion.String(), Kind: "EndpointSlice"},
			ObjectMeta: metav1.ObjectMeta{Namespace: place.Namespace, Name: naming.MirroredSlice(source.Name), Labels: map[string]string{
				discoveryv1.LabelServiceName: naming.ServiceAgents, discoveryv1.LabelManagedBy: naming.Product,
				naming.LabelTenant: place.Slug, naming.LabelManagedBy: naming.Product,
			}},
			AddressType: source.AddressType, Endpoints: endpoints, Ports: ports,
		})
	}
	slices.SortFunc(out, func(a, b discoveryv1.EndpointSlice) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func nodeOf(endpoint discoveryv1.Endpoint) string {
	if endpoint.NodeName == nil {
		return ""
	}
	return *endpoint.NodeName
}

func portsWhere(slice discoveryv1.EndpointSlice, want func(name string) bool) []discoveryv1.EndpointPort {
	return slices.DeleteFunc(slices.Clone(slice.Ports), func(p discoveryv1.EndpointPort) bool {
		return p.Name == nil || !want(*p.Name)
	})
}

func sameEndpoints(have, want discoveryv1.EndpointSlice) bool {
	return equality.Semantic.DeepEqual(have.Endpoints, want.Endpoints) && equality.Semantic.DeepEqual(have.Ports, want.Ports) &&
		have.Labels[discoveryv1.LabelServiceName] == want.Labels[discoveryv1.LabelServiceName]
}

// endpointsAreOurs is false for the moment in which a Service that has its own
// selector is taken over: it keeps that until the operator's endpoints are there.
func endpointsAreOurs(in Input) bool {
	seen := in.Observed.Service
	return !seen.Exists || seen.Elsewhere || seen.Mirrored || in.Tenant.Spec.Suspended
}
