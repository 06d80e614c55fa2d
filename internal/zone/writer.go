package zone

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// Key signs updates.
type Key struct {
	// Name as the server knows it.
	Name string
	// Algorithm such as hmac-sha256.
	Algorithm string
	// Secret is base64 text.
	Secret string
}

// Writer changes the records of one zone at its primary server.
type Writer struct {
	// Server is host:port.
	Server string
	// Zone the records are in.
	Zone string
	Key  Key
	// Naming of the marks, and the owner id they carry.
	Naming  record.Naming
	OwnerID string
	// Now is the clock: a signature carries the time.
	Now func() time.Time
}

// Adjust has nothing to do: a zone says what was written.
func (w *Writer) Adjust(_ context.Context, wanted []record.Record) ([]record.Record, error) {
	return wanted, nil
}

// Read reads what the zone says at the names, and whose it is. What only a
// wildcard answers is not there.
func (w *Writer) Read(ctx context.Context, names []string) ([]record.Current, error) {
	client := &dns.Client{Net: "tcp", Timeout: patience}
	conn, err := client.DialContext(ctx, w.Server)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", w.Server, words(err))
	}
	defer func() { _ = conn.Close() }()
	var found []record.Current
	for _, name := range names {
		for _, kind := range record.TypesAt(name) {
			current, err := w.readOne(ctx, client, conn, name, kind)
			if err != nil {
				return nil, err
			}
			if current != nil {
				found = append(found, *current)
			}
		}
	}
	return found, nil
}

func (w *Writer) readOne(ctx context.Context, client *dns.Client, conn *dns.Conn, name, kind string) (*record.Current, error) {
	current := record.Current{Record: record.Record{Name: name, Type: kind}}
	answer, err := w.ask(ctx, client, conn, name, dns.StringToType[kind])
	if err != nil {
		return nil, err
	}
	for _, rr := range answer.Answer {
		if dns.TypeToString[rr.Header().Rrtype] == kind && strings.EqualFold(rr.Header().Name, dns.Fqdn(name)) {
			current.TTL = rr.Header().Ttl
			current.Values = append(current.Values, strings.ToLower(strings.TrimPrefix(rr.String(), rr.Header().String())))
		}
	}
	slices.Sort(current.Values)
	if err := w.readMark(ctx, client, conn, &current); err != nil {
		return nil, err
	}
	if len(current.Values) > 0 && current.Owner == nil {
		real, err := w.exists(ctx, name, kind)
		if err != nil || !real {
			return nil, err
		}
	}
	if len(current.Values) == 0 && current.Owner == nil {
		return nil, nil
	}
	return &current, nil
}

// readMark finds whose the record is.
func (w *Writer) readMark(ctx context.Context, client *dns.Client, conn *dns.Conn, current *record.Current) error {
	marks := []string{w.Naming.Mark(current.Name, current.Type)}
	if old, ok := w.Naming.OldMark(current.Name, current.Type); ok && len(current.Values) > 0 {
		marks = append(marks, old)
	}
	for _, mark := range marks {
		answer, err := w.ask(ctx, client, conn, mark, dns.TypeTXT)
		if err != nil {
			return err
		}
		texts := textsOf(answer, mark)
		for _, text := range texts {
			if owner, ok := record.ParseOwner(text); ok {
				current.Owner, current.Mark, current.Texts = &owner, mark, texts
				return nil
			}
		}
	}
	return nil
}

func (w *Writer) ask(ctx context.Context, client *dns.Client, conn *dns.Conn, name string, kind uint16) (*dns.Msg, error) {
	answer, _, err := client.ExchangeWithConnContext(ctx, question(name, kind, false), conn)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", w.Server, words(err))
	}
	switch {
	case answer.Rcode == dns.RcodeRefused:
		return nil, &record.Refused{Why: fmt.Sprintf("%s refuses to answer for %s", w.Server, name)}
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("%s answers %s for %s", w.Server, dns.RcodeToString[answer.Rcode], name)
	case !answer.Authoritative:
		return nil, &record.Refused{Why: fmt.Sprintf("%s does not hold the zone %s", w.Server, w.Zone)}
	}
	return answer, nil
}

// exists asks by an update that demands the record and changes nothing: unlike a
// question, a demand is not met by a wildcard.
func (w *Writer) exists(ctx context.Context, name, kind string) (bool, error) {
	message := new(dns.Msg)
	message.SetUpdate(dns.Fqdn(w.Zone))
	message.RRsetUsed([]dns.RR{empty(name, kind)})
	err := w.send(ctx, message)
	if errors.Is(err, record.ErrChanged) {
		return false, nil
	}
	return err == nil, err
}

func empty(name, kind string) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.StringToType[kind], Class: dns.ClassINET}}
}

// send signs an update and judges the answer.
func (w *Writer) send(ctx context.Context, message *dns.Msg) error {
	if _, err := base64.StdEncoding.DecodeString(w.Key.Secret); err != nil || w.Key.Secret == "" {
		return &record.Refused{Why: "the TSIG key's secret is not base64 text"}
	}
	name := dns.CanonicalName(w.Key.Name)
	message.SetTsig(name, dns.Fqdn(w.Key.Algorithm), 300, w.Now().Unix())
	client := &dns.Client{Net: "tcp", Timeout: patience, TsigSecret: map[string]string{name: w.Key.Secret}}
	answer, _, err := client.ExchangeContext(ctx, message, w.Server)
	if answer == nil {
		return fmt.Errorf("%s: %s", w.Server, words(err))
	}
	// A refusal need not be signed: a server does not sign with a key it does not know.
	signature := answer.IsTsig()
	switch answer.Rcode {
	case dns.RcodeRefused, dns.RcodeNotAuth, dns.RcodeNotZone:
		if signature != nil && signature.Error != dns.RcodeSuccess {
			return &record.Refused{Why: fmt.Sprintf("%s does not accept the TSIG key %q: %s", w.Server, w.Key.Name, dns.RcodeToString[int(signature.Error)])}
		}
		return &record.Refused{Why: fmt.Sprintf("%s answers %s to an update of zone %s with the key %q", w.Server, dns.RcodeToString[answer.Rcode], w.Zone, w.Key.Name)}
	}
	if err != nil || signature == nil {
		return fmt.Errorf("%s: the answer to an update is not signed as it must be", w.Server)
	}
	switch answer.Rcode {
	case dns.RcodeSuccess:
		return nil
	case dns.RcodeYXDomain, dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeNameError:
		return record.ErrChanged
	}
	return fmt.Errorf("%s answers %s to an update of zone %s", w.Server, dns.RcodeToString[answer.Rcode], w.Zone)
}
