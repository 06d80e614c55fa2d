// Package naming owns every name the product gives to something in a cluster:
// namespaces, Services, Secrets, labels, annotations, claim names and ports.
//
// A name appears here and nowhere else in Go. The tenant chart spells the same
// names in YAML; a test in internal/chart compares the two. Start with
// [Namespace] and the Service* and Secret* constants.
package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Product is the name under which the operator is known in the cluster: the
// value of app.kubernetes.io/managed-by, and the field manager of its writes.
const Product = "soctalk-ingress"

// EdgeNamespace holds nothing but the Leases of edges, so that who may write them
// may write no other: not the operator's, not a node's.
const EdgeNamespace = "soctalk-edges"

// EdgeLease is the Lease an edge renews as long as it lives.
func EdgeLease(region, edge string) string {
	name := region + "." + edge
	if len(name) > 253 || !subdomain.MatchString(name) {
		sum := sha256.Sum256([]byte(edge))
		name = region + "." + hex.EncodeToString(sum[:8])
	}
	return name
}

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// MaxSlugLength keeps "tenant-<slug>" within the 63 characters of a namespace.
const MaxSlugLength = 63 - len(namespacePrefix)

const namespacePrefix = "tenant-"

// Names inside a tenant's namespace. They are the same for every tenant, and
// those that SocTalk documents keep SocTalk's spelling.
const (
	// ServiceAgents carries the agents' ports (1514, 1515).
	ServiceAgents = "wazuh-manager"
	// ServiceAPI carries the manager API (55000), inside the cluster only.
	ServiceAPI = "wazuh-manager-api"
	// ServiceGateway carries the gateway's admin port, inside the cluster only.
	ServiceGateway = "wazuh-gateway"
	// ServicePods leads to the pods of an attached manager, inside the cluster only:
	// the gateway in front of it asks authd there, and its endpoints are what the
	// operator has the agents' events port lead to.
	ServicePods = "wazuh-manager-pods"
	// Manager names the StatefulSet, and with "-0" its pod.
	Manager = "wazuh-manager"
	// SecretEnrollment holds the enrollment secret under KeyEnrollment.
	SecretEnrollment = "wazuh-authd-secret"
	// SecretTLS is the default Secret of the certificate served on 1515.
	SecretTLS = "wazuh-tls"
	// SecretAPI holds the credentials of the manager's API user.
	SecretAPI = "wazuh-api-credentials"
	// SecretAPITLS holds the certificate the manager's API serves inside the cluster.
	SecretAPITLS = "wazuh-api-tls"
	// SecretAuthdInternal holds, in enrollment mode gateway, the password authd itself
	// asks for. Only gateway and authd know it.
	SecretAuthdInternal = "wazuh-authd-internal"
	// SecretEnrollmentPrevious holds the enrollment secret before the last rotation,
	// until it was seen refused.
	SecretEnrollmentPrevious = "wazuh-authd-secret-previous"
	// SecretGatewayPolicy holds what the gateway obeys under KeyGatewayPolicy.
	SecretGatewayPolicy = "wazuh-gateway-policy"
	// SecretGatewayAdmin holds the gateway's admin certificate and its bearer token.
	SecretGatewayAdmin = "wazuh-gateway-admin"
)

// Users of the manager API the operator works as.
const (
	APIUser       = "soctalk-ingress"
	APIUserWazuh5 = "wazuh"
)

// Keys within those Secrets.
const (
	KeyEnrollment  = "authd.pass"
	KeyAPIUsername = "username"
	KeyAPIPassword = "password"
	KeyTLSCert     = "tls.crt"
	KeyTLSKey      = "tls.key"
	KeyTLSCA       = "ca.crt"
	KeyTSIG        = "tsig-secret"

	KeyGatewayPolicy = "policy.json"
	KeyGatewayToken  = "token"
)

// SecretCA is the Secret, in the operator's own namespace, of the built-in
// certificate authority.
const SecretCA = "soctalk-ingress-ca"

// WildcardSecret is the Secret, in the operator's own namespace, of a Region's
// wildcard certificate, unless the Region names another.
func WildcardSecret(region string) string { return "wildcard-" + region }

// PullSecret is the copy, in a tenant's namespace, of one of its Region's
// imagePullSecrets. LabelPullSecret marks it, so that one no longer wanted is found.
func PullSecret(name string) string { return "pull-" + name }

// LabelPullSecret marks copies of pull secrets.
const LabelPullSecret = "ingress.soctalk.io/pull-secret"

// ReportKey names, in the operator's own namespace, the Secret with the key that
// signs offboarding reports, and the ConfigMap with the public half under
// KeyReportPublic.
const (
	ReportKey        = "soctalk-ingress-report-key"
	KeyReportPrivate = "private.pem"
	KeyReportPublic  = "public.pem"
)

// DefaultSystemNamespace is where the operator runs unless told otherwise.
const DefaultSystemNamespace = "soctalk-system"

// Labels on everything the product makes for a tenant.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelName      = "app.kubernetes.io/name"
	LabelComponent = "app.kubernetes.io/component"
	LabelTenant    = "ingress.soctalk.io/tenant"
	LabelRegion    = "ingress.soctalk.io/region"
	// LabelSuspended is asked for by the selector of a Service that is to lead
	// nowhere: no pod carries it.
	LabelSuspended = "ingress.soctalk.io/suspended"
)

// GatewayPodLabels are the labels of a gateway's own pod, in front of a manager
// somebody else runs.
func GatewayPodLabels() map[string]string {
	return map[string]string{LabelName: ServiceGateway, LabelComponent: "gateway"}
}

// LabelEndpoints is asked for by the selector of an agents' Service whose endpoints
// the operator writes: no pod carries it.
const LabelEndpoints = "ingress.soctalk.io/endpoints"

// PortAuthd names authd's own port in Service wazuh-manager-pods.
const PortAuthd = "authd"

// MirroredSlice is the name of the agents' EndpointSlice that follows another one.
func MirroredSlice(source string) string { return ServiceAgents + "-from-" + source }

// SocTalk's own namespace labels, kept so that its policies go on matching.
const (
	LabelSocTalkTenant    = "tenant"
	LabelSocTalkManagedBy = "managed-by"
)

// Labels of a manager's pods, as SocTalk's chart sets them.
const (
	PodName      = "wazuh"
	PodComponent = "manager"
)

// EdgePodName is the name label of an edge's pods, as SocTalk documents it.
const EdgePodName = "wazuh-edge-haproxy"

// EdgeAdminPort names the port of an edge's pod where it tells from where agents
// came; it is on loopback, so only a port forward reaches it.
const EdgeAdminPort = "edge-admin"

// SRV is the service name under which an agent port is published in DNS. Such a
// name has at most 15 characters, which "enrollment" would not leave.
func SRV(port string) string {
	if port == PortEnrollment {
		return "_wazuh-enroll._tcp"
	}
	return "_wazuh-" + port + "._tcp"
}

// SRVs are all such names, of agents of any version.
func SRVs() []string {
	var names []string
	for _, port := range allPorts {
		if port.Agents {
			names = append(names, SRV(port.Name))
		}
	}
	return names
}

// DNSEndpoint is the name of a tenant's DNSEndpoint, in the operator's namespace.
func DNSEndpoint(slug string) string { return namespacePrefix + slug }

// HostOf is the inverse of [HostClaim].
func HostOf(claim string) (hostname string, ok bool) { return strings.CutPrefix(claim, "host.") }

// Annotations external-dns reads. Its prefix changed with v0.22; both are
// written, so that either version publishes the name.
const (
	AnnotationDNSHostname       = "external-dns.kubernetes.io/hostname"
	AnnotationDNSHostnameLegacy = "external-dns.alpha.kubernetes.io/hostname"
	AnnotationDNSTarget         = "external-dns.kubernetes.io/target"
	AnnotationDNSTargetLegacy   = "external-dns.alpha.kubernetes.io/target"
	AnnotationDNSTTL            = "external-dns.kubernetes.io/ttl"
	AnnotationDNSTTLLegacy      = "external-dns.alpha.kubernetes.io/ttl"
)

// AnnotationCertManagerName is cert-manager's mark on a Secret: the Certificate it
// was issued for. All of its marks begin with the prefix.
const (
	AnnotationCertManagerName   = PrefixCertManagerAnnotation + "certificate-name"
	PrefixCertManagerAnnotation = "cert-manager.io/"
)

// AnnotationMetalLBPool is where MetalLB writes which pool an address is from.
const AnnotationMetalLBPool = "metallb.io/ip-allocated-from-pool"

// Annotations.
const (
	// AnnotationCreatedBy marks a namespace this product created and may delete.
	AnnotationCreatedBy = "ingress.soctalk.io/created-by"
	// AnnotationCertificateSource on a TLS Secret says how the operator came by what
	// is in it: a v1alpha1.CertificateStrategy.
	AnnotationCertificateSource = "ingress.soctalk.io/certificate-source"
	// AnnotationAbandonStep on a Tenant being deleted tells the operator to go on
	// although a step cannot be finished, whichever it is, and why. The other is its
	// former name, which speaks of one step and never meant that one only.
	AnnotationAbandonStep          = "ingress.soctalk.io/abandon-step"
	AnnotationAbandonRegistrations = "ingress.soctalk.io/abandon-registrations"
	// AnnotationAbandonRecords on a Tenant names the DNS servers and providers, with
	// commas between them, that are gone for good with the records written there.
	AnnotationAbandonRecords = "ingress.soctalk.io/abandon-records"
)

// AnnotationOwnSpec on a StatefulSet or Deployment says what the tenant's own spec
// asks of its pods. A restart it does not explain is the operator's or the Region's
// doing, and waits for its turn.
const AnnotationOwnSpec = "ingress.soctalk.io/own-spec"

// AnnotationUpdateFor on a claim of an update says for which version it was taken.
const AnnotationUpdateFor = "ingress.soctalk.io/update-for"

// AnnotationRotate on a Tenant asks for a new enrollment secret, once for each new
// value; a time stamp serves.
const AnnotationRotate = "ingress.soctalk.io/rotate"

// Annotations of the enrollment Secret and of the copy kept aside: the rotation that
// wrote it. The enrollment Secret also has AnnotationRotate, with the request it answers.
const AnnotationRotation = "ingress.soctalk.io/rotation"

// TokenSecret is the Secret of an EnrollmentToken, in the tenant's namespace.
func TokenSecret(token string) string { return "enrollment-token-" + token }

// FinalizerToken holds an EnrollmentToken until the gateway refuses it.
const FinalizerToken = "ingress.soctalk.io/token"

// Revocation is the name of the Revocation of one agent: the same agent gives the
// same name, so that revoking it twice is revoking it once. A name that had to be
// changed to be one is told apart by a digest.
func Revocation(agentName, agentID string) string {
	const most = 40
	clean := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, agentName)
	clean = strings.Trim(clean[:min(len(clean), most)], "-")
	if clean != agentName {
		sum := sha256.Sum256([]byte(agentName))
		clean = strings.TrimPrefix(clean+"-"+hex.EncodeToString(sum[:4]), "-")
	}
	return clean + "-" + agentID
}

// Annotations on a Tenant that say who asked for something, and why. They are the
// word of whoever wrote them.
const (
	AnnotationOffboardedBy  = "ingress.soctalk.io/offboarded-by"
	AnnotationOffboardedWhy = "ingress.soctalk.io/offboarded-why"
	AnnotationSuspendedBy   = "ingress.soctalk.io/suspended-by"
	AnnotationSuspendedWhy  = "ingress.soctalk.io/suspended-why"
)

// Annotations on an edge's Lease: why somebody gave the edge up for good, and who. An
// edge that lives empties the first each time it renews the Lease, so that it counts for
// the silence it was written in and for no later one.
const (
	AnnotationForgetEdge   = "ingress.soctalk.io/forget-edge"
	AnnotationForgetEdgeBy = "ingress.soctalk.io/forget-edge-by"
)

// AnnotationEdgeOrigins on an edge's Lease has the addresses of its machine, from which
// managers may see it come.
const AnnotationEdgeOrigins = "ingress.soctalk.io/edge-origins"

// AnnotationRetiredFor on the enrollment Secret is the UID of the Tenant for whose
// removal it was replaced.
const AnnotationRetiredFor = "ingress.soctalk.io/retired-for"

// Finalizer holds a Tenant until its offboarding steps are done.
const Finalizer = "ingress.soctalk.io/offboard"

// Namespace is where everything of one tenant lives.
func Namespace(slug string) string { return namespacePrefix + slug }

// Hostname is the name a tenant's agents use when its spec gives none.
func Hostname(slug, domain string) string { return slug + "." + domain }

// HostClaim is the name of the claim that makes a hostname belong to one tenant.
func HostClaim(hostname string) string { return "host." + strings.ToLower(hostname) }

// PortClaim is the name of the claim that makes one port of a Region's edge
// belong to one tenant.
func PortClaim(region string, port int32) string { return fmt.Sprintf("port.%s.%d", region, port) }

// SlotClaim is the name of the claim on a tenant's number at a Region's edges.
func SlotClaim(region string, slot int32) string { return fmt.Sprintf("slot.%s.%d", region, slot) }

// UpdateSeat is the name of the claim by which a tenant's pods may be restarted for a
// new version; seats are counted from one.
func UpdateSeat(number int) string { return fmt.Sprintf("update.%d", number) }

// AddressClaim is the name of the claim on an address a load balancer gave.
func AddressClaim(address netip.Addr) string {
	return addressClaimPrefix + strings.ReplaceAll(address.Unmap().WithZone("").StringExpanded(), ":", "-")
}

// RestingService is the name of the Service that keeps an address from being given
// away while the claim on it rests.
func RestingService(claim string) string {
	return "resting-" + strings.NewReplacer(".", "-", ":", "-").Replace(strings.TrimPrefix(claim, addressClaimPrefix))
}

const addressClaimPrefix = "address."

// Annotations by which load balancers on one's own machines are asked for an address.
const (
	AnnotationMetalLBAddresses = "metallb.io/loadBalancerIPs"
	AnnotationMetalLBFrom      = "metallb.io/address-pool"
	AnnotationKubeVIPAddresses = "kube-vip.io/loadbalancerIPs"
)

// OffboardingReport is the name of the report about the removal of one Tenant,
// which its UID tells from another of the same slug.
func OffboardingReport(slug, uid string) string {
	short, _, _ := strings.Cut(uid, "-")
	return slug + "-" + short
}

// SlotOf is the inverse of [SlotClaim] for one Region.
func SlotOf(claim, region string) (slot int32, ok bool) {
	number, ok := strings.CutPrefix(claim, "slot."+region+".")
	parsed, err := strconv.ParseInt(number, 10, 32)
	return int32(parsed), ok && err == nil
}

// APIHost is the in-cluster name of a tenant's manager API, without port.
func APIHost(slug string) string { return ServiceAPI + "." + Namespace(slug) + ".svc" }

// EnrollmentHost is the in-cluster name of what agents enroll at, without port.
func EnrollmentHost(slug string) string { return ServiceAgents + "." + Namespace(slug) + ".svc" }

// GatewayHost is the in-cluster name of a tenant's gateway, without port.
func GatewayHost(slug string) string { return ServiceGateway + "." + Namespace(slug) + ".svc" }

// OperatorPodLabels are the labels of the operator's own pods, which every
// tenant's network policy lets in to the manager's API.
func OperatorPodLabels() map[string]string {
	return map[string]string{LabelName: Product, LabelComponent: "operator"}
}

// SlugOf is the inverse of [Namespace].
func SlugOf(namespace string) string { return strings.TrimPrefix(namespace, namespacePrefix) }
