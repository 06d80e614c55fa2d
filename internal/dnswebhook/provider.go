// Package dnswebhook writes records through a program that knows a DNS provider
// and speaks external-dns's webhook protocol: four requests over HTTP, for which
// dozens of such programs exist. [Provider] is one of them, as seen from here;
// [Provider.Writer] is the way to a zone through it.
//
// The protocol lists every record there is, and takes changes without a condition.
// So a listing is shared for a while by all who ask; before a change the listing
// is taken anew and must agree with what the change was planned on; and after it
// the change must be listed.
package dnswebhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// Patience is how long one request may take: behind it are requests to a cloud.
const Patience = 30 * time.Second

// errorLasts is how long a failure is everybody's answer; longer if it took longer,
// so that a provider that hangs does not keep each tenant waiting.
const errorLasts = 5 * time.Second

// Options of a provider.
type Options struct {
	// URL it answers at, such as http://localhost:8888.
	URL string
	// TLS for an https URL; nil trusts what the host trusts.
	TLS *tls.Config
	// Lasts is how old a listing may be that a decision is made on.
	Lasts time.Duration
	Now   func() time.Time
}

// Provider is one such program. It may be used by many at a time.
type Provider struct {
	url    string
	client *http.Client
	lasts  time.Duration
	now    func() time.Time

	// order numbers what happens: listings, and the changes that make them old.
	order   atomic.Int64
	changed atomic.Int64
	// turn is held by whoever lists, adjusts or looks at what was.
	turn     chan struct{}
	filter   *filter
	last     listing
	adjusted map[string][]record.Record
	// mute is true once SRV records were written and not listed.
	mute atomic.Bool
	// ttls holds what the provider rounded, by name and type.
	ttls sync.Map
}

// listing is everything the provider says is there.
type listing struct {
	begun int64
	when  time.Time
	took  time.Duration
	names map[string][]endpoint
	err   error
}

// New makes a provider; nothing is asked yet.
func New(options Options) *Provider {
	transport := &http.Transport{TLSClientConfig: options.TLS, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	return &Provider{
		url: strings.TrimSuffix(options.URL, "/"), lasts: options.Lasts, now: options.Now, turn: make(chan struct{}, 1),
		client: &http.Client{Transport: transport, Timeout: Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Close lets its connections go.
func (p *Provider) Close() { p.client.CloseIdleConnections() }

// list is a listing that began after a moment in the provider's order; of those
// who wait, one asks for all.
func (p *Provider) list(ctx context.Context, after int64) (listing, error) {
	if err := p.take(ctx); err != nil {
		return listing{}, err
	}
	defer p.give()
	if p.last.begun <= after || p.old() {
		p.last = p.listNow(ctx)
		clear(p.adjusted)
		if p.last.err != nil {
			ended := p.now()
			p.last.took, p.last.when = ended.Sub(p.last.when), ended
		}
	}
	return p.last, p.last.err
}

// old: too old to decide on, or from before a change of ours.
func (p *Provider) old() bool {
	lasts := p.lasts
	if p.last.err != nil {
		lasts = min(lasts, max(errorLasts, p.last.took))
	}
	return p.last.begun <= p.changed.Load() || p.now().Sub(p.last.when) >= lasts
}

func (p *Provider) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer in time", p.url)
	}
}

func (p *Provider) give() { <-p.turn }

func (p *Provider) listNow(ctx context.Context) listing {
	out := listing{begun: p.order.Add(1), when: p.now()}
	// Some tell the zones they find there, which may be more than they were.
	if p.filter, out.err = p.negotiate(ctx); out.err != nil {
		return out
	}
	var found []endpoint
	if out.err = p.call(ctx, http.MethodGet, "/records", nil, &found); out.err != nil {
		return out
	}
	out.names = index(found)
	return out
}

// adjust asks what the endpoints look like once they are written. Most providers
// change nothing; some make an alias of a name, or have TTLs of their own.
func (p *Provider) adjust(ctx context.Context, wanted []record.Record) ([]record.Record, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	defer p.give()
	key := fmt.Sprint(wanted)
	if known, ok := p.adjusted[key]; ok {
		return known, nil
	}
	var asked, answered []endpoint
	for _, one := range wanted {
		asked = append(asked, toWire(one))
	}
	if err := p.call(ctx, http.MethodPost, "/adjustendpoints", asked, &answered); err != nil {
		return nil, err
	}
	out := make([]record.Record, 0, len(answered))
	for _, one := range answered {
		out = append(out, fromWire(one))
	}
	if p.adjusted == nil {
		p.adjusted = map[string][]record.Record{}
	}
	p.adjusted[key] = out
	return out, nil
}

// rounded is a TTL that a provider does not have, and the one it has instead.
type rounded struct{ asked, got uint32 }

// ttl is what a record's TTL will be, as far as is known from the last time.
func (p *Provider) ttl(wanted record.Record) uint32 {
	known, _ := p.ttls.Load(wanted.Name + " " + wanted.Type)
	if ttl, ok := known.(rounded); ok && ttl.asked == wanted.TTL {
		return ttl.got
	}
	return wanted.TTL
}
