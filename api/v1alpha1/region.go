package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Region is where agents come in: a domain, addresses, a way to get
// certificates and names. Tenants belong to one; one Region is the default.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=rg,categories={wazuh,soctalk}
// +kubebuilder:printcolumn:name="Domain",type=string,JSONPath=`.spec.domain`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.defaultMode`
// +kubebuilder:printcolumn:name="Default",type=boolean,JSONPath=`.spec.default`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Certificates",type=string,JSONPath=`.spec.certificates.strategy`
// +kubebuilder:printcolumn:name="DNS",type=string,JSONPath=`.spec.dns.mode`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 63",message="metadata.name of a Region must be one DNS label of 63 characters at most, such as 'eu' or 'us-east'"
type Region struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RegionSpec   `json:"spec,omitzero"`
	Status RegionStatus `json:"status,omitzero"`
}

// RegionSpec describes one place where agents come in.
// +kubebuilder:validation:XValidation:rule="!has(self.defaultMode) || self.defaultMode != 'edge-haproxy' || has(self.edge)",message="defaultMode edge-haproxy needs spec.edge with at least one address; add edge.addresses, or set defaultMode to loadbalancer"
// +kubebuilder:validation:XValidation:rule="!has(self.dns) || !has(self.dns.rfc2136) || self.domain == self.dns.rfc2136.zone || self.domain.endsWith('.' + self.dns.rfc2136.zone)",message="spec.domain is not in dns.rfc2136.zone; the zone is the domain itself, or one that ends it, such as mssp.example.com for soc.mssp.example.com"
type RegionSpec struct {
	// Domain is the suffix of the tenants' names: <slug>.<domain>.
	// +kubebuilder:validation:MaxLength=190
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	Domain string `json:"domain"`
	// Default marks the Region of tenants that name none. One Region may be marked.
	// +optional
	Default bool `json:"default,omitempty"`
	// DefaultMode of tenants that name none.
	// +kubebuilder:default=loadbalancer
	// +optional
	DefaultMode IngressMode `json:"defaultMode,omitempty"`
	// LoadBalancer settings of mode loadbalancer.
	// +optional
	LoadBalancer LoadBalancerSpec `json:"loadBalancer,omitzero"`
	// Edge of mode edge-haproxy.
	// +optional
	Edge *EdgeSpec `json:"edge,omitempty"`
	// Certificates for the enrollment port.
	// +kubebuilder:default={}
	// +optional
	Certificates CertificatesSpec `json:"certificates,omitzero"`
	// DNS says how the tenants' names come into being.
	// +kubebuilder:default={}
	// +optional
	DNS DNSSpec `json:"dns,omitzero"`
	// Quarantine is how long a hostname or edge port rests after its tenant gave it
	// up, before another tenant may have it; 0s switches it off.
	// +kubebuilder:default="168h"
	// +optional
	Quarantine *metav1.Duration `json:"quarantine,omitempty"`
	// Manager are defaults for managers the operator deploys.
	// +optional
	Manager ManagerDeploy `json:"manager,omitzero"`
	// ImagePullSecrets are Secrets in the operator's own namespace, of type
	// kubernetes.io/dockerconfigjson, for a registry that wants to know who pulls. The
	// operator keeps a copy of each, pull-<name>, in the namespace of every tenant of the
	// Region whose manager or gateway it runs.
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=248
	// +kubebuilder:validation:XValidation:rule="self.all(s, s.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'))",message="every entry of imagePullSecrets must be the name of a Secret in the operator's namespace, such as registry"
	// +listType=set
	// +optional
	ImagePullSecrets []string `json:"imagePullSecrets,omitempty"`
	// Enrollment of tenants that say nothing; empty means gateway, and direct for
	// managers the operator attaches to.
	// +optional
	Enrollment EnrollmentMode `json:"enrollment,omitempty"`
	// Rotation of tenants that say nothing.
	// +optional
	Rotation RotationSpec `json:"rotation,omitzero"`
}

// LoadBalancerSpec goes onto every tenant's Service in mode loadbalancer.
type LoadBalancerSpec struct {
	// Preset chooses annotations and class for a known load balancer.
	// +kubebuilder:validation:Enum=metallb;kube-vip;eks;gke;aks
	// +optional
	Preset string `json:"preset,omitempty"`
	// Class is the Service's loadBalancerClass. Kubernetes forbids changing it on a live Service.
	// +optional
	Class string `json:"class,omitempty"`
	// Pool is the address pool, for presets that know pools (metallb).
	// +optional
	Pool string `json:"pool,omitempty"`
	// Annotations are added to the Service, such as metallb.io/address-pool.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// HealthCheckCIDRs are where the load balancer checks the managers' health from.
	// They are let in beside a tenant's allowedCIDRs; on EKS, name the subnets of the
	// balancer, or it takes a restricted tenant for dead.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="every entry of loadBalancer.healthCheckCIDRs must be a network in CIDR form, such as 10.0.0.0/16"
	// +optional
	HealthCheckCIDRs []string `json:"healthCheckCIDRs,omitempty"`
	// ExternalTrafficPolicy: Local keeps the agents' source addresses.
	// +kubebuilder:validation:Enum=Local;Cluster
	// +kubebuilder:default=Local
	// +optional
	ExternalTrafficPolicy string `json:"externalTrafficPolicy,omitempty"`
}

// EdgeSpec describes the shared address of mode edge-haproxy.
type EdgeSpec struct {
	// Addresses at which the edge is reached; the first is given to agents.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="self.all(a, isIP(a))",message="every entry of edge.addresses must be an IP address, such as 198.51.100.10 or 2001:db8::10"
	Addresses []string `json:"addresses"`
	// SourceCIDRs are the addresses edges connect to the managers from, where the
	// tenants' network policies cannot know them by their pods: edges on the host's
	// network, or outside the cluster. What to put here is printed by
	// soctalk-ingress edge sources.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="every entry of edge.sourceCIDRs must be a network in CIDR form, such as 198.51.100.10/32"
	// +optional
	SourceCIDRs []string `json:"sourceCIDRs,omitempty"`
	// Ports is the range pairs are taken from, lowest first.
	// +kubebuilder:default={first:15140,last:25139}
	// +optional
	Ports PortRange `json:"ports,omitzero"`
}

// PortRange is a range of ports, both ends included.
// +kubebuilder:validation:XValidation:rule="self.first < self.last",message="ports.first must be smaller than ports.last"
type PortRange struct {
	// First port of the range.
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65534
	First int32 `json:"first"`
	// Last port of the range.
	// +kubebuilder:validation:Minimum=1025
	// +kubebuilder:validation:Maximum=65535
	Last int32 `json:"last"`
}

// CertificateStrategy is where the certificate of the enrollment port comes from.
// +kubebuilder:validation:Enum=acme;internal-ca;wildcard;built-in-ca
type CertificateStrategy string

const (
	// CertificateACME asks cert-manager for a publicly trusted certificate per tenant.
	CertificateACME CertificateStrategy = "acme"
	// CertificateInternalCA asks cert-manager for one from the MSSP's own authority.
	CertificateInternalCA CertificateStrategy = "internal-ca"
	// CertificateWildcard serves one certificate for *.<domain> to every tenant.
	CertificateWildcard CertificateStrategy = "wildcard"
	// CertificateBuiltInCA has the operator sign with an authority of its own; no cert-manager needed.
	CertificateBuiltInCA CertificateStrategy = "built-in-ca"
)

// CertificatesSpec says how tenants of the Region get their certificate.
// +kubebuilder:validation:XValidation:rule="!has(self.strategy) || self.strategy == 'built-in-ca' || self.strategy == 'wildcard' || has(self.issuerRef)",message="certificates.strategy acme and internal-ca need certificates.issuerRef.name, the cert-manager issuer to ask"
// +kubebuilder:validation:XValidation:rule="!has(self.strategy) || self.strategy != 'wildcard' || has(self.wildcardSecret) || has(self.issuerRef)",message="certificates.strategy wildcard needs certificates.issuerRef.name, the cert-manager issuer to ask for *.<domain>, or certificates.wildcardSecret, a Secret in the operator's namespace that holds such a certificate"
type CertificatesSpec struct {
	// Strategy; acme is the usual one where agents come over the internet.
	// +kubebuilder:default=built-in-ca
	// +optional
	Strategy CertificateStrategy `json:"strategy,omitempty"`
	// IssuerRef is the cert-manager issuer for acme and internal-ca, and for wildcard
	// where cert-manager is to make the certificate: in the operator's namespace, once.
	// +optional
	IssuerRef *IssuerRef `json:"issuerRef,omitempty"`
	// WildcardSecret is a TLS Secret in the operator's namespace; wildcard-<region>
	// unless said otherwise.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	WildcardSecret string `json:"wildcardSecret,omitempty"`
	// CABundle, PEM, are the authorities agents trust where neither the system's own
	// nor ca.crt in the Secret are: those of a private ACME server, for example.
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	CABundle string `json:"caBundle,omitempty"`
}

// IssuerRef names a cert-manager issuer.
type IssuerRef struct {
	// Name of the issuer.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Kind: ClusterIssuer, or Issuer in the tenant's namespace.
	// +kubebuilder:validation:Enum=ClusterIssuer;Issuer
	// +kubebuilder:default=ClusterIssuer
	// +optional
	Kind string `json:"kind,omitempty"`
	// Group of the issuer, for external issuers.
	// +kubebuilder:default=cert-manager.io
	// +optional
	Group string `json:"group,omitempty"`
}

// RegionStatus is what the operator knows of a Region.
type RegionStatus struct {
	// ObservedGeneration is the generation of the spec this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Tenants counts the tenants in the Region.
	// +optional
	Tenants int32 `json:"tenants"`
	// Conditions: Ready, with the reason when the Region cannot be used.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// RegionList is a list of Regions.
// +kubebuilder:object:root=true
type RegionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Region `json:"items"`
}
