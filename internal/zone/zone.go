// Package zone speaks with the servers that hold a DNS zone. [Asker] finds them
// and asks each, without recursion, what a name says: an answer from a resolver
// may be an hour old, theirs is the truth. [Writer] changes records by signed
// RFC 2136 updates that take effect only if the zone still is as it was read.
//
// What is wanted, and whose a record is, is data in internal/record.
package zone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Server is one of a zone's own servers.
type Server struct {
	// Name as the zone's NS record gives it; its address where it was configured.
	Name string
	// Address is host:port.
	Address string
}

// String names the server with its address.
func (s Server) String() string {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil || port != strconv.Itoa(defaultPort) {
		host = s.Address
	}
	if s.Name == "" {
		return host
	}
	return strings.TrimSuffix(s.Name, ".") + " (" + host + ")"
}

// Zone is a zone and the servers that hold it.
type Zone struct {
	// Apex without the final dot.
	Apex    string
	Servers []Server
}

const defaultPort = 53

// remember is how long a zone's servers are not looked up again.
const remember = time.Minute

// Asker finds zones and asks their servers.
type Asker struct {
	port int
	now  func() time.Time

	mu    sync.Mutex
	known map[[2]string]remembered
}

type remembered struct {
	zone  Zone
	until time.Time
}

// NewAsker makes one. Servers that NS records name are asked at the port; 0 means 53.
func NewAsker(port int, now func() time.Time) *Asker {
	if port == 0 {
		port = defaultPort
	}
	return &Asker{port: port, now: now, known: map[[2]string]remembered{}}
}

// Find says which servers hold the name. The server it asks first, as host:port,
// may be a resolver, or one of the zone's own: that one then stands for all. Empty
// means the resolver this host uses.
func (a *Asker) Find(ctx context.Context, first, name string) (Zone, error) {
	_, parent, _ := strings.Cut(name, ".")
	key := [2]string{first, parent}
	a.mu.Lock()
	have, ok := a.known[key]
	a.mu.Unlock()
	if ok && a.now().Before(have.until) {
		return have.zone, nil
	}
	found, err := a.find(ctx, first, name)
	if err != nil {
		return Zone{}, err
	}
	a.mu.Lock()
	a.known[key] = remembered{zone: found, until: a.now().Add(remember)}
	a.mu.Unlock()
	return found, nil
}

func (a *Asker) find(ctx context.Context, first, name string) (Zone, error) {
	resolvers := []string{first}
	if first == "" {
		config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return Zone{}, fmt.Errorf("read the host's resolvers: %w", err)
		}
		resolvers = nil
		for _, server := range config.Servers {
			resolvers = append(resolvers, net.JoinHostPort(server, config.Port))
		}
	}
	err := errors.New("the host has no resolver (/etc/resolv.conf)")
	for _, resolver := range resolvers {
		var found Zone
		if found, err = a.findThrough(ctx, resolver, name); err == nil {
			return found, nil
		}
	}
	return Zone{}, err
}

func (a *Asker) findThrough(ctx context.Context, resolver, name string) (Zone, error) {
	answer, err := exchange(ctx, resolver, question(name, dns.TypeSOA, true))
	if err != nil {
		return Zone{}, fmt.Errorf("%s: %w", resolver, err)
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return Zone{}, fmt.Errorf("%s answers %s", resolver, dns.RcodeToString[answer.Rcode])
	}
	apex := ""
	for _, record := range append(answer.Answer, answer.Ns...) {
		if soa, ok := record.(*dns.SOA); ok {
			apex = strings.TrimSuffix(soa.Hdr.Name, ".")
		}
	}
	if answer.Authoritative {
		return Zone{Apex: apex, Servers: []Server{{Address: resolver}}}, nil
	}
	if apex == "" {
		return Zone{}, fmt.Errorf("%s knows no zone that %s is in", resolver, name)
	}
	servers, err := a.servers(ctx, resolver, apex)
	return Zone{Apex: apex, Servers: servers}, err
}

// servers looks the zone's servers and their addresses up.
func (a *Asker) servers(ctx context.Context, resolver, apex string) ([]Server, error) {
	answer, err := exchange(ctx, resolver, question(apex, dns.TypeNS, true))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", resolver, err)
	}
	var servers []Server
	for _, record := range answer.Answer {
		ns, ok := record.(*dns.NS)
		if !ok {
			continue
		}
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
			hosts, err := exchange(ctx, resolver, question(ns.Ns, kind, true))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", resolver, err)
			}
			for _, host := range hosts.Answer {
				if address := addressOf(host); address != "" {
					servers = append(servers, Server{Name: ns.Ns, Address: net.JoinHostPort(address, strconv.Itoa(a.port))})
				}
			}
		}
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s knows no server of zone %s that has an address", resolver, apex)
	}
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.Name+a.Address, b.Name+b.Address) })
	return slices.Compact(servers), nil
}

func addressOf(record dns.RR) string {
	switch r := record.(type) {
	case *dns.A:
		return r.A.String()
	case *dns.AAAA:
		return r.AAAA.String()
	}
	return ""
}
