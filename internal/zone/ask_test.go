package zone

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// resolver forwards to an authoritative server and, like any resolver, does not
// call the answers its own.
func resolver(t *testing.T, to string) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(started) },
		Handler: dns.HandlerFunc(func(w dns.ResponseWriter, request *dns.Msg) {
			answer, err := dns.Exchange(request, to)
			if err != nil {
				answer = new(dns.Msg)
				answer.SetRcode(request, dns.RcodeServerFailure)
			}
			answer.Id, answer.Authoritative, answer.RecursionAvailable = request.Id, false, true
			_ = w.WriteMsg(answer)
		})}
	ended := make(chan struct{})
	go func() {
		_ = server.ActivateAndServe()
		close(ended)
	}()
	<-started
	t.Cleanup(func() {
		_ = server.Shutdown()
		<-ended
	})
	return packets.LocalAddr().String()
}

// two servers of one zone at addresses of their own, on the same port. BIND listens
// only where an interface has the address, which leaves ::1 for the second.
func two(t *testing.T, first, second []string) (ns1, ns2 *named.Server) {
	t.Helper()
	addresses := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	if probe, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
		t.Skipf("two servers on one port need ::1: %v", err)
	} else {
		_ = probe.Close()
	}
	zone := func(records []string) []named.Zone {
		return []named.Zone{{Name: testZone, Servers: addresses, Records: records}}
	}
	ns1 = named.Start(t, named.Options{Address: addresses[0], Zones: zone(first)})
	ns2 = named.Start(t, named.Options{Address: addresses[1], Port: ns1.Port(), Zones: zone(second)})
	return ns1, ns2
}

func find(t *testing.T, asker *Asker, first, name string) Zone {
	t.Helper()
	zone, err := asker.Find(timeout(t), first, name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestAskEachServer walks from a resolver to the zone's own servers and hears both.
func TestAskEachServer(t *testing.T) {
	ns1, ns2 := two(t, []string{"acme 60 IN A 192.0.2.7", "acme 60 IN AAAA 2001:db8::7"}, []string{"acme 60 IN A 192.0.2.8"})
	asker := NewAsker(int(ns1.Port()), time.Now)
	zone := find(t, asker, resolver(t, ns1.Address()), "acme."+testZone)
	servers := []Server{{Name: "ns1." + testZone + ".", Address: ns1.Address()}, {Name: "ns2." + testZone + ".", Address: ns2.Address()}}
	if diff := cmp.Diff(Zone{Apex: testZone, Servers: servers}, zone); diff != "" {
		t.Fatalf("zone (-want +got):\n%s", diff)
	}
	want := []Answer{
		{Server: servers[0], Addresses: []string{"192.0.2.7", "2001:db8::7"}},
		{Server: servers[1], Addresses: []string{"192.0.2.8"}},
	}
	if diff := cmp.Diff(want, asker.Ask(timeout(t), zone, "acme."+testZone)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	ns2.Down()
	want[1] = Answer{Server: servers[1], Error: "connection refused"}
	if diff := cmp.Diff(want, asker.Ask(timeout(t), zone, "acme."+testZone)); diff != "" {
		t.Errorf("answers with one server down (-want +got):\n%s", diff)
	}
}

// TestAskOneServer: a server that holds the zone is asked alone.
func TestAskOneServer(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone, Records: []string{"alias 60 IN CNAME lb.cloud.example."}}}})
	asker := NewAsker(0, time.Now)
	zone := find(t, asker, server.Address(), "alias."+testZone)
	answers := asker.Ask(timeout(t), zone, "alias."+testZone)
	want := []Answer{{Server: Server{Address: server.Address()}, Target: "lb.cloud.example"}}
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Error(diff)
	}
	if got := asker.Ask(timeout(t), zone, "nobody."+testZone); len(got[0].Addresses) > 0 || got[0].Error != "" {
		t.Errorf("a name that does not exist answers %+v", got[0])
	}
}

// TestAskAServerThatDoesNotHoldTheZone takes no hearsay.
func TestAskAServerThatDoesNotHoldTheZone(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone, Records: []string{"acme 60 IN A 192.0.2.7"}}}})
	hearsay := Server{Name: "ns9." + testZone + ".", Address: resolver(t, server.Address())}
	answers := NewAsker(0, time.Now).Ask(timeout(t), Zone{Apex: testZone, Servers: []Server{hearsay}}, "acme."+testZone)
	if want := "does not hold the zone, although the zone names it as a server"; answers[0].Error != want {
		t.Errorf("error %q, want %q", answers[0].Error, want)
	}
}

// TestFindRemembersForAWhile: hundreds of tenants share one look-up.
func TestFindRemembersForAWhile(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone}}})
	now := time.Now()
	asker := NewAsker(0, func() time.Time { return now })
	find(t, asker, server.Address(), "acme."+testZone)
	server.Down()
	find(t, asker, server.Address(), "beta."+testZone)
	now = now.Add(2 * remember)
	if _, err := asker.Find(timeout(t), server.Address(), "acme."+testZone); err == nil {
		t.Error("found through a server that is down")
	}
}

func TestWildcardAndOwner(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: "example.com", Records: []string{
		"*.soc 60 IN A 192.0.2.250",
		"acme.soc 60 IN A 192.0.2.7",
		`a-acme.soc 60 IN TXT "heritage=external-dns,external-dns/owner=us-1,external-dns/resource=tenant/acme"`,
		"byhand.soc 60 IN A 192.0.2.8",
	}}}})
	asker := NewAsker(0, time.Now)
	zone := find(t, asker, server.Address(), "acme."+testZone)
	for _, c := range []struct {
		name, wildcard string
		owner          *record.Owner
	}{
		{"acme." + testZone, "", &record.Owner{ID: "us-1", Resource: "tenant/acme"}},
		{"byhand." + testZone, "", nil},
		{"missing." + testZone, "*." + testZone, nil},
	} {
		answer := asker.Ask(context.Background(), zone, c.name)[0]
		if got := asker.Wildcard(timeout(t), zone, answer, c.name); got != c.wildcard {
			t.Errorf("%s is answered by wildcard %q, want %q", c.name, got, c.wildcard)
		}
		if diff := cmp.Diff(c.owner, asker.Owner(timeout(t), zone.Servers[0], record.Naming{}, c.name)); diff != "" {
			t.Errorf("owner of %s (-want +got):\n%s", c.name, diff)
		}
	}
}
