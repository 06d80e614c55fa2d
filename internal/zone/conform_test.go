package zone

import (
	"context"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/conform"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// direct reads, plans and applies, as the operator does for one tenant. It
// remembers the names it ever wanted, as the operator knows them by its claims.
type direct struct {
	writer Writer
	names  map[string]bool
}

func newDirect(server *named.Server, zone, owner string) *direct {
	return &direct{names: map[string]bool{}, writer: Writer{
		Server: server.Address(), Zone: zone, OwnerID: owner, Now: time.Now,
		Key: Key{Name: named.KeyName, Algorithm: "hmac-sha256", Secret: server.Secret()},
	}}
}

func (d *direct) Sync(ctx context.Context, desired []record.Record) error {
	for _, want := range desired {
		d.names[want.Name] = true
	}
	var names []string
	for name := range d.names {
		names = append(names, name)
	}
	read, err := d.writer.Read(ctx, names)
	if err != nil {
		return err
	}
	return d.writer.Apply(ctx, read, record.Plan(read, desired, d.writer.OwnerID), "tenant/test")
}

// TestDirectConforms is the table for our own updates.
func TestDirectConforms(t *testing.T) {
	conform.Run(t, conform.Kind[*named.Server]{Start: conform.BIND, New: func(_ *testing.T, server *named.Server, zone, owner string) conform.Provider {
		return newDirect(server, zone, owner)
	}})
}
