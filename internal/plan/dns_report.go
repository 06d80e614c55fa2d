package plan

import (
	"fmt"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// reportNames sets side by side what was asked for, how far its writer is, and
// what the zone's servers answer.
func reportNames(status *v1alpha1.TenantStatus, in Input, place Placement, names *Names) {
	writer := WriterOf(place.RegionSpec.DNS)
	left := remaining(in, place, names != nil && names.Inherited)
	if writer == WriterNobody {
		status.DNS = nil
		if len(left) > 0 {
			status.DNS = &v1alpha1.DNSStatus{Written: left}
		}
		return
	}
	dns := in.Observed.DNS
	out := &v1alpha1.DNSStatus{
		Writer:    writerText(in, place, writer),
		Zone:      dns.Zone,
		Published: published(in, place) || judge(dns).right,
	}
	if writer == WriterDirect && out.Published {
		out.Written = append(out.Written, WayOf(place.RegionSpec.DNS, place.Hostname))
	}
	out.Written = append(out.Written, left...)
	for _, wanted := range records(in, place) {
		out.Wanted = append(out.Wanted, wanted.String())
	}
	for _, answer := range dns.Answers {
		line := v1alpha1.DNSAnswer{Server: answer.Server, Error: answer.Error}
		if answer.Alias != "" {
			line.Records = append(line.Records, "CNAME "+answer.Alias+".")
		}
		for _, found := range record.Addresses(place.Hostname, 0, sorted(answer.Addresses)) {
			for _, value := range found.Values {
				line.Records = append(line.Records, found.Type+" "+value)
			}
		}
		out.Answers = append(out.Answers, line)
	}
	status.DNS = out
}

func writerText(in Input, place Placement, writer Writer) string {
	dns := in.Observed.DNS
	switch writer {
	case WriterPerson:
		return "a person"
	case WriterService:
		if in.Observed.Service.Published {
			return "external-dns, asked by annotations of Service " + naming.ServiceAgents
		}
		return "external-dns, not asked yet"
	case WriterEndpoint:
		if dns.Endpoint == nil {
			return "external-dns, not asked yet"
		}
		return fmt.Sprintf("external-dns, which has read generation %d of %d of DNSEndpoint %s", dns.Endpoint.Observed, dns.Endpoint.Generation, naming.DNSEndpoint(place.Slug))
	}
	way := "by updates"
	if place.RegionSpec.DNS.Webhook != nil {
		way = "by changes"
	}
	if dns.WriteError != "" {
		return "this operator, " + way + ", which fail: " + dns.WriteError
	}
	return "this operator, " + way + " to " + writtenTo(place.RegionSpec.DNS)
}
