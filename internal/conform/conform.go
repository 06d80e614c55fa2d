// Package conform is the table that every way of getting names into a zone must
// pass, against a real name server: our own updates, webhook providers, and
// external-dns behind our DNSEndpoint objects. [Run] runs it.
package conform

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// Provider gets records into a zone under one owner id.
type Provider interface {
	// Sync makes the owner's records in the zone those that are desired, as far as
	// nobody else is in the way, in one go.
	Sync(ctx context.Context, desired []record.Record) error
}

// Server holds the zone, and is asked and changed behind a provider's back.
type Server interface {
	// Lookup returns what one type of a name says, sorted.
	Lookup(name, kind string) []string
	// Change adds and removes records, as named.Server does.
	Change(zone string, add, remove []string)
	Down()
	Up()
}

// Kind is a kind of provider, and the server it writes to.
type Kind[S Server] struct {
	// Start starts a server that holds the zone, with more records in it.
	Start func(t *testing.T, records []string) S
	// New makes a provider for an owner id.
	New func(t *testing.T, server S, zone, owner string) Provider
	// NoSRV: this way does not manage SRV records.
	NoSRV bool
}

// BIND starts a BIND 9 with the zone.
func BIND(t *testing.T, records []string) *named.Server {
	return named.Start(t, named.Options{Zones: []named.Zone{{Name: Zone, Records: records, Grant: "A AAAA CNAME SRV TXT"}}})
}

// Zone is the name of the zone the cases play in.
const Zone = "soc.example.com"

const (
	acme = "acme." + Zone
	beta = "beta." + Zone
)

// world is what a case has to work with.
type world struct {
	t      *testing.T
	server Server
	ours   Provider
	// of makes another owner's provider.
	of func(owner string) Provider
}

// Run runs every case with a server of its own.
func Run[S Server](t *testing.T, kind Kind[S]) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if c.srv && kind.NoSRV {
				t.Skip("this way does not manage SRV records")
			}
			server := kind.Start(t, c.records)
			of := func(owner string) Provider { return kind.New(t, server, Zone, owner) }
			c.run(&world{t: t, server: server, of: of, ours: of("eu-1")})
		})
	}
}

func (w *world) sync(desired ...record.Record) {
	w.t.Helper()
	w.syncAs(w.ours, desired...)
}

func (w *world) syncAs(provider Provider, desired ...record.Record) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := provider.Sync(ctx, desired); err != nil {
		w.t.Fatalf("sync: %v", err)
	}
}

// answers compares what the server says of a name.
func (w *world) answers(name, kind string, want ...string) {
	w.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, w.server.Lookup(name, kind)); diff != "" {
		w.t.Errorf("%s %s (-want +got):\n%s", name, kind, diff)
	}
}

// owner compares whose a record is.
func (w *world) owner(name, kind, want string) {
	w.t.Helper()
	texts := w.server.Lookup(record.Naming{}.Mark(name, kind), "TXT")
	if want == "" {
		if len(texts) != 0 {
			w.t.Errorf("%s %s has marks %q, want none", name, kind, texts)
		}
		return
	}
	if len(texts) != 1 {
		w.t.Errorf("%s %s has marks %q, want one of %s", name, kind, texts, want)
		return
	}
	if owner, ok := record.ParseOwner(texts[0]); !ok || owner.ID != want {
		w.t.Errorf("%s %s belongs to %q, want %s", name, kind, texts[0], want)
	}
}

func addresses(name string, targets ...string) []record.Record {
	return record.Addresses(name, 60, targets)
}
