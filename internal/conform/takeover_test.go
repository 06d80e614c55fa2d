package conform

import (
	"context"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
	"github.com/soctalk/soctalk-ingress/internal/zone"
)

// ours writes as the operator does for one tenant.
type ours struct{ writer zone.Writer }

func (o ours) Sync(ctx context.Context, desired []record.Record) error {
	read, err := o.writer.Read(ctx, []string{acme, beta})
	if err != nil {
		return err
	}
	return o.writer.Apply(ctx, read, record.Plan(read, desired, o.writer.OwnerID), "tenant/acme")
}

// TestEachTakesOverFromTheOther changes a Region from the direct mode to external-dns
// and back: with the same owner id, each changes and removes what the other made,
// and with another owner id neither does.
func TestEachTakesOverFromTheOther(t *testing.T) {
	binary := controlplanetest.Program(t, controlplane.ExternalDNS)
	for _, c := range []struct {
		name          string
		first, second func(*testing.T, *named.Server, string) Provider
	}{
		{"external-dns after us", newOurs, newTheirs(binary)},
		{"us after external-dns", newTheirs(binary), newOurs},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := named.Start(t, named.Options{Zones: []named.Zone{{Name: Zone}}})
			w := &world{t: t, server: server}
			w.syncAs(c.first(t, server, "eu-1"), append(addresses(acme, "192.0.2.7", "2001:db8::7"), addresses(beta, "192.0.2.9")...)...)
			w.syncAs(c.second(t, server, "us-1"), addresses(acme, "192.0.2.99")...)
			w.answers(acme, "A", "192.0.2.7")
			w.answers(beta, "A", "192.0.2.9")
			next := c.second(t, server, "eu-1")
			w.syncAs(next, append(addresses(acme, "192.0.2.8", "2001:db8::7"), addresses(beta, "192.0.2.9")...)...)
			w.answers(acme, "A", "192.0.2.8")
			w.owner(acme, "A", "eu-1")
			w.syncAs(next)
			for _, name := range []string{acme, beta} {
				w.answers(name, "A")
				w.answers(name, "AAAA")
				w.owner(name, "A", "")
				w.owner(name, "AAAA", "")
			}
		})
	}
}

func newOurs(_ *testing.T, server *named.Server, owner string) Provider {
	return ours{writer: zone.Writer{
		Server: server.Address(), Zone: Zone, OwnerID: owner, Now: time.Now,
		Key: zone.Key{Name: named.KeyName, Algorithm: "hmac-sha256", Secret: server.Secret()},
	}}
}

func newTheirs(binary string) func(*testing.T, *named.Server, string) Provider {
	return func(t *testing.T, server *named.Server, owner string) Provider {
		return newExternal(t, binary, server, Zone, owner)
	}
}
