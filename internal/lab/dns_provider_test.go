package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// A tenant's name comes and goes through external-dns's own webhook server around
// one of its providers: the provider not started yet, a person's record in the way,
// the provider's own server away for a while.
func TestNamesThroughAProvider(t *testing.T) {
	t.Parallel()
	l := installation(t)
	binary := controlplanetest.Program(t, controlplane.ExternalDNS)
	const zone, name = "glens.example.com", "fern.glens.example.com"
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: zone, Records: []string{"fern 60 IN A 192.0.2.99"}}}})
	address := controlplanetest.FreeAddress(t)
	front := &blind{}
	front.to(t, address)
	region(t, l, "glens", v1alpha1.RegionSpec{Domain: zone, DNS: v1alpha1.DNSSpec{
		Mode: v1alpha1.DNSDirect, OwnerID: "eu-1", Server: server.Address(), TTL: 60,
		Webhook: &v1alpha1.WebhookSpec{URL: front.URL},
	}})
	create(t, l, "fern", v1alpha1.TenantSpec{Region: "glens"})
	leaves(t, l, "fern")
	reports(t, l, "fern", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonDNSUnreachable, front.URL, "answers 502")
	runExternalDNS(t, binary, server, zone, "--webhook-listen", address)
	reports(t, l, "fern", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordOwnedByOther, "192.0.2.99", "nobody that left a mark")
	server.Change(zone, nil, []string{name})
	becomesReady(t, l, "fern")
	status := get(t, l, "fern").Status
	answers(t, server, name, "A", status.Address)
	answers(t, server, "a-"+name, "TXT", record.Owner{ID: "eu-1", Resource: "tenant/fern"}.Text())
	if want := "this operator, by changes to the provider at " + front.URL; status.DNS.Writer != want {
		t.Errorf("the writer is %q, want %q", status.DNS.Writer, want)
	}
	// The provider's account may not read any more: it lists nothing, and says 200.
	front.sees.Store(false)
	reports(t, l, "fern", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonListingDoubted, front.URL, "its listing is not believed")
	if wrote := front.posts.Load(); wrote != 1 {
		t.Errorf("%d changes were posted, want the first one only", wrote)
	}
	// And now the zone is emptied in truth.
	server.Change(zone, nil, []string{name, "a-" + name})
	eventually(t, "the records are written again", func(context.Context) (bool, error) {
		if front.posts.Load() < 2 {
			return false, errors.New("nothing was posted")
		}
		return true, nil
	})
	front.sees.Store(true)
	becomesReady(t, l, "fern")
	answers(t, server, name, "A", status.Address)

	server.Down()
	reports(t, l, "fern", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonDNSUnreachable, "answers 500 (Internal Server Error) to GET /records")
	server.Up()
	becomesReady(t, l, "fern")
	if err := l.Client.Delete(t.Context(), get(t, l, "fern")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "fern"})
	answers(t, server, name, "A")
	answers(t, server, "a-"+name, "TXT")
}

// blind is a way to a provider. While it sees nothing it answers as a provider does
// whose account may not read: a list without anything on it.
type blind struct {
	*httptest.Server
	sees  atomic.Bool
	posts atomic.Int32
}

func (b *blind) to(t *testing.T, address string) {
	b.sees.Store(true)
	provider := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/records" && request.Method == http.MethodPost {
			b.posts.Add(1)
		}
		if request.URL.Path == "/records" && request.Method == http.MethodGet && !b.sees.Load() {
			w.Header().Set("Content-Type", "application/external.dns.webhook+json;version=1")
			fmt.Fprint(w, "[]")
			return
		}
		provider.ServeHTTP(w, request)
	}))
	t.Cleanup(b.Server.Close)
}

// A live Region changes its mind about names: another server, another domain and
// zone, nobody, a person. What was written before goes, by the owner that wrote it;
// what cannot go is named, until it is gone.
func TestNamesAreTakenBack(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const moors, fens = "moors.example.com", "fens.example.com"
	old := named.Start(t, named.Options{Zones: []named.Zone{{Name: moors}, {Name: fens}}})
	other := named.Start(t, named.Options{Secret: old.Secret(), Zones: []named.Zone{{Name: moors}}})
	tsigSecret(t, l, "moors-key", old.Secret())
	region(t, l, "moors", direct(old, moors, "eu-1", "moors-key"))
	says := func(edit func(*v1alpha1.RegionSpec)) {
		t.Helper()
		var now v1alpha1.Region
		if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "moors"}, &now); err != nil {
			t.Fatal(err)
		}
		change(t, l, &now, func() { edit(&now.Spec) })
	}
	empty := func(server *named.Server, name string) {
		t.Helper()
		answers(t, server, name, "A")
		answers(t, server, "a-"+name, "TXT")
	}
	create(t, l, "heath", v1alpha1.TenantSpec{Region: "moors"})
	leaves(t, l, "heath")
	becomesReady(t, l, "heath")
	address := get(t, l, "heath").Status.Address
	answers(t, old, "heath."+moors, "A", address)

	says(func(spec *v1alpha1.RegionSpec) { spec.DNS = direct(other, moors, "eu-1", "moors-key").DNS })
	answers(t, other, "heath."+moors, "A", address)
	empty(old, "heath."+moors)

	says(func(spec *v1alpha1.RegionSpec) {
		spec.Domain, spec.DNS = fens, direct(old, fens, "eu-1", "moors-key").DNS
	})
	answers(t, old, "heath."+fens, "A", address)
	empty(other, "heath."+moors)
	gone(t, l, &v1alpha1.Claim{}, types.NamespacedName{Name: "host.heath." + moors})
	becomesReady(t, l, "heath")
	if written := get(t, l, "heath").Status.DNS.Written; len(written) != 1 || written[0].Hostname != "heath."+fens {
		t.Errorf("status.dns.written is %+v", written)
	}

	old.Down()
	says(func(spec *v1alpha1.RegionSpec) { spec.DNS = v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone} })
	reports(t, l, "heath", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordLeftBehind, "heath."+fens, "a-heath."+fens, old.Address(), "connection refused")
	old.Up()
	empty(old, "heath."+fens)
	reports(t, l, "heath", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonDNSNotManaged)

	says(func(spec *v1alpha1.RegionSpec) {
		spec.DNS = v1alpha1.DNSSpec{Mode: v1alpha1.DNSManual, Server: old.Address(), TTL: 60}
	})
	line := fmt.Sprintf("heath.%s. 60 A %s", fens, address)
	reports(t, l, "heath", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordMissing, "create this record: "+line)
	old.Change(fens, []string{line}, nil)
	reports(t, l, "heath", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonOK, address)
}

// By hand, with BIND: what is wrong with a name is called by its name, the exact
// record is printed, and the condition turns true when the zone has it; for both
// families where the edge has both.
func TestNamesByHand(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const zone, quay = "dales.example.com", "ferry.example.com"
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: zone, Records: []string{"* 60 IN A 192.0.2.250"}}, {Name: quay}}})
	byHand := v1alpha1.DNSSpec{Mode: v1alpha1.DNSManual, Server: server.Address(), TTL: 60}
	region(t, l, "dales", v1alpha1.RegionSpec{Domain: zone, DNS: byHand})
	region(t, l, "ferry", v1alpha1.RegionSpec{Domain: quay, DNS: byHand, DefaultMode: v1alpha1.ModeEdgeHAProxy, Edge: &v1alpha1.EdgeSpec{
		Addresses: []string{"198.51.100.77", "2001:db8::77"}, Ports: v1alpha1.PortRange{First: 25140, Last: 25145},
	}})
	create(t, l, "brook", v1alpha1.TenantSpec{Region: "dales"})
	leaves(t, l, "brook")
	create(t, l, "pontoon", v1alpha1.TenantSpec{Region: "ferry"})
	leaves(t, l, "pontoon")

	const brook = "brook." + zone
	reports(t, l, "brook", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordShadowed, "192.0.2.250", "*."+zone)
	server.Change(zone, []string{brook + ". 60 IN A 192.0.2.99"}, nil)
	reports(t, l, "brook", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordWrong, "192.0.2.99")
	line := fmt.Sprintf("%s. 60 A %s", brook, get(t, l, "brook").Status.Address)
	reports(t, l, "brook", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordWrong, "wanted: "+line)
	server.Change(zone, []string{line}, []string{brook})
	becomesReady(t, l, "brook")

	const both = "*." + quay + ". 60 A 198.51.100.77, *." + quay + ". 60 AAAA 2001:db8::77"
	reports(t, l, "pontoon", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordMissing, "create this record, once for all tenants at the edge: "+both)
	server.Change(quay, []string{"*." + quay + ". 60 A 198.51.100.77"}, nil)
	reports(t, l, "pontoon", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordShadowed, "*."+quay, "2001:db8::77")
	server.Change(quay, []string{"*." + quay + ". 60 AAAA 2001:db8::77"}, nil)
	reports(t, l, "pontoon", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonOK, "2001:db8::77")
}
