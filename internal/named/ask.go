package named

import (
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Lookup asks the server, without recursion, for one type of a name and returns
// the data of what it answered, sorted: addresses, texts, or SRV's four fields.
func (s *Server) Lookup(name, kind string) []string {
	s.tb.Helper()
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
	question.RecursionDesired = false
	client := &dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	answer, _, err := client.Exchange(question, s.Address())
	if err != nil {
		s.tb.Fatalf("ask BIND for %s %s: %v", name, kind, err)
	}
	found := []string{}
	for _, record := range answer.Answer {
		if record.Header().Rrtype == question.Question[0].Qtype {
			found = append(found, data(record))
		}
	}
	slices.Sort(found)
	return found
}

// data is what a record says, without its header.
func data(record dns.RR) string {
	if text, ok := record.(*dns.TXT); ok {
		return strings.Join(text.Txt, "")
	}
	return strings.TrimPrefix(record.String(), record.Header().String())
}

// Change adds and removes records as a person with the key would: "add" lines are
// whole records, "remove" lines too, or a name alone for everything there is at it.
func (s *Server) Change(zone string, add, remove []string) {
	s.tb.Helper()
	update := new(dns.Msg)
	update.SetUpdate(dns.Fqdn(zone))
	for _, line := range remove {
		if !strings.Contains(line, " ") {
			update.RemoveName([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: dns.Fqdn(line)}}})
			continue
		}
		update.Remove([]dns.RR{s.parse(line)})
	}
	for _, line := range add {
		update.Insert([]dns.RR{s.parse(line)})
	}
	update.SetTsig(dns.Fqdn(KeyName), Algorithm, 300, time.Now().Unix())
	client := &dns.Client{Net: "tcp", Timeout: 10 * time.Second, TsigSecret: map[string]string{dns.Fqdn(KeyName): s.options.Secret}}
	answer, _, err := client.Exchange(update, s.Address())
	if err != nil {
		s.tb.Fatalf("change zone %s: %v", zone, err)
	}
	if answer.Rcode != dns.RcodeSuccess {
		s.tb.Fatalf("change zone %s: BIND answered %s", zone, dns.RcodeToString[answer.Rcode])
	}
}

func (s *Server) parse(line string) dns.RR {
	s.tb.Helper()
	record, err := dns.NewRR(line)
	if err != nil {
		s.tb.Fatalf("record %q: %v", line, err)
	}
	return record
}
