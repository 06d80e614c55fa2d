package v1alpha1

// DNSMode is who writes the tenants' records.
// +kubebuilder:validation:Enum=external-dns;direct;manual;none
type DNSMode string

const (
	// DNSExternalDNS asks an external-dns in the cluster for the records.
	DNSExternalDNS DNSMode = "external-dns"
	// DNSDirect has the operator write them itself, by RFC 2136 updates.
	DNSDirect DNSMode = "direct"
	// DNSManual leaves the record to a person and checks the answer.
	DNSManual DNSMode = "manual"
	// DNSNone neither writes nor checks; agents use the address, or a name of the customer's.
	DNSNone DNSMode = "none"
)

// ExternalDNSSource is where external-dns finds what it is asked for.
// +kubebuilder:validation:Enum=service;endpoint
type ExternalDNSSource string

const (
	// SourceService annotates the tenant's Service (external-dns --source=service).
	SourceService ExternalDNSSource = "service"
	// SourceEndpoint writes a DNSEndpoint per tenant into the operator's namespace
	// (external-dns --source=crd).
	SourceEndpoint ExternalDNSSource = "endpoint"
)

// DNSSpec says how the tenants' names come into being.
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'direct' || has(self.rfc2136)",message="dns.mode direct needs dns.rfc2136: the server that takes updates, the zone and the TSIG key"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'direct' || has(self.ownerID)",message="dns.mode direct needs dns.ownerID, a word that no other writer of the zone uses (another operator, an external-dns), such as the cluster's name"
// +kubebuilder:validation:XValidation:rule="!has(self.rfc2136) || (has(self.mode) && self.mode == 'direct')",message="dns.rfc2136 belongs to dns.mode direct; set the mode, or remove dns.rfc2136"
// +kubebuilder:validation:XValidation:rule="!has(self.externalDNS) || (has(self.mode) && self.mode == 'external-dns')",message="dns.externalDNS belongs to dns.mode external-dns; set the mode, or remove dns.externalDNS"
type DNSSpec struct {
	// Mode; manual unless said otherwise.
	// +kubebuilder:default=manual
	// +optional
	Mode DNSMode `json:"mode,omitempty"`
	// ExternalDNS says how external-dns is asked, in mode external-dns.
	// +optional
	ExternalDNS *ExternalDNSSpec `json:"externalDNS,omitempty"`
	// RFC2136 is the server that takes updates, in mode direct.
	// +optional
	RFC2136 *RFC2136Spec `json:"rfc2136,omitempty"`
	// OwnerID marks the records that are ours, in TXT records beside them, as
	// external-dns's --txt-owner-id does. In mode external-dns, give the same word
	// here as there, and a name that belongs to somebody else is called by its name.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	// +optional
	OwnerID string `json:"ownerID,omitempty"`
	// TXTPrefix goes before the names of those TXT records, as external-dns's
	// --txt-prefix does. "%{record_type}" in it stands for the record's type.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([-a-z0-9_.]|%\{record_type\})*$`
	// +optional
	TXTPrefix string `json:"txtPrefix,omitempty"`
	// Server is asked whether a name is published, as address:port. One of the
	// zone's own servers is asked alone; a resolver is asked which servers the zone
	// has, and then each of those. Empty means the resolver of the operator's host.
	// +kubebuilder:validation:MaxLength=260
	// +kubebuilder:validation:Pattern=`^(\[[0-9a-fA-F:.]+\]|[0-9.]+|[-a-z0-9.]+):[0-9]{1,5}$`
	// +optional
	Server string `json:"server,omitempty"`
	// TTL of the records, in seconds.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	// +kubebuilder:default=60
	// +optional
	TTL int32 `json:"ttl,omitempty"`
}

// ExternalDNSSpec says how external-dns is asked.
type ExternalDNSSpec struct {
	// Source: service (annotations on the tenant's Service), or endpoint (a
	// DNSEndpoint per tenant in the operator's namespace, SRV records included).
	// +kubebuilder:default=service
	// +optional
	Source ExternalDNSSource `json:"source,omitempty"`
}

// RFC2136Spec is a name server that takes signed updates.
type RFC2136Spec struct {
	// Server that takes updates, the zone's primary, as address:port.
	// +kubebuilder:validation:MaxLength=260
	// +kubebuilder:validation:Pattern=`^(\[[0-9a-fA-F:.]+\]|[0-9.]+|[-a-z0-9.]+):[0-9]{1,5}$`
	Server string `json:"server"`
	// Zone the names are in: the Region's domain, or a parent of it.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`
	Zone string `json:"zone"`
	// TSIG key that signs the updates.
	TSIG TSIGSpec `json:"tsig"`
}

// TSIGSpec is a key shared with a name server.
type TSIGSpec struct {
	// KeyName as the server knows it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	KeyName string `json:"keyName"`
	// Algorithm of the key.
	// +kubebuilder:validation:Enum=hmac-sha1;hmac-sha224;hmac-sha256;hmac-sha384;hmac-sha512
	// +kubebuilder:default=hmac-sha256
	// +optional
	Algorithm string `json:"algorithm,omitempty"`
	// SecretRef is the Secret in the operator's namespace that holds the key.
	SecretRef SecretKeyRef `json:"secretRef"`
}

// SecretKeyRef names one entry of a Secret.
type SecretKeyRef struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Key within it; its value is base64 text, as tsig-keygen prints it.
	// +kubebuilder:default=tsig-secret
	// +optional
	Key string `json:"key,omitempty"`
}

// DNSStatus is what became of a tenant's name.
type DNSStatus struct {
	// Wanted are the records asked for, or to be created by hand.
	// +optional
	Wanted []string `json:"wanted,omitempty"`
	// Writer says who writes them, and how far it is.
	// +optional
	Writer string `json:"writer,omitempty"`
	// Zone the name is in, as its servers say.
	// +optional
	Zone string `json:"zone,omitempty"`
	// Answers of the zone's own servers.
	// +optional
	Answers []DNSAnswer `json:"answers,omitempty"`
	// Published is true once the name was asked for, or seen. It is asked for ever
	// after, whatever becomes of the rest.
	// +optional
	Published bool `json:"published,omitempty"`
	// Direct is true once the operator itself wrote to the zone.
	// +optional
	Direct bool `json:"direct,omitempty"`
}

// DNSAnswer is what one of the zone's servers says.
type DNSAnswer struct {
	// Server that was asked, with its address.
	Server string `json:"server"`
	// Records it answered with; empty when the name does not exist.
	// +optional
	Records []string `json:"records,omitempty"`
	// Error when it did not answer.
	// +optional
	Error string `json:"error,omitempty"`
}
