// Package record holds DNS records as data: what a name should say ([Record]),
// what it says now and whose that is ([Current]), and what to do about the
// difference ([Plan]). It is pure.
//
// Ownership is external-dns's: a TXT record beside each of ours, under the name
// [Naming.Mark] gives, says whose it is. A stock external-dns with the same owner
// id may take over from us, and we from it; what belongs to anybody else, or to
// nobody, is never touched.
package record

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Types of records we write.
const (
	A     = "A"
	AAAA  = "AAAA"
	CNAME = "CNAME"
	SRV   = "SRV"
)

// Record is all records of one type at one name.
type Record struct {
	// Name without the final dot.
	Name string `json:"name"`
	// Type: A, AAAA, CNAME or SRV.
	Type string `json:"type"`
	// TTL in seconds.
	TTL uint32 `json:"ttl"`
	// Values: addresses, a name, or "priority weight port target.".
	Values []string `json:"values"`
	// Options are a provider's own, such as whether it answers with an alias.
	Options map[string]string `json:"options,omitempty"`
}

// String is the record as a person would type it into a zone file.
func (r Record) String() string {
	var lines []string
	for _, value := range r.Values {
		lines = append(lines, fmt.Sprintf("%s. %d %s %s", r.Name, r.TTL, r.Type, value))
	}
	return strings.Join(lines, ", ")
}

// same compares what is there with what is wanted. A TTL of 0 is one that a
// provider does not tell, or does not let us choose.
func (r Record) same(wanted Record) bool {
	ttl := r.TTL == wanted.TTL || r.TTL == 0 || wanted.TTL == 0
	return ttl && slices.Equal(r.Values, wanted.Values) && maps.Equal(r.Options, wanted.Options)
}

// Addresses are the A and AAAA records of a name; an entry that is no address is
// a name, and makes a CNAME, which stands alone.
func Addresses(name string, ttl uint32, targets []string) []Record {
	var v4, v6 []string
	for _, target := range targets {
		address, err := netip.ParseAddr(target)
		switch {
		case err != nil:
			return []Record{{Name: name, Type: CNAME, TTL: ttl, Values: []string{strings.TrimSuffix(target, ".") + "."}}}
		case address.Unmap().Is4():
			v4 = append(v4, address.Unmap().String())
		default:
			v6 = append(v6, address.String())
		}
	}
	var out []Record
	for kind, values := range map[string][]string{A: v4, AAAA: v6} {
		if len(values) > 0 {
			slices.Sort(values)
			out = append(out, Record{Name: name, Type: kind, TTL: ttl, Values: slices.Compact(values)})
		}
	}
	slices.SortFunc(out, compare)
	return out
}

// Service is the SRV record that says at which port of a host a service is.
func Service(service, host string, ttl uint32, port int32) Record {
	return Record{Name: service + "." + host, Type: SRV, TTL: ttl, Values: []string{fmt.Sprintf("0 0 %d %s.", port, host)}}
}

func compare(a, b Record) int {
	if order := strings.Compare(a.Name, b.Name); order != 0 {
		return order
	}
	return strings.Compare(a.Type, b.Type)
}

// TypesAt are the types that a name may have of us, or that are in our way.
func TypesAt(name string) []string {
	if strings.HasPrefix(name, "_") {
		return []string{SRV}
	}
	return []string{A, AAAA, CNAME}
}
