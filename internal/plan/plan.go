// Package plan decides; it is the heart of the operator and it is pure.
//
// [Place] says where a tenant belongs (region, mode, hostname), [Tenant] says
// what must exist for it (claims, chart values), and [Report] says how it is
// doing (conditions). Their input is data: objects as read from the API server,
// an [Observed] of everything else, and the time. No function here reads a
// clock, a file or the network, so every decision can be replayed from a folder
// under testdata, and `soctalk-ingress render` can make it without a cluster.
//
// A *[Problem] means a person must change a spec. Waiting is not an error: it
// is a condition with a reason.
package plan

import (
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/cert"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/issuance"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Input is everything a decision about one tenant may depend on.
type Input struct {
	// Tenant as stored.
	Tenant v1alpha1.Tenant `json:"tenant"`
	// Regions are all of them; the tenant's is picked from these.
	Regions []v1alpha1.Region `json:"regions"`
	// Operator is how the operator itself runs.
	Operator Operator `json:"operator"`
	// Observed is what was seen in the cluster and on the wire.
	Observed Observed `json:"observed"`
	// Drain is how long agents that were asked to leave have to do so.
	Drain time.Duration `json:"drain,omitempty"`
	// CountAge is how old a manager's count of its connections can be.
	CountAge time.Duration `json:"countAge,omitempty"`
	// Now is the moment of the decision.
	Now time.Time `json:"now"`
}

// Operator describes the operator's own place, which the tenants' network
// policies must let in.
type Operator struct {
	// Namespace the operator runs in.
	Namespace string `json:"namespace"`
	// PodLabels of the operator's pods.
	PodLabels map[string]string `json:"podLabels"`
	// GatewayImage is run beside managers; empty means the tenant chart's own.
	GatewayImage string `json:"gatewayImage,omitempty"`
	// MetricsNamespace is where Prometheus runs, which reads the gateways' metrics; empty
	// means that nobody may.
	MetricsNamespace string `json:"metricsNamespace,omitempty"`
}

// Observed is what was seen outside the spec. Its zero value is an empty cluster.
type Observed struct {
	// Namespace tenant-<slug>.
	Namespace NamespaceState `json:"namespace"`
	// Claims are all there are, by name.
	Claims map[string]Holder `json:"claims,omitempty"`
	// Secret is the enrollment secret's state, never its content.
	Secret SecretState `json:"secret"`
	// Certificate in the tenant's TLS Secret; nil when there is none.
	Certificate *cert.Info `json:"certificate,omitempty"`
	// Served is what the enrollment port shows; nil when it was not looked at.
	Served *cert.Served `json:"served,omitempty"`
	// Issuance is what cert-manager says while it has not issued, or is renewing.
	Issuance issuance.State `json:"issuance,omitzero"`
	// Service that agents connect to.
	Service ServiceState `json:"service"`
	// Route at the Region's edges, as stored; nil when there is none.
	Route *v1alpha1.Route `json:"route,omitempty"`
	// Silent are edges of the Region that renew their Leases no longer.
	Silent []SilentEdge `json:"silent,omitempty"`
	// Manager and its API.
	Manager ManagerState `json:"manager"`
	// PullSecrets says what is wrong with the Region's imagePullSecrets.
	PullSecrets []string `json:"pullSecrets,omitempty"`
	// DNS is what became of the hostname.
	DNS DNSState `json:"dns"`
	// Enrollment is what the gateway's policy is made from.
	Enrollment EnrollmentState `json:"enrollment,omitzero"`
	// Gateway in front of the manager, in enrollment mode gateway.
	Gateway GatewayState `json:"gateway,omitzero"`
	// Probe is what the enrollment port said, while a rotation is to be proven.
	Probe ProbeState `json:"probe,omitzero"`
}

// NamespaceState is what is known of tenant-<slug>.
type NamespaceState struct {
	// Exists is true when the namespace is there.
	Exists bool `json:"exists,omitempty"`
	// CreatedByUs is true when this product made the namespace, and may delete it.
	CreatedByUs bool `json:"createdByUs,omitempty"`
	// Terminating is true while the namespace is being deleted.
	Terminating bool `json:"terminating,omitempty"`
	// Foreign says why the namespace cannot be used; empty when it can.
	Foreign string `json:"foreign,omitempty"`
}

// SecretState is what is known of a Secret without its content.
type SecretState struct {
	// Exists is true when the Secret is there.
	Exists bool `json:"exists,omitempty"`
	// Problem is what secret.CheckEnrollment says of it.
	Problem string `json:"problem,omitempty"`
}

// ServiceState is what is known of the agents' Service.
type ServiceState struct {
	// Exists is true when the Service is there.
	Exists bool `json:"exists,omitempty"`
	// Addresses assigned by the load balancer: IPs or host names.
	Addresses []string `json:"addresses,omitempty"`
	// Published is true once the Service asks for a DNS record; it stays asked for.
	Published bool `json:"published,omitempty"`
	// Endpoints behind the Service that are ready for agents.
	Endpoints int `json:"endpoints,omitempty"`
	// Elsewhere is true when its selector leaves the endpoints to the operator, and
	// Mirrored when the operator has written some.
	Elsewhere bool `json:"elsewhere,omitempty"`
	Mirrored  bool `json:"mirrored,omitempty"`
	// Found are endpoints of the enrollment port that Kubernetes keeps by itself.
	Found int `json:"found,omitempty"`
	// ClusterIP of the Service, where edges in the cluster lead to.
	ClusterIP string `json:"clusterIP,omitempty"`
	// Event is the load balancer's own last complaint, such as "no available IPs",
	// while there is no address.
	Event string `json:"event,omitempty"`
	// Class, SourceRanges and TrafficPolicy as the Service has them.
	Class         string   `json:"class,omitempty"`
	SourceRanges  []string `json:"sourceRanges,omitempty"`
	TrafficPolicy string   `json:"trafficPolicy,omitempty"`
	// Pool the address is from, where the load balancer says so.
	Pool string `json:"pool,omitempty"`
}

// ManagerState is what is known of the tenant's manager.
type ManagerState struct {
	// Pods found behind the manager's labels, and how many are ready.
	Pods  int `json:"pods,omitempty"`
	Ready int `json:"ready,omitempty"`
	// Nodes that its ready pods run on.
	Nodes []string `json:"nodes,omitempty"`
	// Unready says which container keeps a pod from being ready, and how.
	Unready string `json:"unready,omitempty"`
	// Gateway is the version of the gateway beside the manager, by its image.
	Gateway string `json:"gateway,omitempty"`
	// Asked is true when the API was called.
	Asked bool `json:"asked,omitempty"`
	// Refused is true when the API rejected the operator's credentials.
	Refused bool `json:"refused,omitempty"`
	// Error of the call, in words; empty when it succeeded.
	Error string `json:"error,omitempty"`
	// Version the API reports, such as v4.14.7.
	Version string `json:"version,omitempty"`
	// Sessions the manager holds on its events port, asked while the tenant is
	// suspended; nil when it did not tell.
	Sessions *int32 `json:"sessions,omitempty"`
	// Agents the API counts.
	Agents *v1alpha1.AgentCounts `json:"agents,omitempty"`
}

// Desired is what must exist for a tenant.
type Desired struct {
	// Placement the rest was decided for.
	Placement Placement `json:"placement"`
	// Claims the tenant must hold before anything else is written.
	Claims []Claim `json:"claims"`
	// Route for the Region's edges; nil in mode loadbalancer, and while there is
	// nothing to lead to.
	Route *v1alpha1.RouteSpec `json:"route,omitempty"`
	// Values for the tenant chart, which describes every object.
	Values map[string]any `json:"values"`
	// Names are the records to publish; nil leaves names as they are.
	Names *Names `json:"names,omitempty"`
	// Certificate says what the operator itself must put into the TLS Secret.
	Certificate CertificateDuty `json:"certificate,omitempty"`
	// Cut is what must be done about sessions of before a suspension.
	Cut Cut `json:"cut,omitempty"`
	// APIUser is the user the operator works as in the manager's API.
	APIUser string `json:"apiUser"`
	// Policy the tenant's gateway is to obey; nil in enrollment mode direct.
	Policy *policy.Policy `json:"policy,omitempty"`
	// Rotation is what a rotation of the enrollment secret needs written.
	Rotation RotationDuty `json:"rotation,omitzero"`
	// StrayGateway is the gateway's pod if it must be made anew beside the manager.
	StrayGateway string `json:"strayGateway,omitempty"`
}

// Claim is a claim to hold.
type Claim struct {
	Name string             `json:"name"`
	Kind v1alpha1.ClaimKind `json:"kind"`
	// For is the version a seat is taken for.
	For string `json:"for,omitempty"`
}

// CertificateDuty is the operator's own part in getting the certificate.
type CertificateDuty string

const (
	// CertificateByOthers: cert-manager writes the Secret.
	CertificateByOthers CertificateDuty = ""
	// CertificateIssue: sign a new one with the built-in authority.
	CertificateIssue CertificateDuty = "issue"
	// CertificateCopy: copy the Region's wildcard certificate.
	CertificateCopy CertificateDuty = "copy"
	// CertificateKeep: the one that is there serves.
	CertificateKeep CertificateDuty = "keep"
)

// Tenant decides what must exist. The error, if any, is a *[Problem].
func Tenant(in Input) (Desired, error) {
	place, err := Place(in.Tenant, in.Regions)
	if err != nil {
		return Desired{}, err
	}
	if err := checkNamespace(in, place); err != nil {
		return Desired{}, err
	}
	place.EdgePorts, err = assignPorts(in, place)
	if err != nil {
		return Desired{}, err
	}
	place.Slot, err = assignSlot(in, place)
	if err != nil {
		return Desired{}, err
	}
	claims := wantedClaims(place)
	if err := checkHolders(in, place, claims); err != nil {
		return Desired{}, err
	}
	_, rotate := rotation(in, place)
	return Desired{
		Placement:   place,
		Claims:      claims,
		Route:       route(in, place),
		Values:      values(in, place),
		Names:       names(in, place),
		Certificate: certificateDuty(in, place),
		Cut:         cut(in),
		APIUser:     apiUser(place),
		Policy:      wantedPolicy(in, place),
		Rotation:    rotate,

		StrayGateway: strayGateway(in, place),
	}, nil
}

// apiUser is a user of our own, except that Wazuh 5's image sets a password for
// its built-in user only.
func apiUser(place Placement) string {
	if place.Major >= 5 {
		return naming.APIUserWazuh5
	}
	return naming.APIUser
}

// managerMajor is the major version that is asked for. A manager that was there
// before us, and a version nobody names, count as Wazuh 4.
func managerMajor(spec v1alpha1.ManagerSpec, region v1alpha1.RegionSpec) int {
	const ordinary = 4
	return max(majorOf(versionAsked(spec, region)), ordinary)
}
