package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IngressMode is how a tenant's agents reach its manager.
// +kubebuilder:validation:Enum=loadbalancer;edge-haproxy
type IngressMode string

const (
	// ModeLoadBalancer gives the tenant a Service of type LoadBalancer: an address of its own, the usual ports.
	ModeLoadBalancer IngressMode = "loadbalancer"
	// ModeEdgeHAProxy gives the tenant a pair of ports on the Region's edge address.
	ModeEdgeHAProxy IngressMode = "edge-haproxy"
)

// Tenant is one customer of the MSSP. Its name is the slug: the first label of
// its hostname, and the end of its namespace's name, tenant-<slug>.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=tn,categories={wazuh,soctalk}
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.status.mode`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Hostname",type=string,JSONPath=`.status.hostname`
// +kubebuilder:printcolumn:name="Agents",type=string,JSONPath=`.status.agents.summary`,description="active/registered"
// +kubebuilder:printcolumn:name="Cert Expires",type=string,JSONPath=`.status.certificate.notAfter`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Ports",type=string,JSONPath=`.status.portSummary`,priority=1
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.status.region`,priority=1
// +kubebuilder:printcolumn:name="Manager",type=string,JSONPath=`.status.manager.version`,priority=1
// +kubebuilder:printcolumn:name="Gateway",type=string,JSONPath=`.status.manager.gateway`,priority=1,description="version of the enrollment gateway"
// +kubebuilder:printcolumn:name="Update",type=string,JSONPath=`.status.conditions[?(@.type=="UpToDate")].reason`,priority=1,description="OK, or how far an update of the pods is"
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name is the tenant's slug and must be one DNS label: lower-case letters, digits and '-', starting and ending with a letter or digit (no dots); choose for example 'acme-gmbh'"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 56",message="metadata.name is the tenant's slug and may have 56 characters at most, because its namespace is tenant-<slug> and a namespace has 63; choose a shorter one and put the full name into spec.displayName"
type Tenant struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TenantSpec   `json:"spec,omitzero"`
	Status TenantStatus `json:"status,omitzero"`
}

// TenantSpec is what the MSSP wants for one customer. Every field may be left
// out: the Region then decides.
// +kubebuilder:validation:XValidation:rule="!has(self.enrollment) || self.enrollment != 'gateway' || !has(self.manager) || !has(self.manager.attach) || (has(self.manager.attach.enrollmentPasswordSecret) && has(self.manager.attach.enrollmentCASecret))",message="with enrollment: gateway, manager.attach must name enrollmentPasswordSecret (authd's own password, key authd.pass) and enrollmentCASecret (authd's certificate or its authority, key ca.crt); add both, or use enrollment: direct"
type TenantSpec struct {
	// DisplayName is the customer's name as people write it.
	// +kubebuilder:validation:MaxLength=200
	// +optional
	DisplayName string `json:"displayName,omitempty"`
	// Region is where the tenant's agents come in; empty means the default Region.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Region string `json:"region,omitempty"`
	// WazuhIngress says how the agents reach the manager.
	// +optional
	WazuhIngress WazuhIngress `json:"wazuhIngress,omitzero"`
	// Manager says which Wazuh manager serves the tenant.
	// +optional
	Manager ManagerSpec `json:"manager,omitzero"`
	// Enrollment says who answers on the enrollment port; empty means the Region's choice.
	// +optional
	Enrollment EnrollmentMode `json:"enrollment,omitempty"`
	// Rotation says when the enrollment secret is replaced; what is left out, the Region decides.
	// +optional
	Rotation RotationSpec `json:"rotation,omitzero"`
	// Suspended closes the tenant's way in and keeps everything else: address,
	// name, certificate, keys. Agents resume without enrolling again.
	// +optional
	Suspended bool `json:"suspended,omitempty"`
}

// WazuhIngress keeps the field names of SocTalk's chart contract.
// +kubebuilder:validation:XValidation:rule="!has(self.edgePorts) || !has(self.mode) || self.mode == 'edge-haproxy'",message="edgePorts belongs to mode edge-haproxy; remove edgePorts, or set mode to edge-haproxy"
// +kubebuilder:validation:XValidation:rule="!has(self.addresses) || !has(self.mode) || self.mode == 'loadbalancer'",message="addresses belongs to mode loadbalancer; remove addresses, or set mode to loadbalancer"
type WazuhIngress struct {
	// Mode is how agents get in; empty means the Region's default mode.
	// +optional
	Mode IngressMode `json:"mode,omitempty"`
	// Hostname is the name agents are given; empty means <slug>.<region domain>.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	// +optional
	Hostname string `json:"hostname,omitempty"`
	// EdgePorts pins the tenant's ports at the edge; left out, a free pair is chosen.
	// +optional
	EdgePorts *EdgePorts `json:"edgePorts,omitempty"`
	// Addresses pins the tenant's address at the load balancer: one, or one IPv4 and
	// one IPv6 address. Left out, the load balancer chooses, and keeps what it chose.
	// Pinning another one moves the tenant: MetalLB takes the old address away first,
	// even if it cannot give the new one.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="self.all(a, isIP(a))",message="every entry of addresses must be an IP address, such as 198.51.100.11 or 2001:db8::11"
	// +kubebuilder:validation:XValidation:rule="size(self) < 2 || !self.all(a, isIP(a)) || ip(self[0]).family() != ip(self[1]).family()",message="two addresses must be one IPv4 and one IPv6 address, such as 198.51.100.11 and 2001:db8::11"
	// +listType=atomic
	// +optional
	Addresses []string `json:"addresses,omitempty"`
	// ServiceAnnotations are added to this tenant's Service, after the Region's: a
	// pool of its own, or an address in the words of a cloud.
	// +kubebuilder:validation:MaxProperties=16
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('external-dns.') && !k.contains('ingress.soctalk.io/'))",message="serviceAnnotations must not hold external-dns's annotations (spec.wazuhIngress.hostname and the Region's dns decide about names) nor our own (ingress.soctalk.io/); remove those"
	// +optional
	ServiceAnnotations map[string]string `json:"serviceAnnotations,omitempty"`
	// AllowedCIDRs are the networks agents may come from; empty means everywhere.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="every entry of allowedCIDRs must be a network in CIDR form, such as 203.0.113.0/24, 203.0.113.7/32 or 2001:db8::/48"
	// +listType=set
	// +optional
	AllowedCIDRs []string `json:"allowedCIDRs,omitempty"`
	// Wazuh5Agents says whether agents of Wazuh 5 are let in, with a manager of Wazuh
	// 5; empty means closed. They use port 1517 for everything and enroll there, at
	// the manager itself: unguarded opens it, past gateway, tokens and revocations.
	// +optional
	Wazuh5Agents Wazuh5Agents `json:"wazuh5Agents,omitempty"`
	// TLS is the certificate served on the enrollment port.
	// +optional
	TLS TLSSpec `json:"tls,omitzero"`
}

// TLSSpec overrides, for one tenant, what the Region says about certificates.
type TLSSpec struct {
	// IssuerRef is the name of a cert-manager ClusterIssuer.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	IssuerRef string `json:"issuerRef,omitempty"`
	// SecretName is the Secret that holds the certificate; empty means wazuh-tls. One
	// that somebody else made is never written to.
	// +kubebuilder:validation:XValidation:rule="!(self in ['wazuh-authd-secret', 'wazuh-api-credentials', 'wazuh-api-tls'])",message="tls.secretName is the name of another of the tenant's Secrets; choose one of your own, or leave it out for wazuh-tls"
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	// +optional
	SecretName string `json:"secretName,omitempty"`
}

// ManagerSpec chooses the tenant's manager: deployed by us (the default), or one
// that is already there.
// +kubebuilder:validation:XValidation:rule="!(has(self.deploy) && has(self.attach))",message="manager.deploy and manager.attach exclude each other: either the operator deploys the manager, or it attaches to one that exists; remove one of the two"
type ManagerSpec struct {
	// Deploy has the operator run the manager from its chart.
	// +optional
	Deploy *ManagerDeploy `json:"deploy,omitempty"`
	// Attach points at a manager somebody else runs in the tenant's namespace.
	// +optional
	Attach *ManagerAttach `json:"attach,omitempty"`
}

// ManagerDeploy adjusts the manager the operator runs.
type ManagerDeploy struct {
	// Version of Wazuh, such as 4.14.7.
	// +kubebuilder:validation:Pattern=`^[0-9]+\.[0-9]+\.[0-9]+([-.][0-9A-Za-z.-]+)?$`
	// +optional
	Version string `json:"version,omitempty"`
	// Image replaces the official image's repository, such as registry.example/wazuh/wazuh-manager.
	// +kubebuilder:validation:MaxLength=400
	// +optional
	Image string `json:"image,omitempty"`
	// StorageClass of the manager's volume; empty means the cluster's default.
	// +optional
	StorageClass string `json:"storageClass,omitempty"`
	// StorageSize of the manager's volume, such as 20Gi.
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)?(Mi|Gi|Ti)$`
	// +optional
	StorageSize string `json:"storageSize,omitempty"`
}

// ManagerAttach finds an existing manager by the labels of its pods.
type ManagerAttach struct {
	// Selector are the labels of the manager's pods, such as
	// app.kubernetes.io/name: wazuh and app.kubernetes.io/component: manager.
	// +kubebuilder:validation:MinProperties=1
	Selector map[string]string `json:"selector"`
	// APICredentialsSecret in the tenant's namespace holds username and password
	// of the manager's API; empty means wazuh-api-credentials.
	// +optional
	APICredentialsSecret string `json:"apiCredentialsSecret,omitempty"`
	// APICASecret in the tenant's namespace holds, under ca.crt, the authority
	// that signed the manager API's certificate.
	// +optional
	APICASecret string `json:"apiCASecret,omitempty"`
	// InsecureSkipAPIVerify accepts any certificate of the manager's API. The
	// connection stays inside the cluster, but whoever intercepts it there
	// learns the API password.
	// +optional
	InsecureSkipAPIVerify bool `json:"insecureSkipAPIVerify,omitempty"`
	// EnrollmentPasswordSecret in the tenant's namespace holds, under authd.pass,
	// the password the manager's authd asks for. With enrollment: gateway only the
	// gateway shows it; agents show the tenant's own secret.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	EnrollmentPasswordSecret string `json:"enrollmentPasswordSecret,omitempty"`
	// EnrollmentCASecret in the tenant's namespace holds, under ca.crt, the authority
	// that signed authd's certificate, or that certificate itself, which then needs
	// no name. With enrollment: gateway.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	EnrollmentCASecret string `json:"enrollmentCASecret,omitempty"`
	// EnrollmentServerName is the name in authd's certificate, where an authority
	// signed it; empty means the name of the Service the gateway asks.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	EnrollmentServerName string `json:"enrollmentServerName,omitempty"`
}

// TenantStatus is what the operator has seen and done.
type TenantStatus struct {
	// ObservedGeneration is the generation of the spec this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Namespace holds the tenant's objects.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Region the tenant belongs to.
	// +optional
	Region string `json:"region,omitempty"`
	// Mode in force.
	// +optional
	Mode IngressMode `json:"mode,omitempty"`
	// Hostname agents are given.
	// +optional
	Hostname string `json:"hostname,omitempty"`
	// Address agents connect to, as observed: an IP or, on some clouds, a name.
	// +optional
	Address string `json:"address,omitempty"`
	// AddressChange is the last change of Address, or of the ports there; absent if
	// there was none.
	// +optional
	AddressChange *AddressChange `json:"addressChange,omitempty"`
	// Ports agents connect to.
	// +listType=map
	// +listMapKey=name
	// +optional
	Ports []PortStatus `json:"ports,omitempty"`
	// PortSummary is Ports as one word for the printer column: 1514/1515.
	// +optional
	PortSummary string `json:"portSummary,omitempty"`
	// EdgePorts held by the tenant; kept here so that a held pair never moves.
	// +optional
	EdgePorts *EdgePorts `json:"edgePorts,omitempty"`
	// Certificate served on the enrollment port.
	// +optional
	Certificate *CertificateStatus `json:"certificate,omitempty"`
	// Agents counts the tenant's agents as the manager tells.
	// +optional
	Agents *AgentCounts `json:"agents,omitempty"`
	// Manager as its API describes itself.
	// +optional
	Manager *ManagerStatus `json:"manager,omitempty"`
	// Enrollment is who answers on the enrollment port, and what it obeys.
	// +optional
	Enrollment *EnrollmentStatus `json:"enrollment,omitempty"`
	// Rotation is how the last replacement of the enrollment secret went.
	// +optional
	Rotation *RotationStatus `json:"rotation,omitempty"`
	// DNS says what was asked for, who writes it and what the zone's servers answer.
	// +optional
	DNS *DNSStatus `json:"dns,omitempty"`
	// Suspension is present while the tenant is suspended.
	// +optional
	Suspension *SuspensionStatus `json:"suspension,omitempty"`
	// Offboarding is present while the tenant is being removed.
	// +optional
	Offboarding *OffboardingStatus `json:"offboarding,omitempty"`
	// Conditions: Ready sums up; the others say which part is how.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PortStatus is one port as agents see it.
type PortStatus struct {
	// Name of the port: events, enrollment.
	Name string `json:"name"`
	// Port at Address.
	Port int32 `json:"port"`
}

// CertificateStatus describes the certificate in the tenant's Secret.
type CertificateStatus struct {
	// Strategy by which it comes about.
	// +optional
	Strategy CertificateStrategy `json:"strategy,omitempty"`
	// NotAfter is when it expires.
	NotAfter metav1.Time `json:"notAfter"`
	// Issuer as the certificate names it.
	// +optional
	Issuer string `json:"issuer,omitempty"`
	// Serial number, hexadecimal.
	// +optional
	Serial string `json:"serial,omitempty"`
	// Served is what the enrollment port showed when it was last looked at.
	// +optional
	Served *ServedCertificate `json:"served,omitempty"`
	// NotServedSince is when the enrollment port was first seen not to show the
	// certificate in the Secret; absent while it does.
	// +optional
	NotServedSince *metav1.Time `json:"notServedSince,omitempty"`
}

// ServedCertificate is a certificate as an agent meets it.
type ServedCertificate struct {
	// Serial number, hexadecimal.
	Serial string `json:"serial"`
	// NotAfter is when it expires.
	NotAfter metav1.Time `json:"notAfter"`
}

// AgentCounts are numbers by the manager's own connection states.
type AgentCounts struct {
	// Summary is active/total, for the printer column.
	Summary string `json:"summary"`
	// Total agents registered; the manager itself (000) is not counted.
	Total int32 `json:"total"`
	// Active agents are connected now.
	Active int32 `json:"active"`
	// Disconnected agents were connected once.
	Disconnected int32 `json:"disconnected"`
	// Pending agents connected but have not sent their first keep-alive.
	Pending int32 `json:"pending"`
	// NeverConnected agents enrolled and were not seen since.
	NeverConnected int32 `json:"neverConnected"`
}

// ManagerStatus is what the manager's API says of itself.
type ManagerStatus struct {
	// Version, such as v4.14.7.
	// +optional
	Version string `json:"version,omitempty"`
	// Gateway is the version of the enrollment gateway in front of it, by its image's tag.
	// +optional
	Gateway string `json:"gateway,omitempty"`
}

// TenantList is a list of Tenants.
// +kubebuilder:object:root=true
type TenantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Tenant `json:"items"`
}
