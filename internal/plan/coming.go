package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Change is one thing of a tenant that is to be otherwise than it is.
type Change struct {
	// What changes, in one word: hostname, enrollment.
	What string `json:"what"`
	// Now is how it is, by the tenant's status.
	Now string `json:"now"`
	// Coming is what spec and Region ask for.
	Coming string `json:"coming"`
}

// What changes: in the order in which [Coming] tells of it.
const (
	ChangeRegion      = "region"
	ChangeMode        = "mode"
	ChangeHostname    = "hostname"
	ChangeAddress     = "address"
	ChangePorts       = "ports"
	ChangeCertificate = "certificate"
	ChangeEnrollment  = "enrollment"
	ChangeManager     = "manager"
)

// Coming compares what a tenant has, by its status, with what spec and Region ask for
// now. They differ until the operator has seen a change, as long as a tenant waits for
// its turn, and where the new spec cannot be carried out, which is the error, a
// *[Problem]. Of what the status does not speak of nothing is said.
func Coming(tenant v1alpha1.Tenant, regions []v1alpha1.Region) ([]Change, error) {
	place, err := Place(tenant, regions)
	if err != nil || tenant.DeletionTimestamp != nil {
		return nil, err
	}
	status := tenant.Status
	var out []Change
	note := func(what, now, coming string) {
		if now != "" && coming != "" && now != coming {
			out = append(out, Change{What: what, Now: now, Coming: coming})
		}
	}
	note(ChangeRegion, status.Region, place.Region)
	note(ChangeMode, string(status.Mode), string(place.Mode))
	note(ChangeHostname, status.Hostname, place.Hostname)
	if addresses := addressesAsked(place); !slices.Contains(addresses, status.Address) {
		note(ChangeAddress, status.Address, strings.Join(addresses, " and "))
	}
	note(ChangePorts, portSummary(status.Ports), portsAsked(tenant, place))
	if status.Certificate != nil {
		note(ChangeCertificate, string(status.Certificate.Strategy), string(place.Strategy))
	}
	if status.Enrollment != nil {
		note(ChangeEnrollment, string(status.Enrollment.Mode), string(enrollmentMode(tenant, place.RegionSpec)))
	}
	if status.Manager != nil {
		note(ChangeManager, released(status.Manager.Version), released(versionAsked(tenant.Spec.Manager, place.RegionSpec)))
	}
	return out, nil
}

// StrategyNow is where the certificate came from that a tenant has, by its status, or is
// to come from where it has none yet.
func StrategyNow(tenant v1alpha1.Tenant, region v1alpha1.CertificatesSpec) v1alpha1.CertificateStrategy {
	if have := tenant.Status.Certificate; have != nil && have.Strategy != "" {
		return have.Strategy
	}
	return strategyAsked(tenant, region)
}

// addressesAsked are those that are asked for by themselves; none where a load balancer
// chooses.
func addressesAsked(place Placement) []string {
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		return place.RegionSpec.Edge.Addresses
	}
	return place.Addresses
}

// portsAsked are the ports that are certain before the operator has chosen: the
// manager's own, a pinned pair, or the pair the tenant holds.
func portsAsked(tenant v1alpha1.Tenant, place Placement) string {
	held, pinned := tenant.Status.EdgePorts, tenant.Spec.WazuhIngress.EdgePorts
	if tenant.Status.Region != place.Region {
		held = nil // another Region has a range of its own
	}
	place.EdgePorts = held
	if pinned != nil {
		ports := *pinned
		if held != nil && ports.HTTPS == 0 {
			ports.HTTPS = held.HTTPS
		}
		place.EdgePorts = &ports
	}
	return portSummary(place.Ports())
}

// versionAsked is the version of the manager that is asked for by name; empty where the
// operator chooses, or somebody else runs it.
func versionAsked(manager v1alpha1.ManagerSpec, region v1alpha1.RegionSpec) string {
	switch {
	case manager.Attach != nil:
		return ""
	case manager.Deploy != nil:
		return cmp.Or(manager.Deploy.Version, region.Manager.Version)
	}
	return region.Manager.Version
}

// released is a version without its v and without what a manager does not tell of itself,
// as in 5.0.0-rc1.
func released(version string) string {
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), "-")
	return number
}
