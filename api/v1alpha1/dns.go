package v1alpha1

// DNSMode is who writes the tenants' records.
// +kubebuilder:validation:Enum=external-dns;direct;manual;none
type DNSMode string

const (
	// DNSExternalDNS asks an external-dns in the cluster for the records.
	DNSExternalDNS DNSMode = "external-dns"
	// DNSDirect has the operator write them itself: by RFC 2136 updates, or through a
	// provider that speaks external-dns's webhook protocol.
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
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'direct' || has(self.rfc2136) || has(self.webhook)",message="dns.mode direct needs dns.rfc2136 (the server that takes updates, the zone and the TSIG key) or dns.webhook (the URL of an external-dns webhook provider)"
// +kubebuilder:validation:XValidation:rule="!has(self.rfc2136) || !has(self.webhook)",message="dns.rfc2136 and dns.webhook are two ways to write the same records; remove one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || (has(self.mode) && self.mode == 'direct')",message="dns.webhook belongs to dns.mode direct; set the mode, or remove dns.webhook"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'direct' || has(self.ownerID)",message="dns.mode direct needs dns.ownerID, a word that no other writer of the zone uses (another operator, an external-dns), such as the cluster's name"
// +kubebuilder:validation:XValidation:rule="!has(self.rfc2136) || (has(self.mode) && self.mode == 'direct')",message="dns.rfc2136 belongs to dns.mode direct; set the mode, or remove dns.rfc2136"
// +kubebuilder:validation:XValidation:rule="!has(self.externalDNS) || (has(self.mode) && self.mode == 'external-dns')",message="dns.externalDNS belongs to dns.mode external-dns; set the mode, or remove dns.externalDNS"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || self.webhook.url.matches('^https://[-A-Za-z0-9.]+(:[0-9]{1,5})?(/[^?#@]*)?$') || self.webhook.url.matches('^https?://(localhost|127[.][0-9.]+|[[]::1[]])(:[0-9]{1,5})?(/[^?#@]*)?$')",message="dns.webhook.url must be http://localhost:<port> for a provider in the operator's own pod (another one is reached by https:// only), without user, query or fragment"
// +kubebuilder:validation:XValidation:rule="!has(self.webhook) || !has(self.webhook.tlsSecretRef) || self.webhook.url.startsWith('https://')",message="dns.webhook.tlsSecretRef needs an https:// URL"
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
	// Webhook is a provider that speaks external-dns's webhook protocol, in mode direct.
	// +optional
	Webhook *WebhookSpec `json:"webhook,omitempty"`
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

// WebhookSpec is a program beside the operator that knows a DNS provider, as
// external-dns runs them with --provider=webhook. The provider's credentials are
// that program's; the operator has none.
type WebhookSpec struct {
	// URL of the provider. Plain http is for a container in the operator's own pod:
	// the protocol knows no password, and whoever reaches it writes the zone.
	// +kubebuilder:default="http://localhost:8888"
	// +kubebuilder:validation:MaxLength=512
	// +optional
	URL string `json:"url,omitempty"`
	// TLSSecretRef is a Secret in the operator's namespace, as cert-manager writes
	// them: its ca.crt is what the provider's certificate must lead to, and tls.crt
	// with tls.key, where present, are shown to the provider. Without it the host's
	// certificate authorities count.
	// +optional
	TLSSecretRef *SecretRef `json:"tlsSecretRef,omitempty"`
	// SRV asks for SRV records at an edge too. Set it only for a provider that
	// manages them, its reading included.
	// +optional
	SRV bool `json:"srv,omitempty"`
}

// SecretRef names a Secret.
type SecretRef struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
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
	// Written is where the operator itself wrote, in mode direct: what it needs to
	// take that back, whatever the Region says by then.
	// +listType=atomic
	// +optional
	Written []DNSWritten `json:"written,omitempty"`
}

// DNSWritten is a hostname whose records the operator wrote, and the way it did.
type DNSWritten struct {
	// Hostname the records are for.
	Hostname string `json:"hostname"`
	// OwnerID and TXTPrefix of the marks beside them.
	OwnerID string `json:"ownerID"`
	// +optional
	TXTPrefix string `json:"txtPrefix,omitempty"`
	// RFC2136 is the server that took the updates.
	// +optional
	RFC2136 *RFC2136Spec `json:"rfc2136,omitempty"`
	// Webhook is the provider that took the changes.
	// +optional
	Webhook *WebhookSpec `json:"webhook,omitempty"`
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
