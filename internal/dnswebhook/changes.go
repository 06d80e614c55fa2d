package dnswebhook

import (
	"maps"
	"slices"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// posts are the changes as the protocol has them. Where a name turns from an alias
// into an address or back, what is there goes first: no server holds both.
func (w *Writer) posts(listed listing, planned record.Changes, resource string) []changes {
	b := builder{Writer: w, listed: listed, mine: record.Owner{ID: w.OwnerID, Resource: resource}}
	var first []changes
	for _, gone := range planned.Delete {
		b.remove(gone)
	}
	if turns(planned) {
		first, b.post = []changes{b.post}, changes{}
	}
	for _, change := range planned.Update {
		b.update(change)
	}
	for _, made := range planned.Create {
		b.create(made)
	}
	return slices.DeleteFunc(append(first, b.post), changes.empty)
}

func turns(planned record.Changes) bool {
	return slices.ContainsFunc(planned.Delete, func(gone record.Current) bool {
		return slices.ContainsFunc(planned.Create, func(made record.Record) bool {
			return made.Name == gone.Name && (made.Type == record.CNAME || gone.Type == record.CNAME)
		})
	})
}

// builder writes changes down. What is there is sent as the provider listed it.
type builder struct {
	*Writer
	listed listing
	mine   record.Owner
	post   changes
}

func (b *builder) remove(gone record.Current) {
	if have, there := b.listed.at(gone.Name, gone.Type); there {
		b.post.Delete = append(b.post.Delete, have)
	}
	b.unmark(gone)
}

func (b *builder) update(change record.Change) {
	owner := b.mine
	if change.From.Owner != nil && change.From.Owner.Resource != "" {
		owner = *change.From.Owner
	}
	if have, there := b.listed.at(change.From.Name, change.From.Type); there {
		b.post.UpdateOld = append(b.post.UpdateOld, have)
		b.post.UpdateNew = append(b.post.UpdateNew, b.labelled(change.To, owner))
	} else {
		b.post.Create = append(b.post.Create, b.labelled(change.To, owner))
	}
	if change.From.Mark != b.Naming.Mark(change.To.Name, change.To.Type) {
		b.mark(change.To, owner)
		b.unmark(change.From)
	}
}

func (b *builder) create(made record.Record) {
	b.post.Create = append(b.post.Create, b.labelled(made, b.mine))
	b.mark(made, b.mine)
}

// labelled says in the labels too whose it is, as external-dns does.
func (b *builder) labelled(made record.Record, owner record.Owner) endpoint {
	out := toWire(made)
	out.Labels = map[string]string{"owner": owner.ID}
	if owner.Resource != "" {
		out.Labels["resource"] = owner.Resource
	}
	return out
}

// mark adds the text that says whose a record is, beside texts that are there.
func (b *builder) mark(made record.Record, owner record.Owner) {
	text := `"` + owner.Text() + `"`
	name := b.Naming.Mark(made.Name, made.Type)
	fresh := endpoint{DNSName: name, RecordType: kindTXT, Targets: []string{text}, Labels: map[string]string{"ownedRecord": made.Name}}
	fresh.ProviderSpecific = toWire(made).ProviderSpecific
	have, there := b.listed.at(name, kindTXT)
	if !there {
		b.post.Create = append(b.post.Create, fresh)
		return
	}
	fresh = copied(have)
	fresh.Targets = append(fresh.Targets, text)
	b.post.UpdateOld, b.post.UpdateNew = append(b.post.UpdateOld, have), append(b.post.UpdateNew, fresh)
}

// unmark takes our texts away and leaves those of others.
func (b *builder) unmark(gone record.Current) {
	have, there := b.listed.at(gone.Mark, kindTXT)
	if !there {
		return
	}
	rest := copied(have)
	rest.Targets = slices.DeleteFunc(rest.Targets, func(target string) bool {
		owner, ok := record.ParseOwner(unquoted(target))
		return ok && owner.ID == b.OwnerID
	})
	switch len(rest.Targets) {
	case len(have.Targets):
	case 0:
		b.post.Delete = append(b.post.Delete, have)
	default:
		b.post.UpdateOld, b.post.UpdateNew = append(b.post.UpdateOld, have), append(b.post.UpdateNew, rest)
	}
}

func copied(in endpoint) endpoint {
	in.Targets, in.Labels, in.ProviderSpecific = slices.Clone(in.Targets), maps.Clone(in.Labels), slices.Clone(in.ProviderSpecific)
	return in
}
