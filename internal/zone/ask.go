package zone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// Answer is what one server says of a name.
type Answer struct {
	Server Server
	// Addresses of the name, sorted; empty when it does not exist.
	Addresses []string
	// Target is the name it is an alias of, without the final dot.
	Target string
	// Error in words when the server did not answer, or is not one of the zone's.
	Error string
}

// Ask asks every server of the zone at the same time.
func (a *Asker) Ask(ctx context.Context, zone Zone, name string) []Answer {
	answers := make([]Answer, len(zone.Servers))
	var waiting sync.WaitGroup
	for i, server := range zone.Servers {
		waiting.Go(func() { answers[i] = askOne(ctx, server, name) })
	}
	waiting.Wait()
	return answers
}

func askOne(ctx context.Context, server Server, name string) Answer {
	out := Answer{Server: server}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		answer, err := authoritative(ctx, server, name, kind)
		if err != nil {
			out.Error = err.Error()
			return out
		}
		for _, found := range answer.Answer {
			if alias, ok := found.(*dns.CNAME); ok && out.Target == "" {
				out.Target = strings.TrimSuffix(strings.ToLower(alias.Target), ".")
			}
			if address := addressOf(found); address != "" {
				out.Addresses = append(out.Addresses, address)
			}
		}
	}
	slices.Sort(out.Addresses)
	out.Addresses = slices.Compact(out.Addresses)
	return out
}

// authoritative asks without recursion and takes no hearsay.
func authoritative(ctx context.Context, server Server, name string, kind uint16) (*dns.Msg, error) {
	answer, err := exchange(ctx, server.Address, question(name, kind, false))
	if err != nil {
		return nil, err
	}
	switch {
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("answers %s", dns.RcodeToString[answer.Rcode])
	case !answer.Authoritative:
		return nil, errors.New("does not hold the zone, although the zone names it as a server")
	}
	return answer, nil
}

// Wildcard finds the wildcard record that answers for a name in a record's place,
// if one does: its answer is the same.
func (a *Asker) Wildcard(ctx context.Context, zone Zone, answer Answer, name string) (wildcard string) {
	if len(answer.Addresses) == 0 && answer.Target == "" {
		return ""
	}
	var parents []string
	for parent := name; ; {
		_, rest, more := strings.Cut(parent, ".")
		if !more || zone.Apex != "" && !within(rest, zone.Apex) {
			break
		}
		parent = rest
		parents = append(parents, parent)
	}
	slices.Reverse(parents)
	for _, parent := range parents {
		star := "*." + parent
		got := askOne(ctx, answer.Server, star)
		if got.Error == "" && got.Target == answer.Target && slices.Equal(got.Addresses, answer.Addresses) {
			return star
		}
	}
	return ""
}

func within(name, apex string) bool { return name == apex || strings.HasSuffix(name, "."+apex) }

// Owner reads the mark of a name's address records at one server; nil means that
// nobody claims them.
func (a *Asker) Owner(ctx context.Context, server Server, naming record.Naming, name string) *record.Owner {
	for _, kind := range []string{record.A, record.AAAA, record.CNAME} {
		marks := []string{naming.Mark(name, kind)}
		if old, ok := naming.OldMark(name, kind); ok {
			marks = append(marks, old)
		}
		for _, mark := range marks {
			answer, err := authoritative(ctx, server, mark, dns.TypeTXT)
			if err != nil {
				return nil
			}
			for _, text := range textsOf(answer, mark) {
				if owner, ok := record.ParseOwner(text); ok {
					return &owner
				}
			}
		}
	}
	return nil
}

func textsOf(answer *dns.Msg, name string) []string {
	var out []string
	for _, found := range answer.Answer {
		if text, ok := found.(*dns.TXT); ok && strings.EqualFold(found.Header().Name, dns.Fqdn(name)) {
			out = append(out, strings.Join(text.Txt, ""))
		}
	}
	slices.Sort(out)
	return out
}
