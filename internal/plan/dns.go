package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// dnsHop is true when every server of the zone that answers gives the right answer.
func dnsHop(in Input, place Placement) hop { return withLeft(nameHop(in, place), in, place) }

func nameHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionDNSPublished
	if WriterOf(place.RegionSpec.DNS) == WriterNobody {
		return hop{condition, isTrue, v1alpha1.ReasonDNSNotManaged, "Region " + place.Region + " neither writes nor checks names"}
	}
	dns := in.Observed.DNS
	if len(dns.Expected) == 0 && dns.Alias == "" {
		return no(condition, v1alpha1.ReasonWaitingForReadiness, "the record is published once the tenant has an address and the rest is ready")
	}
	verdict := judge(dns)
	if verdict.right {
		hop := answeredRightly(place, verdict)
		if doubted(in, place) {
			hop.reason, hop.message = v1alpha1.ReasonListingDoubted, hop.message+"; "+doubtText(in, place)
		}
		return hop
	}
	if problem, found := writeProblem(in, place); found {
		return problem
	}
	switch {
	case dns.Error != "":
		return no(condition, v1alpha1.ReasonDNSUnreachable, fmt.Sprintf("asking for %s failed: %s", place.Hostname, dns.Error))
	case len(verdict.up) == 0:
		return no(condition, v1alpha1.ReasonDNSUnreachable, fmt.Sprintf("no server of zone %s answers for %s: %s", dns.Zone, place.Hostname, errorsOf(verdict.down)))
	case verdict.split:
		return no(condition, v1alpha1.ReasonServersDisagree, fmt.Sprintf("the servers of zone %s disagree on %s: %s; wanted: %s",
			dns.Zone, place.Hostname, answersOf(verdict.up), wantedText(in, place)))
	case answers(verdict.up[0]) != "":
		return answeredWrongly(in, place, verdict)
	}
	return notAnswered(in, place)
}

// dnsVerdict sorts the answers of the zone's servers.
type dnsVerdict struct {
	up, down []DNSAnswer
	// right: at least one answers, and all that do answer rightly.
	right bool
	// split: those that answer do not agree.
	split bool
}

func judge(dns DNSState) dnsVerdict {
	var verdict dnsVerdict
	right := 0
	for _, answer := range dns.Answers {
		if answer.Error != "" {
			verdict.down = append(verdict.down, answer)
			continue
		}
		verdict.up = append(verdict.up, answer)
		if leadsRight(dns, answer) {
			right++
		}
		if answers(answer) != answers(verdict.up[0]) {
			verdict.split = true
		}
	}
	verdict.right = right > 0 && right == len(verdict.up)
	return verdict
}

// leadsRight: an alias of the load balancer's name, or the addresses wanted. A
// cloud's load balancer changes its addresses at will, so some of them suffice.
func leadsRight(dns DNSState, answer DNSAnswer) bool {
	if dns.Alias == "" {
		return sameSet(answer.Addresses, dns.Expected)
	}
	if answer.Alias == dns.Alias {
		return true
	}
	return len(answer.Addresses) > 0 && !slices.ContainsFunc(answer.Addresses, func(address string) bool {
		return !slices.Contains(dns.Expected, address)
	})
}

func answeredRightly(place Placement, verdict dnsVerdict) hop {
	text := fmt.Sprintf("%s resolves to %s, %s", place.Hostname, answers(verdict.up[0]), saidBy(verdict.up))
	if len(verdict.down) == 0 {
		return ok(v1alpha1.ConditionDNSPublished, text)
	}
	return hop{v1alpha1.ConditionDNSPublished, isTrue, v1alpha1.ReasonNameServerDown,
		fmt.Sprintf("%s; repair the others, or take them out of the zone's NS records: %s", text, errorsOf(verdict.down))}
}

// answeredWrongly says whose the wrong answer is.
func answeredWrongly(in Input, place Placement, verdict dnsVerdict) hop {
	dns, writer := in.Observed.DNS, WriterOf(place.RegionSpec.DNS)
	asked := writer == WriterPerson || published(in, place)
	wrong := fmt.Sprintf("%s resolves to %s, %s", place.Hostname, answers(verdict.up[0]), saidBy(verdict.up))
	reason, why := v1alpha1.ReasonRecordWrong, ""
	late := behind(in, place, verdict.up[0])
	switch {
	case dns.Owner != nil && ownedByOther(*dns.Owner, place):
		reason, why = v1alpha1.ReasonRecordOwnedByOther, "; that record belongs to "+ownerText(dns.Owner)
	case late != "" && writer == WriterPerson:
		return no(v1alpha1.ConditionDNSPublished, reason, late+"; change the record to: "+wantedText(in, place))
	case late != "":
		return no(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonWaitingForRecord, fmt.Sprintf("%s; asked for: %s; resolvers may keep the old answer for %d s", late, wantedText(in, place), place.RegionSpec.DNS.TTL))
	case dns.Wildcard != "" && !asked:
		return no(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonWaitingForReadiness, "the record is published once the rest of the tenant is ready; until then "+dns.Wildcard+" answers for it")
	case dns.Wildcard != "":
		reason, why = v1alpha1.ReasonRecordShadowed, fmt.Sprintf(", which is what %s says: the name has no record of its own", dns.Wildcard)
	case dns.Owner != nil:
		why = "; that record belongs to " + ownerText(dns.Owner)
	}
	return no(v1alpha1.ConditionDNSPublished, reason, fmt.Sprintf("%s%s; wanted: %s", wrong, why, wantedText(in, place)))
}

// notAnswered says whose move it is.
func notAnswered(in Input, place Placement) hop {
	condition, dns := v1alpha1.ConditionDNSPublished, in.Observed.DNS
	writer, wanted := WriterOf(place.RegionSpec.DNS), wantedText(in, place)
	switch {
	case writer != WriterPerson && !published(in, place):
		return no(condition, v1alpha1.ReasonWaitingForReadiness, "the record is published once the rest of the tenant is ready")
	case dns.Owner != nil && ownedByOther(*dns.Owner, place):
		return no(condition, v1alpha1.ReasonRecordOwnedByOther, fmt.Sprintf("%s belongs to %s, says a mark beside it, although it has no record; wanted: %s", place.Hostname, ownerText(dns.Owner), wanted))
	case writer == WriterService:
		return no(condition, v1alpha1.ReasonWaitingForRecord, "asked external-dns, by annotations of Service "+naming.ServiceAgents+", for: "+wanted)
	case writer == WriterEndpoint && (dns.Endpoint == nil || dns.Endpoint.Observed < dns.Endpoint.Generation):
		return no(condition, v1alpha1.ReasonWaitingForRecord, fmt.Sprintf("external-dns has not read DNSEndpoint %s/%s yet, which asks for: %s", in.Operator.Namespace, naming.DNSEndpoint(place.Slug), wanted))
	case writer == WriterEndpoint:
		return no(condition, v1alpha1.ReasonWaitingForRecord, fmt.Sprintf("external-dns has read DNSEndpoint %s/%s; the zone's servers do not have the record yet: %s", in.Operator.Namespace, naming.DNSEndpoint(place.Slug), wanted))
	case writer == WriterDirect:
		return no(condition, v1alpha1.ReasonWaitingForRecord, fmt.Sprintf("written to %s, and not yet answered by %s: %s", writtenTo(place.RegionSpec.DNS), serversOf(dns.Answers), wanted))
	case place.Mode == v1alpha1.ModeEdgeHAProxy:
		return no(condition, v1alpha1.ReasonRecordMissing, fmt.Sprintf("create this record, once for all tenants at the edge: %s; or for this one: %s",
			recordsText(record.Addresses("*."+place.RegionSpec.Domain, uint32(place.RegionSpec.DNS.TTL), targets(in, place))), wanted))
	}
	return no(condition, v1alpha1.ReasonRecordMissing, "create this record: "+wanted)
}

// writeProblem is what keeps the operator itself from writing, in mode direct.
func writeProblem(in Input, place Placement) (hop, bool) {
	condition, dns := v1alpha1.ConditionDNSPublished, in.Observed.DNS
	if WriterOf(place.RegionSpec.DNS) != WriterDirect {
		return hop{}, false
	}
	if dns.WriteRefused {
		return no(condition, v1alpha1.ReasonDNSUpdateRefused, fmt.Sprintf("%s cannot be written: %s", place.Hostname, dns.WriteError)), true
	}
	if dns.WriteError != "" {
		return no(condition, v1alpha1.ReasonDNSUnreachable, fmt.Sprintf("%s cannot be written: %s", place.Hostname, dns.WriteError)), true
	}
	if doubted(in, place) {
		return no(condition, v1alpha1.ReasonListingDoubted, doubtText(in, place)), true
	}
	if answer, found := unlisted(in, place); found {
		return no(condition, v1alpha1.ReasonRecordOwnedByOther, fmt.Sprintf("in the way and left alone is what %s says of %s: %s; the provider at %s does not list that record, so that it is not known to be ours; wanted: %s",
			answer.Server, place.Hostname, answers(answer), place.RegionSpec.DNS.Webhook.URL, wantedText(in, place))), true
	}
	for _, blocked := range record.Plan(dns.Current, records(in, place), place.RegionSpec.DNS.OwnerID).Blocked {
		if blocked.Name != place.Hostname {
			continue
		}
		what := blocked.String()
		if len(blocked.Values) == 0 {
			what = "a mark without a record, " + blocked.Mark
		}
		return no(condition, v1alpha1.ReasonRecordOwnedByOther,
			fmt.Sprintf("in the way and left alone is %s, which belongs to %s; wanted: %s", what, ownerText(blocked.Owner), wantedText(in, place))), true
	}
	return hop{}, false
}

// writtenTo is whom the operator writes to.
func writtenTo(dns v1alpha1.DNSSpec) string {
	if dns.RFC2136 != nil {
		return dns.RFC2136.Server
	}
	return "the provider at " + dns.Webhook.URL
}

func ownedByOther(owner record.Owner, place Placement) bool {
	id := place.RegionSpec.DNS.OwnerID
	return id != "" && owner.ID != id
}

func ownerText(owner *record.Owner) string {
	if owner == nil {
		return "nobody that left a mark"
	}
	text := fmt.Sprintf("owner %q", owner.ID)
	if owner.Resource != "" {
		text += " (for " + owner.Resource + ")"
	}
	return text
}

func wantedText(in Input, place Placement) string {
	return recordsText(record.Addresses(place.Hostname, uint32(place.RegionSpec.DNS.TTL), targets(in, place)))
}

// answers are what one server says, as text; empty when it knows no such name.
func answers(answer DNSAnswer) string {
	if answer.Alias != "" {
		return answer.Alias
	}
	return strings.Join(sorted(answer.Addresses), ", ")
}

func serversOf(answers []DNSAnswer) string {
	var names []string
	for _, answer := range answers {
		names = append(names, answer.Server)
	}
	return strings.Join(names, " and ")
}

// saidBy names who gave an answer, with the verb that fits their number.
func saidBy(answers []DNSAnswer) string {
	if len(answers) == 1 {
		return "says " + serversOf(answers)
	}
	return "say " + serversOf(answers)
}

func answersOf(up []DNSAnswer) string {
	var words []string
	for _, answer := range up {
		text := answers(answer)
		if text == "" {
			text = "nothing"
		}
		words = append(words, answer.Server+" says "+text)
	}
	return strings.Join(words, "; ")
}

func errorsOf(down []DNSAnswer) string {
	var words []string
	for _, answer := range down {
		words = append(words, answer.Server+": "+answer.Error)
	}
	return strings.Join(words, "; ")
}
