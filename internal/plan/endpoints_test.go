package plan

import (
	"fmt"
	"slices"
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// slice is an EndpointSlice of a Service in the words of a test: ports by name, and
// endpoints as address and node.
func slice(service, name, by string, ports []string, endpoints ...[2]string) discoveryv1.EndpointSlice {
	out := discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: by}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	for _, port := range ports {
		out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: &port})
	}
	for _, e := range endpoints {
		zone := "zone-of-" + e[1]
		ready := e[0] != "10.0.0.9"
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{e[0]}, NodeName: &e[1], Zone: &zone, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return out
}

// told is a slice in few words.
func told(s discoveryv1.EndpointSlice) string {
	text := s.Name + ":"
	for _, port := range s.Ports {
		text += " " + *port.Name
	}
	for _, e := range s.Endpoints {
		text += fmt.Sprintf(" %s@%s/%s ready=%t", e.Addresses[0], *e.NodeName, *e.Zone, *e.Conditions.Ready)
	}
	return text
}

// Events lead to the manager's pods and enrollment to the gateway's, as Kubernetes
// sees them; what nobody needs any more goes, and not before.
func TestEndpointsOfAgents(t *testing.T) {
	const kubernetes = "endpointslice-controller.k8s.io"
	place := Placement{Slug: "acme", Namespace: naming.Namespace("acme")}
	manager := func(endpoints ...[2]string) discoveryv1.EndpointSlice {
		return slice(naming.ServicePods, "pods-a", kubernetes, []string{"events", naming.PortAuthd}, endpoints...)
	}
	gateway := func(endpoints ...[2]string) discoveryv1.EndpointSlice {
		return slice(naming.ServiceGateway, "gateway-b", kubernetes, []string{"admin", "metrics", "enrollment"}, endpoints...)
	}
	own := func(endpoints ...[2]string) discoveryv1.EndpointSlice {
		return slice(naming.ServiceAgents, "own-c", kubernetes, []string{"events", "enrollment"}, endpoints...)
	}
	at := func(address, node string) [2]string { return [2]string{address, node} }
	const events, enrollment = "wazuh-manager-from-pods-a", "wazuh-manager-from-gateway-b"
	ours := func(endpoints ...[2]string) discoveryv1.EndpointSlice {
		return slice(naming.ServiceAgents, events, naming.Product, []string{"events"}, endpoints...)
	}
	type slicesOf = []discoveryv1.EndpointSlice
	for what, c := range map[string]struct {
		wish       MirrorWish
		seen       slicesOf
		write, del []string
	}{
		"one port group each": {MirrorWish{Alone: true, Local: true},
			slicesOf{own(), manager(at("10.0.0.1", "n1")), gateway(at("10.0.0.2", "n1"))},
			[]string{enrollment + ": enrollment 10.0.0.2@n1/zone-of-n1 ready=true", events + ": events 10.0.0.1@n1/zone-of-n1 ready=true"}, nil},
		"a pod that is not ready is told as such": {MirrorWish{Alone: true}, slicesOf{manager(at("10.0.0.9", "n1"))},
			[]string{events + ": events 10.0.0.9@n1/zone-of-n1 ready=false"}, nil},
		"as it is to be":        {MirrorWish{Alone: true}, slicesOf{manager(at("10.0.0.1", "n1")), ours(at("10.0.0.1", "n1"))}, nil, nil},
		"the manager has moved": {MirrorWish{Alone: true}, slicesOf{manager(at("10.0.0.7", "n2")), ours(at("10.0.0.1", "n1"))}, []string{events + ": events 10.0.0.7@n2/zone-of-n2 ready=true"}, nil},
		"with Local, a gateway on a node without a manager would take its events": {MirrorWish{Alone: true, Local: true},
			slicesOf{manager(at("10.0.0.1", "n1")), gateway(at("10.0.0.2", "n2"))},
			[]string{enrollment + ": enrollment", events + ": events 10.0.0.1@n1/zone-of-n1 ready=true"}, nil},
		"with Cluster, it serves": {MirrorWish{Alone: true},
			slicesOf{manager(at("10.0.0.1", "n1")), gateway(at("10.0.0.2", "n2"))},
			[]string{enrollment + ": enrollment 10.0.0.2@n2/zone-of-n2 ready=true", events + ": events 10.0.0.1@n1/zone-of-n1 ready=true"}, nil},
		"a source is gone":                       {MirrorWish{Alone: true, Pods: 1}, slicesOf{ours(at("10.0.0.1", "n1"))}, nil, []string{events}},
		"suspended":                              {MirrorWish{Alone: true, Closed: true, Pods: 1}, slicesOf{manager(at("10.0.0.1", "n1")), ours(at("10.0.0.1", "n1"))}, nil, []string{events}},
		"direct, and Kubernetes has not begun":   {MirrorWish{Pods: 1}, slicesOf{own(), ours(at("10.0.0.1", "n1"))}, nil, nil},
		"direct, and Kubernetes leads to a pod":  {MirrorWish{Pods: 1}, slicesOf{own(at("10.0.0.1", "n1")), ours(at("10.0.0.1", "n1"))}, nil, []string{events}},
		"direct, and there is no pod to lead to": {MirrorWish{}, slicesOf{own(), ours(at("10.0.0.1", "n1"))}, nil, []string{events}},
		"direct, and there never was a gateway":  {MirrorWish{Pods: 1}, slicesOf{own(at("10.0.0.1", "n1"))}, nil, nil},
	} {
		t.Run(what, func(t *testing.T) {
			got := MirrorEndpoints(place, c.wish, c.seen)
			var write, del []string
			for _, s := range got.Write {
				write = append(write, told(s))
				if s.Labels[discoveryv1.LabelServiceName] != naming.ServiceAgents || !OurEndpoints(s) || s.Labels[naming.LabelTenant] != "acme" || s.Namespace != "tenant-acme" || s.AddressType != discoveryv1.AddressTypeIPv4 {
					t.Errorf("%s has labels %v", s.Name, s.Labels)
				}
			}
			for _, s := range got.Delete {
				del = append(del, s.Name)
			}
			if !slices.Equal(write, c.write) || !slices.Equal(del, c.del) {
				t.Errorf("write %q, delete %q; want %q and %q", write, del, c.write, c.del)
			}
		})
	}
}
