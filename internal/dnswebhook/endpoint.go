package dnswebhook

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// endpoint is how the protocol writes all records of one type at one name.
type endpoint struct {
	DNSName          string            `json:"dnsName,omitempty"`
	Targets          []string          `json:"targets,omitempty"`
	RecordType       string            `json:"recordType,omitempty"`
	SetIdentifier    string            `json:"setIdentifier,omitempty"`
	RecordTTL        int64             `json:"recordTTL,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	ProviderSpecific []property        `json:"providerSpecific,omitempty"`
}

// property is a provider's own.
type property struct {
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
}

// changes are what is posted. The two lists of an update go in step.
type changes struct {
	Create    []endpoint `json:"create,omitempty"`
	UpdateOld []endpoint `json:"updateOld,omitempty"`
	UpdateNew []endpoint `json:"updateNew,omitempty"`
	Delete    []endpoint `json:"delete,omitempty"`
}

func (c changes) empty() bool { return len(c.Create)+len(c.UpdateNew)+len(c.Delete) == 0 }

const kindTXT = "TXT"

// index sorts endpoints by name. Some providers list each target for itself.
func index(endpoints []endpoint) map[string][]endpoint {
	names := map[string][]endpoint{}
	for _, one := range endpoints {
		name := plain(one.DNSName)
		same := slices.IndexFunc(names[name], func(known endpoint) bool {
			return known.RecordType == one.RecordType && known.SetIdentifier == one.SetIdentifier
		})
		if same < 0 {
			one.Targets = slices.Clone(one.Targets)
			names[name] = append(names[name], one)
			continue
		}
		known := &names[name][same]
		known.Targets = append(known.Targets, one.Targets...)
	}
	return names
}

// plain is a name as we write it.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// value is one target as internal/record writes it.
func value(kind, target string) string {
	switch kind {
	case record.A, record.AAAA:
		if address, err := netip.ParseAddr(target); err == nil {
			return address.String()
		}
		return strings.ToLower(target)
	case record.CNAME, record.SRV:
		return plain(target) + "."
	}
	return target
}

// fromWire reads an endpoint as a record.
func fromWire(in endpoint) record.Record {
	out := record.Record{Name: plain(in.DNSName), Type: in.RecordType, TTL: uint32(max(0, min(in.RecordTTL, 1<<31-1)))}
	for _, target := range in.Targets {
		out.Values = append(out.Values, value(in.RecordType, target))
	}
	slices.Sort(out.Values)
	out.Values = slices.Compact(out.Values)
	for _, own := range in.ProviderSpecific {
		if out.Options == nil {
			out.Options = map[string]string{}
		}
		out.Options[own.Name] = own.Value
	}
	return out
}

// toWire writes a record as external-dns does: an alias without a final dot.
func toWire(in record.Record) endpoint {
	out := endpoint{DNSName: in.Name, RecordType: in.Type, RecordTTL: int64(in.TTL)}
	for _, target := range in.Values {
		if in.Type == record.CNAME {
			target = strings.TrimSuffix(target, ".")
		}
		out.Targets = append(out.Targets, target)
	}
	for name, own := range in.Options {
		out.ProviderSpecific = append(out.ProviderSpecific, property{Name: name, Value: own})
	}
	slices.SortFunc(out.ProviderSpecific, func(a, b property) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// textsOf are a TXT record's texts without the quotes that some providers keep.
func textsOf(in endpoint) []string {
	out := make([]string, 0, len(in.Targets))
	for _, target := range in.Targets {
		out = append(out, unquoted(target))
	}
	slices.Sort(out)
	return out
}

func unquoted(text string) string {
	if len(text) > 1 && strings.HasPrefix(text, `"`) && strings.HasSuffix(text, `"`) {
		return text[1 : len(text)-1]
	}
	return text
}

// at finds the one record of a type at a name that is no part of a set: the members
// of a set (weighted, by country) are other people's.
func (l listing) at(name, kind string) (endpoint, bool) {
	for _, one := range l.names[name] {
		if one.RecordType == kind && one.SetIdentifier == "" {
			return one, true
		}
	}
	return endpoint{}, false
}

// current is what a listing says of a name, as a plan reads it.
func (l listing) current(name string, naming record.Naming) []record.Current {
	var out []record.Current
	for _, kind := range record.TypesAt(name) {
		for _, one := range l.names[name] {
			if one.RecordType == kind && one.SetIdentifier != "" {
				out = append(out, record.Current{Record: fromWire(one)})
			}
		}
		have := record.Current{Record: record.Record{Name: name, Type: kind}}
		one, there := l.at(name, kind)
		if there {
			have.Record = fromWire(one)
		}
		l.readMark(&have, naming)
		if there || have.Owner != nil {
			out = append(out, have)
		}
	}
	return out
}

// readMark finds whose a record is.
func (l listing) readMark(have *record.Current, naming record.Naming) {
	marks := []string{naming.Mark(have.Name, have.Type)}
	if old, ok := naming.OldMark(have.Name, have.Type); ok && len(have.Values) > 0 {
		marks = append(marks, old)
	}
	for _, mark := range marks {
		found, _ := l.at(mark, kindTXT)
		texts := textsOf(found)
		for _, text := range texts {
			if owner, ok := record.ParseOwner(text); ok {
				have.Owner, have.Mark, have.Texts = &owner, mark, texts
				return
			}
		}
	}
}
