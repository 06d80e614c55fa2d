package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// LeftState is what is still in a zone of a hostname whose records the operator
// wrote, after the Region or the tenant came to say otherwise.
type LeftState struct {
	// Way it was written.
	Way v1alpha1.DNSWritten `json:"way"`
	// Current is what is there.
	Current []record.Current `json:"current,omitempty"`
	// Error says why that could not be read or changed, in words.
	Error string `json:"error,omitempty"`
}

// ours are the records that carry the mark of the owner that wrote them.
func (l LeftState) ours() bool {
	return slices.ContainsFunc(l.Current, func(c record.Current) bool { return c.Owner != nil && c.Owner.ID == l.Way.OwnerID })
}

// Leaving are changes that take back what was written in a way no longer in force.
type Leaving struct {
	Way     v1alpha1.DNSWritten `json:"way"`
	Current []record.Current    `json:"-"`
	Changes record.Changes      `json:"changes"`
}

// WayOf is how a Region in mode direct writes a hostname's records.
func WayOf(dns v1alpha1.DNSSpec, hostname string) v1alpha1.DNSWritten {
	return v1alpha1.DNSWritten{Hostname: hostname, OwnerID: dns.OwnerID, TXTPrefix: dns.TXTPrefix, RFC2136: dns.RFC2136, Webhook: dns.Webhook}
}

// SameWay is true when two ways lead to the same records: another key to the same
// server does not make another way.
func SameWay(a, b v1alpha1.DNSWritten) bool {
	switch {
	case a.Hostname != b.Hostname || a.OwnerID != b.OwnerID || a.TXTPrefix != b.TXTPrefix:
		return false
	case a.RFC2136 != nil && b.RFC2136 != nil:
		return a.RFC2136.Server == b.RFC2136.Server && a.RFC2136.Zone == b.RFC2136.Zone
	}
	return a.Webhook != nil && b.Webhook != nil && a.Webhook.URL == b.Webhook.URL
}

func inForce(way v1alpha1.DNSWritten, place Placement) bool {
	return WriterOf(place.RegionSpec.DNS) == WriterDirect && SameWay(way, WayOf(place.RegionSpec.DNS, place.Hostname))
}

// Left are the hostnames whose records the operator wrote and that are no longer
// to be there, by the tenant's status and, where that was lost, by its claims.
func Left(tenant v1alpha1.Tenant, place Placement, claims map[string]Holder) []v1alpha1.DNSWritten {
	var known, out []v1alpha1.DNSWritten
	if tenant.Status.DNS != nil {
		known = tenant.Status.DNS.Written
	}
	for _, way := range known {
		if !inForce(way, place) {
			out = append(out, way)
		}
	}
	dns := place.RegionSpec.DNS
	if WriterOf(dns) != WriterDirect {
		return out
	}
	for _, host := range Hostnames(claims, place.Slug, place.Hostname)[1:] {
		told := slices.ContainsFunc(known, func(way v1alpha1.DNSWritten) bool { return way.Hostname == host })
		if !told && inZone(dns, place.RegionSpec.Domain, host) {
			out = append(out, WayOf(dns, host))
		}
	}
	return out
}

// Ways are all that a tenant's records were written by: those that are known, with
// the keys the Region names today, and for every name it holds the Region's.
func Ways(known []v1alpha1.DNSWritten, region v1alpha1.RegionSpec, claims map[string]Holder, slug string) []v1alpha1.DNSWritten {
	out := slices.Clone(known)
	if WriterOf(region.DNS) != WriterDirect {
		return out
	}
	for i, way := range out {
		if today := WayOf(region.DNS, way.Hostname); SameWay(way, today) {
			out[i] = today
		}
	}
	for _, host := range Hostnames(claims, slug, "") {
		way := WayOf(region.DNS, host)
		told := slices.ContainsFunc(out, func(known v1alpha1.DNSWritten) bool { return SameWay(known, way) })
		if !told && inZone(region.DNS, region.Domain, host) {
			out = append(out, way)
		}
	}
	return out
}

// inZone is true for hostnames that a Region's writer can have written.
func inZone(dns v1alpha1.DNSSpec, domain, host string) bool {
	if dns.RFC2136 != nil {
		domain = dns.RFC2136.Zone
	}
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// StillMarked is the error of a former way whose provider lists nothing of ours while
// a server of the zone still has our mark.
func StillMarked(server string) string {
	return fmt.Sprintf("the provider lists nothing of them, but %s still has their mark, so that its listing is not believed; see in its log whether its account may read the zone", server)
}

// Unlisted is true of a way whose provider lists nothing at the hostname, where the
// way in force does not write the same names with the same marks.
func Unlisted(way v1alpha1.DNSWritten, current []record.Current, inForce v1alpha1.DNSSpec, hostname string) bool {
	same := WriterOf(inForce) != WriterPerson && WriterOf(inForce) != WriterNobody &&
		way.Hostname == hostname && way.OwnerID == inForce.OwnerID && way.TXTPrefix == inForce.TXTPrefix
	return way.Webhook != nil && len(current) == 0 && !same
}

// leaving decides what is taken back now. Where the same name moves to another
// server, it is there first.
func leaving(in Input, place Placement, inherited bool) []Leaving {
	var out []Leaving
	for _, left := range in.Observed.DNS.Left {
		if left.Error != "" || handedOver(left.Way, place, inherited) || movesFirst(in, place, left.Way) {
			continue
		}
		if changes := record.Plan(left.Current, nil, left.Way.OwnerID); !changes.Empty() {
			out = append(out, Leaving{Way: left.Way, Current: left.Current, Changes: changes})
		}
	}
	return out
}

// handedOver is true for records that another writer goes on with: an external-dns
// of the same owner id, or another way to the same zone.
func handedOver(way v1alpha1.DNSWritten, place Placement, inherited bool) bool {
	dns := place.RegionSpec.DNS
	if way.Hostname != place.Hostname || way.OwnerID != dns.OwnerID || way.TXTPrefix != dns.TXTPrefix {
		return false
	}
	switch WriterOf(dns) {
	case WriterService, WriterEndpoint:
		return true
	case WriterDirect:
		return inherited
	}
	return false
}

// inherits is true when a way in force for the first time finds our records there
// already: it leads to the zone that the former one led to.
func inherits(in Input, place Placement) bool {
	dns := place.RegionSpec.DNS
	if WriterOf(dns) != WriterDirect || in.Tenant.Status.DNS == nil {
		return false
	}
	written := in.Tenant.Status.DNS.Written
	return len(written) > 0 && !slices.ContainsFunc(written, func(way v1alpha1.DNSWritten) bool { return inForce(way, place) }) &&
		slices.ContainsFunc(in.Observed.DNS.Current, func(c record.Current) bool {
			return c.Name == place.Hostname && len(c.Values) > 0 && c.Owner != nil && c.Owner.ID == dns.OwnerID
		})
}

// movesFirst is true while the name is not where it is to be from now on, and
// nothing there is in its way.
func movesFirst(in Input, place Placement, way v1alpha1.DNSWritten) bool {
	return WriterOf(place.RegionSpec.DNS) == WriterDirect && way.Hostname == place.Hostname && publish(in, place) &&
		!slices.ContainsFunc(in.Observed.DNS.Current, func(c record.Current) bool { return c.Name == place.Hostname })
}

// remaining are the ways whose records are not yet gone.
func remaining(in Input, place Placement, inherited bool) []v1alpha1.DNSWritten {
	return slices.DeleteFunc(Left(in.Tenant, place, in.Observed.Claims), func(way v1alpha1.DNSWritten) bool {
		if handedOver(way, place, inherited) {
			return true
		}
		i := slices.IndexFunc(in.Observed.DNS.Left, func(left LeftState) bool { return SameWay(left.Way, way) })
		if i < 0 {
			return false
		}
		left := in.Observed.DNS.Left[i]
		return left.Error == "" && !left.ours() || left.Error != "" && Abandoned(in.Tenant, way)
	})
}

// Abandoned is true of records at a server or provider that a person gave up.
func Abandoned(tenant v1alpha1.Tenant, way v1alpha1.DNSWritten) bool {
	given := strings.FieldsFunc(tenant.Annotations[naming.AnnotationAbandonRecords], func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(given, serverOf(way))
}

// GivenUp are the records that could not be removed and that a status, on a person's
// word, remembers no more.
func GivenUp(in Input, after v1alpha1.TenantStatus) []string {
	var out []string
	for _, left := range in.Observed.DNS.Left {
		kept := after.DNS != nil && slices.ContainsFunc(after.DNS.Written, func(way v1alpha1.DNSWritten) bool { return SameWay(way, left.Way) })
		if left.Error != "" && !kept && Abandoned(in.Tenant, left.Way) {
			out = append(out, fmt.Sprintf("the records of %s at %s", left.Way.Hostname, serverOf(left.Way)))
		}
	}
	return out
}

func serverOf(way v1alpha1.DNSWritten) string {
	if way.RFC2136 != nil {
		return way.RFC2136.Server
	}
	return way.Webhook.URL
}

// KeptClaims are those of former hostnames whose records are not yet gone: nobody
// shall inherit them.
func KeptClaims(in Input, place Placement) []Claim {
	var out []Claim
	for _, way := range remaining(in, place, false) {
		if way.Hostname != place.Hostname {
			out = append(out, Claim{Name: naming.HostClaim(way.Hostname), Kind: v1alpha1.ClaimHostname})
		}
	}
	return out
}

// withLeft adds what could not be taken back, and how a person can.
func withLeft(hop hop, in Input, place Placement) hop {
	var words []string
	for _, left := range in.Observed.DNS.Left {
		if left.Error != "" && !handedOver(left.Way, place, false) && !Abandoned(in.Tenant, left.Way) {
			words = append(words, leftText(left, in.Tenant.Name))
		}
	}
	if len(words) == 0 {
		return hop
	}
	if hop.status == isTrue {
		hop.reason = v1alpha1.ReasonRecordLeftBehind
	}
	hop.message += "; left behind: " + strings.Join(words, "; ")
	return hop
}

// leftText names the records, and the marks beside them, so that they can be found.
func leftText(left LeftState, slug string) string {
	way := left.Way
	marks := record.Naming{Prefix: way.TXTPrefix}
	return fmt.Sprintf("the records of %s (with the TXT records %s and the like that name owner %q) at %s cannot be removed: %s; make that possible again, or remove them there by hand, or, if it is gone for good, forget them: kubectl annotate tenant %s %s=%s",
		way.Hostname, marks.Mark(way.Hostname, record.A), way.OwnerID, placeOf(way.RFC2136, way.Webhook), left.Error,
		slug, naming.AnnotationAbandonRecords, serverOf(way))
}

// placeOf is where records are written, in words.
func placeOf(server *v1alpha1.RFC2136Spec, provider *v1alpha1.WebhookSpec) string {
	if server != nil {
		return server.Server + ", zone " + server.Zone
	}
	return "the provider at " + provider.URL
}
