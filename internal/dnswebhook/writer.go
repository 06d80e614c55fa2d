package dnswebhook

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// Writer is the way to a zone through a provider, for one owner.
type Writer struct {
	Provider *Provider
	// Naming of the marks, and the owner id they carry.
	Naming  record.Naming
	OwnerID string
	// SRV is true where the provider manages SRV records.
	SRV bool
}

var _ record.Writer = (*Writer)(nil)

// Read says what the provider lists at the names.
func (w *Writer) Read(ctx context.Context, names []string) ([]record.Current, error) {
	listed, err := w.Provider.list(ctx, 0)
	if err != nil {
		return nil, err
	}
	var out []record.Current
	for _, name := range names {
		if err := w.Provider.manages(ctx, name); err != nil {
			return nil, err
		}
		out = append(out, listed.current(name, w.Naming)...)
	}
	return out, nil
}

func (p *Provider) manages(ctx context.Context, name string) error {
	if err := p.take(ctx); err != nil {
		return err
	}
	defer p.give()
	if p.filter == nil || p.filter.match(name) {
		return nil
	}
	return &record.Refused{Why: fmt.Sprintf("the provider at %s is set up for %s, and %s is not of these; change its domain filter", p.url, p.filter, name)}
}

// Adjust leaves out what the provider does not manage, and asks it about the rest.
func (w *Writer) Adjust(ctx context.Context, wanted []record.Record) ([]record.Record, error) {
	if !w.SRV {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(one record.Record) bool { return one.Type == record.SRV })
	}
	adjusted, err := w.Provider.adjust(ctx, wanted)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(adjusted)
	for i, one := range out {
		out[i].TTL = w.Provider.ttl(one)
	}
	return out, nil
}

// Apply lists anew, compares, posts, and lists again.
func (w *Writer) Apply(ctx context.Context, read []record.Current, planned record.Changes, resource string) error {
	if planned.Empty() {
		return nil
	}
	if w.Provider.mute.Load() && len(services(planned)) > 0 {
		return w.unlisted()
	}
	p := w.Provider
	listed, err := p.list(ctx, p.order.Add(1))
	if err != nil {
		return err
	}
	for _, name := range planned.Names() {
		was := slices.DeleteFunc(slices.Clone(read), func(c record.Current) bool { return c.Name != name })
		if now := listed.current(name, w.Naming); !alike(was, now) {
			p.changed.Store(p.order.Add(1))
			return record.ErrChanged
		}
	}
	posts := w.posts(listed, planned, resource)
	for _, post := range posts {
		err := p.call(ctx, http.MethodPost, "/records", post, nil)
		p.changed.Store(p.order.Add(1))
		if err != nil {
			return err
		}
	}
	return w.verify(ctx, planned)
}

func alike(a, b []record.Current) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// verify: a provider that has no such zone takes changes and drops them. One that
// rounds a TTL up is not asked for the other one again.
func (w *Writer) verify(ctx context.Context, planned record.Changes) error {
	listed, err := w.Provider.list(ctx, 0)
	if err != nil {
		return err
	}
	for _, made := range planned.Made() {
		found, there := listed.at(made.Name, made.Type)
		if have := fromWire(found); there && slices.Equal(have.Values, made.Values) {
			if have.TTL != made.TTL {
				w.Provider.ttls.Store(made.Name+" "+made.Type, rounded{made.TTL, have.TTL})
			}
			continue
		}
		if made.Type == record.SRV {
			return w.takeBack(ctx, services(planned))
		}
		return fmt.Errorf("%s took the change and does not list %s; does it manage that zone?", w.Provider.url, made)
	}
	return nil
}

// takeBack removes SRV records that the provider writes and does not list: nobody
// could change or remove them later.
func (w *Writer) takeBack(ctx context.Context, made []record.Record) error {
	w.Provider.mute.Store(true)
	listed, err := w.Provider.list(ctx, 0)
	if err != nil {
		return err
	}
	b := builder{Writer: w, listed: listed}
	for _, one := range made {
		b.post.Delete = append(b.post.Delete, toWire(one))
		b.unmark(record.Current{Record: one, Mark: w.Naming.Mark(one.Name, one.Type)})
	}
	err = w.Provider.call(ctx, http.MethodPost, "/records", b.post, nil)
	w.Provider.changed.Store(w.Provider.order.Add(1))
	if err != nil {
		return err
	}
	return w.unlisted()
}

func (w *Writer) unlisted() error {
	return &record.Refused{Why: fmt.Sprintf("the provider at %s writes SRV records and does not list them, so that nobody could remove them; set dns.webhook.srv to false", w.Provider.url)}
}

func services(planned record.Changes) []record.Record {
	return slices.DeleteFunc(planned.Made(), func(one record.Record) bool { return one.Type != record.SRV })
}
