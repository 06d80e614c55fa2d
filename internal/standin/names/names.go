// Package names plays external-dns together with the name server it feeds: a
// real DNS server on loopback that answers for the hostnames which Services ask
// for in external-dns's annotations, as long as the Service has an address.
//
// Nothing is stored: each answer is computed from the Services as they are now,
// so a record goes with its Service. Start with [Start].
package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// defaultTTL is external-dns's own default for providers without one.
const defaultTTL = 300

// Server answers over UDP and TCP on one address.
type Server struct {
	services corelisters.ServiceLister
	udp, tcp *dns.Server
	address  string

	mu     sync.RWMutex
	byHand map[string]netip.Addr // records a person made; "*.domain" for any one label
}

// Create makes a record as a person would at the zone's own server. A name that
// begins with "*." answers for every label in front of the rest.
func (s *Server) Create(name string, address netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHand == nil {
		s.byHand = map[string]netip.Addr{}
	}
	s.byHand[canonical(name)] = address
}

// made finds a record made by hand; an exact name hides a wildcard.
func (s *Server) made(name string) (netip.Addr, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if address, ok := s.byHand[name]; ok {
		return address, true
	}
	_, parent, _ := strings.Cut(name, ".")
	address, ok := s.byHand["*."+parent]
	return address, ok
}

// attempts is how often a port free for UDP, but not for TCP, is given up.
const attempts = 20

// Start listens on a free port of 127.0.0.1.
func Start(services corelisters.ServiceLister) (*Server, error) {
	s := &Server{services: services}
	var failed error
	for range attempts {
		packets, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		stream, err := net.Listen("tcp", packets.LocalAddr().String())
		if err != nil {
			_ = packets.Close()
			failed = err
			continue
		}
		s.address = packets.LocalAddr().String()
		s.udp = &dns.Server{PacketConn: packets, Handler: s}
		s.tcp = &dns.Server{Listener: stream, Handler: s}
		return s, s.serve()
	}
	return nil, fmt.Errorf("no port free for both UDP and TCP: %w", failed)
}

// serve returns once both listeners answer: only then can they be shut down.
func (s *Server) serve() error {
	for _, server := range []*dns.Server{s.udp, s.tcp} {
		started, failed := make(chan struct{}), make(chan error, 1)
		server.NotifyStartedFunc = func() { close(started) }
		go func() { failed <- server.ActivateAndServe() }()
		select {
		case <-started:
		case err := <-failed:
			return fmt.Errorf("name server: %w", err)
		}
	}
	return nil
}

// Address is host:port, for UDP and TCP alike.
func (s *Server) Address() string { return s.address }

// Stop ends the server.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = errors.Join(s.udp.ShutdownContext(ctx), s.tcp.ShutdownContext(ctx))
}

// ServeDNS answers one question.
func (s *Server) ServeDNS(w dns.ResponseWriter, request *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(request)
	answer.Authoritative = true
	if len(request.Question) != 1 || request.Opcode != dns.OpcodeQuery {
		answer.Rcode = dns.RcodeNotImplemented
		_ = w.WriteMsg(answer)
		return
	}
	question := request.Question[0]
	addresses, ttl, known := s.lookup(question.Name)
	if !known {
		answer.Rcode = dns.RcodeNameError
	}
	for _, address := range addresses {
		if record := record(question, address, ttl); record != nil {
			answer.Answer = append(answer.Answer, record)
		}
	}
	if len(answer.Answer) == 0 {
		answer.Ns = []dns.RR{authority()}
	}
	_ = w.WriteMsg(answer)
}

func record(question dns.Question, address netip.Addr, ttl uint32) dns.RR {
	header := dns.RR_Header{Name: question.Name, Class: dns.ClassINET, Ttl: ttl}
	switch {
	case address.Is4() && (question.Qtype == dns.TypeA || question.Qtype == dns.TypeANY):
		header.Rrtype = dns.TypeA
		return &dns.A{Hdr: header, A: address.AsSlice()}
	case address.Is6() && (question.Qtype == dns.TypeAAAA || question.Qtype == dns.TypeANY):
		header.Rrtype = dns.TypeAAAA
		return &dns.AAAA{Hdr: header, AAAA: address.AsSlice()}
	}
	return nil
}

// authority lets a resolver remember a missing name for one second only.
func authority() dns.RR {
	return &dns.SOA{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 1},
		Ns: "standin.invalid.", Mbox: "nobody.invalid.", Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 1}
}

// lookup collects the addresses of all Services that ask for the name.
func (s *Server) lookup(name string) (addresses []netip.Addr, ttl uint32, known bool) {
	services, err := s.services.List(labels.Everything())
	if err != nil {
		return nil, 0, false
	}
	name = canonical(name)
	ttl = defaultTTL
	for _, service := range services {
		if !slices.Contains(hostnames(service), name) {
			continue
		}
		for _, target := range targets(service) {
			if address, err := netip.ParseAddr(target); err == nil {
				addresses = append(addresses, address)
				known = true
			}
		}
		ttl = timeToLive(service, ttl)
	}
	if address, ok := s.made(name); ok && !known {
		return []netip.Addr{address}, ttl, true
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses), ttl, known
}

func hostnames(service *corev1.Service) []string {
	var names []string
	for _, annotation := range []string{naming.AnnotationDNSHostname, naming.AnnotationDNSHostnameLegacy} {
		for name := range strings.SplitSeq(service.Annotations[annotation], ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, canonical(name))
			}
		}
	}
	return names
}

// targets are the addresses an annotation names, or else the load balancer's.
func targets(service *corev1.Service) []string {
	for _, annotation := range []string{naming.AnnotationDNSTarget, naming.AnnotationDNSTargetLegacy} {
		if text := service.Annotations[annotation]; text != "" {
			return strings.Split(text, ",")
		}
	}
	var out []string
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		out = append(out, ingress.IP)
	}
	return out
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// timeToLive reads seconds or a duration, as external-dns does.
func timeToLive(service *corev1.Service, otherwise uint32) uint32 {
	for _, annotation := range []string{naming.AnnotationDNSTTL, naming.AnnotationDNSTTLLegacy} {
		text := service.Annotations[annotation]
		if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
			return uint32(seconds)
		}
		if duration, err := time.ParseDuration(text); err == nil && duration >= 0 {
			return uint32(duration.Seconds())
		}
	}
	return otherwise
}
