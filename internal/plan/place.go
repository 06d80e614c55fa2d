package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Placement is where a tenant belongs, after the Region's defaults are filled in.
type Placement struct {
	// Slug is the tenant's name.
	Slug string `json:"slug"`
	// Namespace holds its objects.
	Namespace string `json:"namespace"`
	// Region it belongs to, with the Region's spec.
	Region     string              `json:"region"`
	RegionSpec v1alpha1.RegionSpec `json:"-"`
	// Mode in force.
	Mode v1alpha1.IngressMode `json:"mode"`
	// Hostname agents are given.
	Hostname string `json:"hostname"`
	// Major is the version of Wazuh the manager is deployed in, 4 or 5.
	Major int `json:"-"`
	// Agents is the newest version of agents that are let in, 4 or 5: it says which
	// ports are open.
	Agents int `json:"-"`
	// Addresses the tenant insists on, in mode loadbalancer.
	Addresses []string `json:"addresses,omitempty"`
	// EdgePorts held, in mode edge-haproxy.
	EdgePorts *v1alpha1.EdgePorts `json:"edgePorts,omitempty"`
	// Slot is the tenant's number at the Region's edges, in mode edge-haproxy.
	Slot *int32 `json:"slot,omitempty"`
	// Gateway is true when the enrollment gateway answers on 1515: edges then tell
	// it each agent's address in a PROXY header.
	Gateway bool `json:"gateway,omitempty"`
	// Alone is true when that gateway is a pod of its own, in front of a manager
	// somebody else runs.
	Alone bool `json:"alone,omitempty"`
	// TLSSecret is the Secret with the certificate for 1515.
	TLSSecret string `json:"tlsSecret"`
	// Strategy by which that certificate comes about, and the issuer to ask.
	Strategy v1alpha1.CertificateStrategy `json:"strategy"`
	Issuer   *v1alpha1.IssuerRef          `json:"issuer,omitempty"`
	// WildcardSecret is where the Region's wildcard certificate lies, in the
	// operator's namespace; empty unless Strategy is wildcard.
	WildcardSecret string `json:"wildcardSecret,omitempty"`
	// PullSecrets of the Region that the tenant's pods need; none where all pods are
	// somebody else's: a registry's password is not copied for nothing.
	PullSecrets []string `json:"-"`
}

// Ports are the ports agents connect to: the manager's own, or the edge's.
func (p Placement) Ports() []v1alpha1.PortStatus {
	var ports []v1alpha1.PortStatus
	for _, port := range naming.AgentPorts(p.Agents) {
		number := port.Number
		if p.Mode == v1alpha1.ModeEdgeHAProxy {
			number = edgePort(p.EdgePorts, port.Name)
		}
		if number != 0 {
			ports = append(ports, v1alpha1.PortStatus{Name: port.Name, Port: number})
		}
	}
	return ports
}

func edgePort(ports *v1alpha1.EdgePorts, name string) int32 {
	if ports == nil {
		return 0
	}
	switch name {
	case naming.PortEvents:
		return ports.Events
	case naming.PortEnrollment:
		return ports.Enrollment
	case naming.PortHTTPS:
		return ports.HTTPS
	}
	return 0
}

// Place fills in what the tenant leaves to its Region, and judges what only
// both together can show to be wrong. The error is a *[Problem].
func Place(tenant v1alpha1.Tenant, regions []v1alpha1.Region) (Placement, error) {
	if err := CheckSpec(tenant); err != nil {
		return Placement{}, err
	}
	region, err := pickRegion(tenant, regions)
	if err != nil {
		return Placement{}, err
	}
	ingress := tenant.Spec.WazuhIngress
	place := Placement{
		Slug:       tenant.Name,
		Namespace:  naming.Namespace(tenant.Name),
		Region:     region.Name,
		RegionSpec: region.Spec,
		Mode:       cmp.Or(ingress.Mode, region.Spec.DefaultMode, v1alpha1.ModeLoadBalancer),
		Hostname:   strings.ToLower(cmp.Or(ingress.Hostname, naming.Hostname(tenant.Name, region.Spec.Domain))),
		Addresses:  ingress.Addresses,
		TLSSecret:  cmp.Or(ingress.TLS.SecretName, naming.SecretTLS),
		Major:      managerMajor(tenant.Spec.Manager, region.Spec),
		Strategy:   strategyAsked(tenant, region.Spec.Certificates),
		Issuer:     region.Spec.Certificates.IssuerRef,
		Gateway:    enrollmentMode(tenant, region.Spec) == v1alpha1.EnrollmentGateway,
	}
	place.Agents = place.Major
	if ingress.Wazuh5Agents != v1alpha1.Wazuh5Unguarded {
		place.Agents = min(place.Major, lastGuarded)
	}
	place.Alone = place.Gateway && tenant.Spec.Manager.Attach != nil
	if tenant.Spec.Manager.Attach == nil || place.Alone {
		place.PullSecrets = region.Spec.ImagePullSecrets
	}
	if ingress.TLS.IssuerRef != "" {
		place.Issuer = &v1alpha1.IssuerRef{Name: ingress.TLS.IssuerRef}
	}
	if place.Strategy == v1alpha1.CertificateWildcard {
		place.WildcardSecret = WildcardSecret(region)
	}
	if err := checkPlacement(tenant, place); err != nil {
		return Placement{}, err
	}
	return place, checkEdgeAlone(place, regions)
}

// strategyAsked is where the certificate is to come from. A tenant that names its own
// issuer leaves the Region's strategy.
func strategyAsked(tenant v1alpha1.Tenant, region v1alpha1.CertificatesSpec) v1alpha1.CertificateStrategy {
	strategy := cmp.Or(region.Strategy, v1alpha1.CertificateBuiltInCA)
	if tenant.Spec.WazuhIngress.TLS.IssuerRef != "" && strategy != v1alpha1.CertificateInternalCA {
		return v1alpha1.CertificateACME
	}
	return strategy
}

// checkEdgeAlone: a port is claimed per Region, so two Regions must not offer the
// same port of the same address.
func checkEdgeAlone(place Placement, regions []v1alpha1.Region) error {
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		return nil
	}
	own := place.RegionSpec.Edge
	for _, region := range regions {
		edge := region.Spec.Edge
		if region.Name == place.Region || edge == nil || edge.Ports.First > own.Ports.Last || edge.Ports.Last < own.Ports.First {
			continue
		}
		for _, address := range edge.Addresses {
			if slices.Contains(own.Addresses, address) {
				return &Problem{
					Reason: v1alpha1.ReasonEdgeAddressShared, Field: "spec.region", Value: place.Region,
					Remedy: fmt.Sprintf("Region %q has the edge address %s too, with ports that overlap; give each Region an address or a range of ports of its own", region.Name, address),
				}
			}
		}
	}
	return nil
}

// lastGuarded is the newest version of agents that enroll on 1515.
const lastGuarded = 4

// maxName is how long the name of an object, such as a claim, may be.
const maxName = 253

func pickRegion(tenant v1alpha1.Tenant, regions []v1alpha1.Region) (v1alpha1.Region, error) {
	var defaults, all []string
	var chosen *v1alpha1.Region
	for i, region := range regions {
		all = append(all, region.Name)
		if region.Spec.Default {
			defaults = append(defaults, region.Name)
		}
		if region.Name == tenant.Spec.Region || tenant.Spec.Region == "" && region.Spec.Default {
			chosen = &regions[i]
		}
		if tenant.Spec.Region == "" && region.Name == tenant.Status.Region {
			// Placed once, a tenant stays: moving the mark to another Region must not
			// give hundreds of customers another hostname.
			return region, nil
		}
	}
	sort.Strings(all)
	sort.Strings(defaults)
	switch {
	case tenant.Spec.Region != "" && chosen == nil:
		return v1alpha1.Region{}, &Problem{
			Reason: v1alpha1.ReasonRegionNotFound, Field: "spec.region", Value: tenant.Spec.Region,
			Remedy: "no such Region; " + choices("use one of", all, "create it with kind: Region"),
		}
	case tenant.Spec.Region == "" && len(defaults) == 0:
		return v1alpha1.Region{}, &Problem{
			Reason: v1alpha1.ReasonNoDefaultRegion, Field: "spec.region", Value: "",
			Remedy: "no Region is marked spec.default: true; mark one, or " + choices("name one of", all, "create one with kind: Region"),
		}
	case tenant.Spec.Region == "" && len(defaults) > 1:
		return v1alpha1.Region{}, &Problem{
			Reason: v1alpha1.ReasonMultipleDefaultRegions, Field: "spec.region", Value: "",
			Remedy: fmt.Sprintf("Regions %s are all marked spec.default: true; leave the mark on one, or name the tenant's Region", strings.Join(defaults, ", ")),
		}
	}
	return *chosen, nil
}

// CheckSpec repeats in Go what the schema says in CEL, for objects that never
// met an API server (render -f) or met an older schema.
func CheckSpec(tenant v1alpha1.Tenant) error {
	if !isLabel(tenant.Name) {
		return invalid("metadata.name", tenant.Name, "the slug must be one DNS label: lower-case letters, digits and '-', starting and ending with a letter or digit, such as \"acme-gmbh\"")
	}
	if len(tenant.Name) > naming.MaxSlugLength {
		return invalid("metadata.name", tenant.Name, fmt.Sprintf("the slug has %d characters and may have %d, because its namespace is tenant-<slug>; choose a shorter one and put the full name into spec.displayName", len(tenant.Name), naming.MaxSlugLength))
	}
	if tenant.Spec.Manager.Deploy != nil && tenant.Spec.Manager.Attach != nil {
		return invalid("spec.manager", "deploy and attach", "either the operator deploys the manager or it attaches to one that exists; remove one of the two")
	}
	for i, cidr := range tenant.Spec.WazuhIngress.AllowedCIDRs {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return invalid(fmt.Sprintf("spec.wazuhIngress.allowedCIDRs[%d]", i), cidr, "write a network in CIDR form, such as 203.0.113.0/24 or 203.0.113.7/32")
		}
		if prefix != prefix.Masked() {
			return invalid(fmt.Sprintf("spec.wazuhIngress.allowedCIDRs[%d]", i), cidr, fmt.Sprintf("the address has bits beyond the prefix; write %s for the whole network, or %s/%d for the one host", prefix.Masked(), prefix.Addr(), prefix.Addr().BitLen()))
		}
	}
	if deploy := tenant.Spec.Manager.Deploy; deploy != nil && beforeWazuh5(deploy.Version) {
		return invalid("spec.manager.deploy.version", deploy.Version, "the alphas and betas of Wazuh 5 read another configuration, and would not start with ours; use 5.0.0-rc1 or newer")
	}
	return checkEnrollment(tenant)
}

// beforeWazuh5 is true for the pre-releases of Wazuh 5 whose configuration changed
// afterwards.
func beforeWazuh5(version string) bool {
	pre, found := strings.CutPrefix(version, "5.0.0-")
	return found && !strings.HasPrefix(pre, "rc")
}

func checkPlacement(tenant v1alpha1.Tenant, place Placement) error {
	if len(naming.HostClaim(place.Hostname)) > maxName {
		return invalid("spec.wazuhIngress.hostname", place.Hostname, fmt.Sprintf("the hostname has %d characters and may have %d; set a shorter one", len(place.Hostname), maxName-len(naming.HostClaim(""))))
	}
	switch place.TLSSecret {
	case naming.SecretEnrollment, naming.SecretAPI, naming.SecretAPITLS, naming.SecretAuthdInternal,
		naming.SecretEnrollmentPrevious, naming.SecretGatewayPolicy, naming.SecretGatewayAdmin:
		return invalid("spec.wazuhIngress.tls.secretName", place.TLSSecret, "this is another of the tenant's Secrets; choose a name of your own, or leave it out for "+naming.SecretTLS)
	}
	if place.Strategy == v1alpha1.CertificateWildcard && !coveredByWildcard(place.Hostname, place.RegionSpec.Domain) {
		return invalid("spec.wazuhIngress.hostname", place.Hostname, fmt.Sprintf("the Region serves the wildcard certificate *.%s, which covers exactly one label; use <label>.%s, or name an issuer in spec.wazuhIngress.tls.issuerRef", place.RegionSpec.Domain, place.RegionSpec.Domain))
	}
	if err := checkAddresses(tenant, place); err != nil {
		return err
	}
	pinned := tenant.Spec.WazuhIngress.EdgePorts
	if place.Mode != v1alpha1.ModeEdgeHAProxy {
		if pinned != nil {
			return invalid("spec.wazuhIngress.edgePorts", pinned.String(), "edge ports belong to mode edge-haproxy; remove them, or set spec.wazuhIngress.mode to edge-haproxy")
		}
		return nil
	}
	edge := place.RegionSpec.Edge
	if edge == nil || len(edge.Addresses) == 0 {
		return &Problem{
			Reason: v1alpha1.ReasonEdgeNotConfigured, Field: "spec.wazuhIngress.mode", Value: string(place.Mode),
			Remedy: fmt.Sprintf("Region %q has no spec.edge.addresses; add the edge's address there, or use mode loadbalancer", place.Region),
		}
	}
	return nil
}

func coveredByWildcard(hostname, domain string) bool {
	label, ok := strings.CutSuffix(hostname, "."+domain)
	return ok && label != "" && !strings.Contains(label, ".")
}

func isLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r == '-' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9')
	}) < 0
}

func choices(lead string, names []string, otherwise string) string {
	names = slices.Clone(names)
	if len(names) == 0 {
		return otherwise
	}
	return lead + " " + strings.Join(names, ", ") + ", or " + otherwise
}
