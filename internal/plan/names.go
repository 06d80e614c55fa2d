package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/issuance"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// DNSState is what became of the tenant's hostname: what was asked for, and what
// the zone's own servers answer.
type DNSState struct {
	// Expected are the addresses the name should have.
	Expected []string `json:"expected,omitempty"`
	// Alias is the load balancer's own name, where it has one; the tenant's name may
	// be an alias of it.
	Alias string `json:"alias,omitempty"`
	// Error of finding the zone's servers, in words.
	Error string `json:"error,omitempty"`
	// Zone the name is in.
	Zone string `json:"zone,omitempty"`
	// Answers of the zone's servers.
	Answers []DNSAnswer `json:"answers,omitempty"`
	// Wildcard that gives a wrong answer in a missing record's place.
	Wildcard string `json:"wildcard,omitempty"`
	// Owner that a mark beside a wrong record names.
	Owner *record.Owner `json:"owner,omitempty"`
	// Endpoint is the DNSEndpoint as external-dns left it; nil when there is none.
	Endpoint *EndpointState `json:"endpoint,omitempty"`
	// Current is, in mode direct, what the server that takes updates, or the
	// provider, holds at the tenant's names.
	Current []record.Current `json:"current,omitempty"`
	// Adjusted are the records wanted, as a provider would write them.
	Adjusted []record.Record `json:"adjusted,omitempty"`
	// Left is what the operator wrote in ways that are no longer in force.
	Left []LeftState `json:"left,omitempty"`
	// WriteError says why that server could not be read or changed, in words.
	WriteError string `json:"writeError,omitempty"`
	// WriteRefused is true when a person must act on that.
	WriteRefused bool `json:"writeRefused,omitempty"`
}

// DNSAnswer is what one server says of the hostname.
type DNSAnswer struct {
	// Server by name and address.
	Server string `json:"server"`
	// Addresses, none when the name does not exist.
	Addresses []string `json:"addresses,omitempty"`
	// Alias is the name it points to.
	Alias string `json:"alias,omitempty"`
	// Error when it did not answer.
	Error string `json:"error,omitempty"`
}

// EndpointState is a DNSEndpoint and how much of it external-dns has read.
type EndpointState struct {
	Generation int64 `json:"generation"`
	Observed   int64 `json:"observed"`
}

// Writer is who writes a tenant's records.
type Writer string

const (
	// WriterNobody: names are not managed.
	WriterNobody Writer = ""
	// WriterPerson creates them by hand.
	WriterPerson Writer = "person"
	// WriterService is external-dns, asked by annotations.
	WriterService Writer = "service"
	// WriterEndpoint is external-dns, asked by a DNSEndpoint.
	WriterEndpoint Writer = "endpoint"
	// WriterDirect is the operator.
	WriterDirect Writer = "direct"
)

// WriterOf says who writes the records of a Region's tenants.
func WriterOf(dns v1alpha1.DNSSpec) Writer {
	switch dns.Mode {
	case v1alpha1.DNSExternalDNS:
		if dns.ExternalDNS != nil && dns.ExternalDNS.Source == v1alpha1.SourceEndpoint {
			return WriterEndpoint
		}
		return WriterService
	case v1alpha1.DNSDirect:
		return WriterDirect
	case v1alpha1.DNSNone:
		return WriterNobody
	}
	return WriterPerson
}

// Names are the records of one tenant, and the way they get into the zone.
type Names struct {
	// Writer that is to publish them.
	Writer Writer `json:"writer"`
	// Records wanted; none while others are only to go.
	Records []record.Record `json:"records,omitempty"`
	// Changes that lead there, in mode direct.
	Changes record.Changes `json:"changes,omitzero"`
	// Leaving is what goes, of ways that are no longer in force.
	Leaving []Leaving `json:"leaving,omitempty"`
	// Inherited is true when the way in force leads to the zone that the one before
	// led to, so that nothing has to go.
	Inherited bool `json:"inherited,omitempty"`
}

// names decides what is published. Once published, a name stays until the tenant
// goes: an address lost for a moment takes no record away, because agents' hosts
// would remember that the name does not exist.
func names(in Input, place Placement) *Names {
	writer := WriterOf(place.RegionSpec.DNS)
	out := &Names{Writer: writer, Inherited: inherits(in, place)}
	out.Leaving = leaving(in, place, out.Inherited)
	if writer != WriterNobody && writer != WriterPerson && publish(in, place) {
		out.Records = records(in, place)
	}
	if writer == WriterDirect && in.Observed.DNS.WriteError == "" && len(out.Records) > 0 {
		out.Changes = changes(in, place, out.Records)
	}
	if len(out.Records)+len(out.Leaving) == 0 && !out.Inherited {
		return nil
	}
	return out
}

// changes bring the zone in step. A name that the zone's servers have and the
// provider does not list is not ours: it may be in a zone the provider cannot see.
func changes(in Input, place Placement, wanted []record.Record) record.Changes {
	if doubted(in, place) {
		return record.Changes{}
	}
	out := record.Plan(in.Observed.DNS.Current, wanted, place.RegionSpec.DNS.OwnerID)
	if _, found := unlisted(in, place); found {
		out.Create = slices.DeleteFunc(out.Create, func(made record.Record) bool { return made.Name == place.Hostname })
	}
	return out
}

// doubted is true when a provider we wrote through lists nothing of a tenant's records,
// and the zone's own servers still have them with our mark, or cannot be asked. Many
// providers answer with an empty list where they may not read. A zone that was emptied
// in truth is believed as soon as its servers have followed.
func doubted(in Input, place Placement) bool {
	dns, spec, told := in.Observed.DNS, place.RegionSpec.DNS, in.Tenant.Status.DNS
	if spec.Webhook == nil || dns.WriteError != "" || len(dns.Current) > 0 || told == nil {
		return false
	}
	way := WayOf(spec, place.Hostname)
	if !slices.ContainsFunc(told.Written, func(known v1alpha1.DNSWritten) bool { return SameWay(known, way) }) {
		return false
	}
	elsewhere := slices.ContainsFunc(dns.Left, func(left LeftState) bool {
		return left.Way.Hostname == way.Hostname && left.Way.OwnerID == way.OwnerID && left.Way.TXTPrefix == way.TXTPrefix
	})
	if elsewhere {
		return false // what the servers have may be of the former way, and the name is moving
	}
	return len(judge(dns).up) == 0 || dns.Owner != nil && dns.Owner.ID == spec.OwnerID
}

// doubtText says why a listing is not believed, and what to do.
func doubtText(in Input, place Placement) string {
	dns := in.Observed.DNS
	why := "none of the zone's servers can be asked whether that is so"
	if len(judge(dns).up) > 0 {
		why = fmt.Sprintf("the zone's servers still have them, marked as of owner %q", dns.Owner.ID)
	}
	return fmt.Sprintf("the provider at %s lists no records of %s any more, but %s: its listing is not believed, and nothing is written; "+
		"see in the provider's log whether its account may read the zone; if the zone was emptied, its records are written again once its servers no longer answer with them",
		place.RegionSpec.DNS.Webhook.URL, place.Hostname, why)
}

// unlisted finds an answer of the zone's servers for a name that the provider says
// does not exist. A provider's list can be short of a zone it may not read.
func unlisted(in Input, place Placement) (DNSAnswer, bool) {
	dns := in.Observed.DNS
	if place.RegionSpec.DNS.Webhook == nil || dns.Wildcard != "" || judge(dns).right ||
		slices.ContainsFunc(dns.Current, func(c record.Current) bool { return c.Name == place.Hostname }) {
		return DNSAnswer{}, false
	}
	i := slices.IndexFunc(dns.Answers, func(answer DNSAnswer) bool { return answer.Error == "" && answers(answer) != "" })
	if i < 0 {
		return DNSAnswer{}, false
	}
	return dns.Answers[i], true
}

// records are the tenant's: its address under its name, and at an edge the ports.
// Agents do not read SRV records; they are there for people and tools that do.
func records(in Input, place Placement) []record.Record {
	if len(in.Observed.DNS.Adjusted) > 0 {
		return in.Observed.DNS.Adjusted
	}
	return Records(place, targets(in, place))
}

// Records are those of a tenant that is to be found at the targets.
func Records(place Placement, targets []string) []record.Record {
	ttl := uint32(place.RegionSpec.DNS.TTL)
	out := record.Addresses(place.Hostname, ttl, targets)
	if len(out) == 0 || place.Mode != v1alpha1.ModeEdgeHAProxy || WriterOf(place.RegionSpec.DNS) == WriterService {
		return out
	}
	for _, port := range place.Ports() {
		out = append(out, record.Service(naming.SRV(port.Name), place.Hostname, ttl, port.Port))
	}
	return out
}

func targets(in Input, place Placement) []string {
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		return place.RegionSpec.Edge.Addresses
	}
	return in.Observed.Service.Addresses
}

// publish asks for the DNS record once everything before it is in place, and
// never takes it back because a pod restarts: agents cache names. Where the
// certificate is to be proven by HTTP-01 the name must come first: it is asked for
// as soon as there is something to lead to.
func publish(in Input, place Placement) bool {
	if published(in, place) {
		return true
	}
	nameFirst := issuance.NeedsName(in.Observed.Issuance)
	for _, hop := range hopsBeforeDNS(in, place) {
		if !good(hop.status, hop.reason) && !(nameFirst && followsCertificate(hop.condition)) {
			return false
		}
	}
	return true
}

// followsCertificate names what cannot be before the certificate is: the pod
// mounts it.
func followsCertificate(condition string) bool {
	return condition == v1alpha1.ConditionCertificateReady || condition == v1alpha1.ConditionManagerReachable || condition == v1alpha1.ConditionEnrollmentGuarded
}

// published is true once the name was asked for.
func published(in Input, place Placement) bool {
	dns, id := in.Observed.DNS, place.RegionSpec.DNS.OwnerID
	return in.Observed.Service.Published || dns.Endpoint != nil ||
		in.Tenant.Status.DNS != nil && in.Tenant.Status.DNS.Published && in.Tenant.Status.Hostname == place.Hostname ||
		slices.ContainsFunc(dns.Current, func(c record.Current) bool {
			return id != "" && c.Owner != nil && c.Owner.ID == id && c.Name == place.Hostname
		})
}

// dnsValues annotate the Service where external-dns reads Services. At an edge the
// Service has no address of its own, so the annotations name the edge's.
func dnsValues(in Input, place Placement) map[string]any {
	asked := WriterOf(place.RegionSpec.DNS) == WriterService && publish(in, place)
	out := map[string]any{"publish": asked, "ttl": int64(place.RegionSpec.DNS.TTL)}
	if asked && place.Mode == v1alpha1.ModeEdgeHAProxy {
		out["targets"] = list(targets(in, place))
	}
	return out
}

// Hostnames are the names a tenant holds claims on, the one in force first: the
// others are former ones, whose records are to go.
func Hostnames(claims map[string]Holder, slug, inForce string) []string {
	var former []string
	for name, holder := range claims {
		host, ok := naming.HostOf(name)
		if ok && holder.Tenant == slug && holder.QuarantinedUntil.IsZero() && host != inForce {
			former = append(former, host)
		}
	}
	slices.Sort(former)
	if inForce == "" {
		return former
	}
	return append([]string{inForce}, former...)
}

// RecordNames are all names that a hostname's records may have.
func RecordNames(hostnames []string) []string {
	var out []string
	for _, host := range hostnames {
		out = append(out, host)
		for _, service := range naming.SRVs() {
			out = append(out, service+"."+host)
		}
	}
	return out
}

func recordsText(records []record.Record) string {
	var lines []string
	for _, record := range records {
		lines = append(lines, record.String())
	}
	return strings.Join(lines, ", ")
}
