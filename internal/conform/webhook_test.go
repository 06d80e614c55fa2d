package conform

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/dnswebhook"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// startWebhook runs external-dns's own webhook server around one of its providers,
// and returns its URL when it answers.
func startWebhook(t *testing.T, environment string, arguments ...string) string {
	t.Helper()
	address := controlplanetest.FreeAddress(t)
	server := startProgram(t, address, process.Spec{
		Name: "the webhook server", Path: controlplanetest.Program(t, controlplane.ExternalDNS), Args: append(arguments, "--webhook-listen", address),
		Env: append(os.Environ(), environment), LogFile: filepath.Join(t.TempDir(), "webhook.log"),
	})
	t.Cleanup(func() { server.Stop(10 * time.Second) })
	return "http://" + address
}

// behindBIND is the server around external-dns's RFC 2136 provider.
func behindBIND(t *testing.T, server *named.Server, zone string, more ...string) string {
	t.Helper()
	return startWebhook(t, "EXTERNAL_DNS_RFC2136_TSIG_SECRET="+server.Secret(), append([]string{
		"--rfc2136-host", "127.0.0.1", "--rfc2136-port", strconv.Itoa(int(server.Port())),
		"--rfc2136-zone", zone, "--rfc2136-tsig-keyname", named.KeyName,
	}, more...)...)
}

// through reads, adjusts, plans and applies, as the operator does for one tenant.
type through struct {
	writer record.Writer
	owner  string
	names  map[string]bool
}

func newThrough(t *testing.T, url, owner string, srv bool) *through {
	provider := dnswebhook.New(dnswebhook.Options{URL: url, Lasts: time.Nanosecond, Now: time.Now})
	t.Cleanup(provider.Close)
	return &through{owner: owner, names: map[string]bool{}, writer: &dnswebhook.Writer{Provider: provider, OwnerID: owner, SRV: srv}}
}

func (p *through) Sync(ctx context.Context, desired []record.Record) error {
	for _, want := range desired {
		p.names[want.Name] = true
	}
	var names []string
	for name := range p.names {
		names = append(names, name)
	}
	slices.Sort(names)
	adjusted, err := p.writer.Adjust(ctx, desired)
	if err != nil {
		return err
	}
	read, err := p.writer.Read(ctx, names)
	if err != nil {
		return err
	}
	return p.writer.Apply(ctx, read, record.Plan(read, adjusted, p.owner), "tenant/test")
}

// TestWebhookConforms is the table for external-dns's own webhook server around its
// own RFC 2136 provider, in front of BIND 9.
func TestWebhookConforms(t *testing.T) {
	urls := map[*named.Server]string{}
	Run(t, Kind[*named.Server]{Start: BIND, NoSRV: true, New: func(t *testing.T, server *named.Server, zone, owner string) Provider {
		if urls[server] == "" {
			urls[server] = behindBIND(t, server, zone)
		}
		return newThrough(t, urls[server], owner, false)
	}})
}

// TestWebhookThatDoesNotListSRV: external-dns's RFC 2136 provider writes SRV records
// and does not read them. They are taken back at once, and the rest stays.
func TestWebhookThatDoesNotListSRV(t *testing.T) {
	const events = "_wazuh-events._tcp"
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: Zone}}})
	w := &world{t: t, server: server}
	url := behindBIND(t, server, Zone)
	wanted := append(addresses(acme, "192.0.2.7"), record.Service(events, acme, 60, 15140))
	for range 2 {
		before := server.Lookup(Zone, "SOA")
		err := newThrough(t, url, "eu-1", true).Sync(t.Context(), wanted)
		if err == nil || !strings.Contains(err.Error(), "set dns.webhook.srv to false") {
			t.Fatalf("error %v, from a zone at %v", err, before)
		}
		w.answers(events+"."+acme, "SRV")
		w.owner(events+"."+acme, "SRV", "")
	}
	w.syncAs(newThrough(t, url, "eu-1", false), wanted...)
	w.answers(acme, "A", "192.0.2.7")
	w.answers(events+"."+acme, "SRV")
}

// TestWebhookRefusals: a zone or a domain that the provider does not manage.
func TestWebhookRefusals(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: Zone}, {Name: "frozen.example.com", Frozen: true}}})
	for _, c := range []struct{ zone, filter, name, want string }{
		{Zone, Zone, "acme.example.org", "is set up for soc.example.com, and acme.example.org is not of these"},
		{"frozen.example.com", "frozen.example.com", "acme.frozen.example.com", "answers 500 (Internal Server Error) to POST /records: it does not say why; its log may"},
	} {
		provider := newThrough(t, behindBIND(t, server, c.zone, "--domain-filter", c.filter), "eu-1", false)
		err := provider.Sync(t.Context(), addresses(c.name, "192.0.2.7"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}
