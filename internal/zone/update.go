package zone

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// Apply makes all changes in one update, which the server carries out whole or not
// at all. It demands that every name still be as it was read: a record that
// somebody made in between is not overwritten, and the answer is [record.ErrChanged].
func (w *Writer) Apply(ctx context.Context, read []record.Current, changes record.Changes, resource string) error {
	if changes.Empty() {
		return nil
	}
	mine := record.Owner{ID: w.OwnerID, Resource: resource}
	message := new(dns.Msg)
	message.SetUpdate(dns.Fqdn(w.Zone))
	for _, name := range changes.Names() {
		if err := w.demand(message, name, read); err != nil {
			return err
		}
	}
	for _, gone := range changes.Delete {
		w.remove(message, gone)
	}
	for _, change := range changes.Update {
		w.remove(message, change.From)
		owner := mine
		if change.From.Owner != nil && change.From.Owner.Resource != "" {
			owner = *change.From.Owner
		}
		if err := w.insert(message, change.To, owner); err != nil {
			return err
		}
	}
	for _, made := range changes.Create {
		if err := w.insert(message, made, mine); err != nil {
			return err
		}
	}
	return w.send(ctx, message)
}

// demand asks for the name to be just as it was read, marks included.
func (w *Writer) demand(message *dns.Msg, name string, read []record.Current) error {
	for _, kind := range record.TypesAt(name) {
		i := slices.IndexFunc(read, func(c record.Current) bool { return c.Name == name && c.Type == kind })
		if i < 0 {
			message.RRsetNotUsed([]dns.RR{empty(name, kind), empty(w.Naming.Mark(name, kind), "TXT")})
			continue
		}
		have := read[i]
		if len(have.Values) == 0 {
			message.RRsetNotUsed([]dns.RR{empty(name, kind)})
		}
		records, err := parse(have.Record)
		if err != nil {
			return err
		}
		for _, text := range have.Texts {
			records = append(records, mark(have.Mark, text, 0))
		}
		message.Used(records)
	}
	return nil
}

func (w *Writer) remove(message *dns.Msg, gone record.Current) {
	if len(gone.Values) > 0 {
		message.RemoveRRset([]dns.RR{empty(gone.Name, gone.Type)})
	}
	for _, text := range gone.Texts {
		if owner, ok := record.ParseOwner(text); ok && owner.ID == w.OwnerID {
			message.Remove([]dns.RR{mark(gone.Mark, text, 0)})
		}
	}
}

func (w *Writer) insert(message *dns.Msg, made record.Record, owner record.Owner) error {
	records, err := parse(made)
	if err != nil {
		return err
	}
	message.Insert(append(records, mark(w.Naming.Mark(made.Name, made.Type), owner.Text(), made.TTL)))
	return nil
}

func mark(name, text string, ttl uint32) dns.RR {
	return &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: ttl}, Txt: []string{text}}
}

func parse(in record.Record) ([]dns.RR, error) {
	var out []dns.RR
	for _, value := range in.Values {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", dns.Fqdn(in.Name), in.TTL, in.Type, value))
		if err != nil {
			return nil, fmt.Errorf("record %s %s %q: %w", in.Name, in.Type, value, err)
		}
		out = append(out, rr)
	}
	return out, nil
}
