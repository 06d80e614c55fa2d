//go:build linux

package realnode

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// zone is the cluster's. The name server answers for it as CoreDNS does for Services
// with a cluster IP, and refuses everything else: pods here ask for nothing else.
const zone = "svc.cluster.local."

type names struct{ client client.Client }

// startNames answers at the router's address.
func (c *Cluster) startNames() error {
	listener, err := net.ListenPacket("udp", netip.AddrPortFrom(router, 53).String())
	if err != nil {
		return err
	}
	server := &dns.Server{PacketConn: listener, Handler: &names{c.Client}}
	go func() { _ = server.ActivateAndServe() }() // until the sandbox ends
	return nil
}

func (n *names) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	reply := new(dns.Msg).SetReply(request)
	reply.Authoritative = true
	for _, question := range request.Question {
		addresses, code := n.answer(strings.ToLower(question.Name))
		reply.Rcode = code
		for _, address := range addresses {
			header := dns.RR_Header{Name: question.Name, Class: dns.ClassINET, Ttl: 5}
			switch ip := address.AsSlice(); {
			case address.Is4() && question.Qtype == dns.TypeA:
				header.Rrtype = dns.TypeA
				reply.Answer = append(reply.Answer, &dns.A{Hdr: header, A: ip})
			case address.Is6() && question.Qtype == dns.TypeAAAA:
				header.Rrtype = dns.TypeAAAA
				reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header, AAAA: ip})
			}
		}
	}
	_ = w.WriteMsg(reply)
}

func (n *names) answer(name string) ([]netip.Addr, int) {
	rest, ours := strings.CutSuffix(name, "."+zone)
	if !ours {
		return nil, dns.RcodeNameError
	}
	service, namespace, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(namespace, ".") {
		return nil, dns.RcodeNameError
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var found corev1.Service
	if err := n.client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: service}, &found); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, dns.RcodeNameError
		}
		return nil, dns.RcodeServerFailure
	}
	texts := found.Spec.ClusterIPs
	if found.Spec.ClusterIP == corev1.ClusterIPNone {
		texts = n.endpoints(ctx, namespace, service)
	}
	var addresses []netip.Addr
	for _, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil {
			addresses = append(addresses, address)
		}
	}
	return addresses, dns.RcodeSuccess
}

// endpoints are the ready addresses behind a Service without one of its own.
func (n *names) endpoints(ctx context.Context, namespace, service string) []string {
	var slices discoveryv1.EndpointSliceList
	if err := n.client.List(ctx, &slices, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service}); err != nil {
		return nil
	}
	var addresses []string
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				addresses = append(addresses, endpoint.Addresses...)
			}
		}
	}
	return addresses
}
