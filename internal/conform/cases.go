package conform

import (
	"context"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

type testcase struct {
	name    string
	records []string // there from the start, by hand
	srv     bool     // is about SRV records
	run     func(*world)
}

func cases() []testcase {
	return []testcase{
		{"create", nil, false, create},
		{"update", nil, false, update},
		{"dual stack", nil, false, dualStack},
		{"delete", nil, false, remove},
		{"idempotence", nil, false, idempotence},
		{"foreign record in the way", []string{"acme 300 IN A 192.0.2.99"}, false, foreign},
		{"foreign record of another type", []string{"acme 300 IN AAAA 2001:db8::99"}, false, foreignType},
		{"two owners share a zone", nil, false, twoOwners},
		{"under a wildcard", []string{"* 300 IN A 192.0.2.250"}, false, wildcard},
		{"alias becomes address", nil, false, alias},
		{"server away for a while", nil, false, away},
		{"service records", nil, true, services},
	}
}

func create(w *world) {
	w.sync(addresses(acme, "192.0.2.7")...)
	w.answers(acme, "A", "192.0.2.7")
	w.owner(acme, "A", "eu-1")
	w.answers(beta, "A")
}

func update(w *world) {
	w.sync(addresses(acme, "192.0.2.7")...)
	w.sync(addresses(acme, "192.0.2.8")...)
	w.answers(acme, "A", "192.0.2.8")
	w.owner(acme, "A", "eu-1")
}

func dualStack(w *world) {
	w.sync(addresses(acme, "192.0.2.7", "2001:db8::7")...)
	w.answers(acme, "A", "192.0.2.7")
	w.answers(acme, "AAAA", "2001:db8::7")
	w.owner(acme, "AAAA", "eu-1")
	w.sync(addresses(acme, "2001:db8::7")...)
	w.answers(acme, "A")
	w.owner(acme, "A", "")
	w.answers(acme, "AAAA", "2001:db8::7")
	w.sync(addresses(acme, "192.0.2.7", "192.0.2.8", "2001:db8::8")...)
	w.answers(acme, "A", "192.0.2.7", "192.0.2.8")
	w.answers(acme, "AAAA", "2001:db8::8")
}

func remove(w *world) {
	w.sync(append(addresses(acme, "192.0.2.7", "2001:db8::7"), addresses(beta, "192.0.2.9")...)...)
	w.sync(addresses(beta, "192.0.2.9")...)
	for _, kind := range []string{"A", "AAAA"} {
		w.answers(acme, kind)
		w.owner(acme, kind, "")
	}
	w.answers(beta, "A", "192.0.2.9")
}

// idempotence is seen by the zone's serial number, which every change raises.
func idempotence(w *world) {
	wanted := addresses(acme, "192.0.2.8", "192.0.2.7", "2001:db8::7")
	w.sync(wanted...)
	before := w.server.Lookup(Zone, "SOA")
	w.sync(wanted...)
	w.answers(Zone, "SOA", before...)
}

func foreign(w *world) {
	w.sync(append(addresses(acme, "192.0.2.7", "2001:db8::7"), addresses(beta, "192.0.2.9")...)...)
	w.answers(acme, "A", "192.0.2.99")
	w.answers(acme, "AAAA")
	w.answers(beta, "A", "192.0.2.9")
	w.sync()
	w.answers(acme, "A", "192.0.2.99")
	w.answers(beta, "A")
}

func foreignType(w *world) {
	w.sync(addresses(acme, "192.0.2.7")...)
	w.answers(acme, "A")
	w.answers(acme, "AAAA", "2001:db8::99")
	// Its owner takes it away: ours goes in.
	w.server.Change(Zone, nil, []string{acme})
	w.sync(addresses(acme, "192.0.2.7")...)
	w.answers(acme, "A", "192.0.2.7")
}

func twoOwners(w *world) {
	theirs := w.of("us-1")
	w.syncAs(theirs, addresses(beta, "198.51.100.9")...)
	w.sync(append(addresses(acme, "192.0.2.7"), addresses(beta, "192.0.2.9")...)...)
	w.answers(acme, "A", "192.0.2.7")
	w.answers(beta, "A", "198.51.100.9")
	w.owner(beta, "A", "us-1")
	w.sync()
	w.answers(acme, "A")
	w.answers(beta, "A", "198.51.100.9")
	w.syncAs(theirs)
	w.answers(beta, "A")
	w.owner(beta, "A", "")
}

func wildcard(w *world) {
	w.answers(acme, "A", "192.0.2.250")
	w.sync(addresses(acme, "192.0.2.7")...)
	w.answers(acme, "A", "192.0.2.7")
	w.answers(beta, "A", "192.0.2.250")
	w.sync()
	w.answers(acme, "A", "192.0.2.250")
	w.answers("*."+Zone, "A", "192.0.2.250")
}

func alias(w *world) {
	w.sync(addresses(acme, "lb.cloud.example")...)
	w.answers(acme, "CNAME", "lb.cloud.example.")
	w.owner(acme, "CNAME", "eu-1")
	w.sync(addresses(acme, "192.0.2.7")...)
	w.answers(acme, "A", "192.0.2.7")
	w.answers(acme, "CNAME")
}

func away(w *world) {
	w.sync(addresses(acme, "192.0.2.7")...)
	w.server.Down()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := w.ours.Sync(ctx, addresses(acme, "192.0.2.8")); err == nil {
		w.t.Error("sync says that it worked while the server was away")
	}
	w.server.Up()
	w.answers(acme, "A", "192.0.2.7")
	w.sync(addresses(acme, "192.0.2.8")...)
	w.answers(acme, "A", "192.0.2.8")
}

func services(w *world) {
	const events = "_wazuh-events._tcp"
	w.sync(append(addresses(acme, "192.0.2.7"), record.Service(events, acme, 60, 15140))...)
	w.answers(events+"."+acme, "SRV", "0 0 15140 "+acme+".")
	w.sync(append(addresses(acme, "192.0.2.7"), record.Service(events, acme, 60, 15142))...)
	w.answers(events+"."+acme, "SRV", "0 0 15142 "+acme+".")
	w.sync()
	w.answers(events+"."+acme, "SRV")
	w.owner(events+"."+acme, "SRV", "")
}
