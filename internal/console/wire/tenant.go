package wire

import "time"

// States of a tenant, the worst first.
const (
	// StateBroken waits for a person.
	StateBroken = "broken"
	// StateWaiting is being worked on, or waits for something that may come by itself.
	StateWaiting = "waiting"
	// StateRemoving is being removed.
	StateRemoving = "removing"
	// StateSuspended has its way in closed, on purpose.
	StateSuspended = "suspended"
	// StateReady lets agents in.
	StateReady = "ready"
)

// Tenants answers GET /api/v1/tenants: worst first, then by slug.
type Tenants struct {
	// Now is the server's clock, for ages.
	Now     time.Time   `json:"now"`
	Tenants []TenantRow `json:"tenants"`
}

// TenantRow is a tenant in a line.
type TenantRow struct {
	Slug        string `json:"slug"`
	DisplayName string `json:"displayName,omitempty"`
	Region      string `json:"region,omitempty"`
	Mode        string `json:"mode,omitempty"`
	Hostname    string `json:"hostname,omitempty"`
	Address     string `json:"address,omitempty"`
	Ports       []Port `json:"ports"`
	// State is one of the words above.
	State string `json:"state"`
	// Reason and Message of the condition Ready, and since when it is as it is.
	Reason  string     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	// Hop is the first hop that is not in place, such as CertificateReady.
	Hop             string     `json:"hop,omitempty"`
	Agents          *Counts    `json:"agents,omitempty"`
	CertificateEnds *time.Time `json:"certificateEnds,omitempty"`
	Created         time.Time  `json:"created"`
}

// Port is one port agents connect to.
type Port struct {
	// Name is events, enrollment or https.
	Name string `json:"name"`
	Port int32  `json:"port"`
}

// Counts are a tenant's agents by the manager's own states, as the operator saw
// them last; the roster is fresher.
type Counts struct {
	Total          int32 `json:"total"`
	Active         int32 `json:"active"`
	Disconnected   int32 `json:"disconnected"`
	Pending        int32 `json:"pending"`
	NeverConnected int32 `json:"neverConnected"`
}

// Tenant answers GET /api/v1/tenants/{slug}.
type Tenant struct {
	Now time.Time `json:"now"`
	TenantRow
	Namespace string `json:"namespace"`
	// Behind is true while the operator has not looked at the latest specification.
	Behind bool `json:"behind"`
	// Hops in the order in which one depends on the one before.
	Hops []Hop `json:"hops"`
	// Sides are conditions Ready does not depend on: SecretRotated, UpToDate.
	Sides      []Hop      `json:"sides"`
	Manager    Manager    `json:"manager"`
	Enrollment Enrollment `json:"enrollment"`
	// AllowedNetworks agents may come from; empty means everywhere.
	AllowedNetworks []string     `json:"allowedNetworks"`
	Certificate     *Certificate `json:"certificate,omitempty"`
	Suspension      *Suspension  `json:"suspension,omitempty"`
	Removal         *Removal     `json:"removal,omitempty"`
	// Spec as YAML, as somebody would apply it.
	Spec string `json:"spec"`
	// Loss says in lines what a removal takes away.
	Loss []string `json:"loss"`
}

// States of a hop.
const (
	HopGood    = "good"
	HopBad     = "bad"
	HopWaiting = "waiting"
)

// Hop is one thing an agent depends on.
type Hop struct {
	// Type of the condition, such as AddressAssigned.
	Type string `json:"type"`
	// Means what is true when it is in place.
	Means string `json:"means"`
	// State is good, bad (a person must act) or waiting.
	State string `json:"state"`
	// Reason, Message and Since are left out while nothing is reported.
	Reason  string     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	// Next is what the reference says of the reason: what it means, who acts, and
	// how, in Markdown; empty for a hop that is in place.
	Next string `json:"next,omitempty"`
}

// Manager is the tenant's Wazuh manager.
type Manager struct {
	// Kind is deployed or attached.
	Kind    string `json:"kind"`
	Version string `json:"version,omitempty"`
	// Gateway is the version of the gateway in front of it.
	Gateway string `json:"gateway,omitempty"`
}

// Enrollment is who answers on the enrollment port.
type Enrollment struct {
	// Mode is gateway or direct; empty while it is not decided.
	Mode   string `json:"mode,omitempty"`
	Tokens int32  `json:"tokens"`
	Denied int32  `json:"denied"`
}

// Certificate of the enrollment port.
type Certificate struct {
	Strategy string    `json:"strategy,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	Serial   string    `json:"serial,omitempty"`
	Ends     time.Time `json:"ends"`
	// ServedSerial is what the port showed last, if that is another.
	ServedSerial   string     `json:"servedSerial,omitempty"`
	ServedEnds     *time.Time `json:"servedEnds,omitempty"`
	NotServedSince *time.Time `json:"notServedSince,omitempty"`
}

// Suspension is what became of the sessions of a suspended tenant.
type Suspension struct {
	Since    time.Time  `json:"since"`
	By       string     `json:"by,omitempty"`
	Why      string     `json:"why,omitempty"`
	Sessions *int32     `json:"sessions,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
}

// Removal is how far an offboarding has come.
type Removal struct {
	Started time.Time `json:"started"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	// Report is the name the report will have: GET /api/v1/reports/{name}.
	Report string `json:"report"`
	// Registrations counts the agents when their deletion began.
	Registrations *int32        `json:"registrations,omitempty"`
	Steps         []RemovalStep `json:"steps"`
}

// States of a step of a removal.
const (
	StepDone    = "done"
	StepNow     = "now"
	StepPending = "pending"
)

// RemovalStep is one of the eight.
type RemovalStep struct {
	Step string `json:"step"`
	// State is done, now or pending.
	State     string     `json:"state"`
	At        *time.Time `json:"at,omitempty"`
	Evidence  string     `json:"evidence,omitempty"`
	Abandoned bool       `json:"abandoned,omitempty"`
}

// CreateRequest is the body of POST /api/v1/tenants; only slug is required. With
// dryRun nothing is written.
type CreateRequest struct {
	Slug            string   `json:"slug"`
	DisplayName     string   `json:"displayName,omitempty"`
	Region          string   `json:"region,omitempty"`
	Mode            string   `json:"mode,omitempty"`
	Hostname        string   `json:"hostname,omitempty"`
	AllowedNetworks []string `json:"allowedNetworks,omitempty"`
	// EdgePorts as EVENTS/ENROLLMENT, such as 15140/15141.
	EdgePorts string `json:"edgePorts,omitempty"`
	// Version of the manager, such as 4.14.7.
	Version string `json:"version,omitempty"`
	// Wazuh5Agents is closed or unguarded.
	Wazuh5Agents string `json:"wazuh5Agents,omitempty"`
	DryRun       bool   `json:"dryRun,omitempty"`
}

// Created answers it, with 200 for a dry run and 201 for a tenant; a refusal is a
// Problem with 422, whose field names what to correct, or 409 for a slug that is taken.
type Created struct {
	Slug   string `json:"slug"`
	DryRun bool   `json:"dryRun"`
	// YAML of the tenant, as kubectl apply takes it.
	YAML string `json:"yaml"`
	// Would says what the tenant would get, as far as that is known beforehand.
	Would *Placement `json:"would,omitempty"`
}

// Placement is what planning a tenant decided.
type Placement struct {
	Region    string `json:"region"`
	Mode      string `json:"mode"`
	Hostname  string `json:"hostname"`
	Namespace string `json:"namespace"`
	// Strategy of the certificate.
	Strategy string `json:"strategy"`
}

// OffboardRequest is the body of POST /api/v1/tenants/{slug}/offboard. Confirm is the
// slug, typed by the person.
type OffboardRequest struct {
	Why     string `json:"why"`
	Confirm string `json:"confirm"`
}

// Report answers GET /api/v1/tenants/{slug}/report (the last of that slug; 404 while the
// tenant is there) and GET /api/v1/reports/{name}; GET .../envelope beside the latter is
// the signed file. A report whose signature is not good is a Problem with 409.
type Report struct {
	Name     string    `json:"name"`
	Tenant   string    `json:"tenant"`
	Finished time.Time `json:"finished"`
	By       string    `json:"by,omitempty"`
	Why      string    `json:"why,omitempty"`
	// Registrations deleted; absent when the manager was never asked.
	Registrations *int32 `json:"registrations,omitempty"`
	Abandoned     bool   `json:"abandoned"`
	// KeyID of the key that signed it.
	KeyID string `json:"keyID"`
	// Text is the report as soctalk-ingress report show prints it.
	Text string `json:"text"`
}

// Events answers GET /api/v1/tenants/{slug}/events: the latest first.
type Events struct {
	Events []Event `json:"events"`
}

// Event is one of the Kubernetes events on a Tenant.
type Event struct {
	// Type is Normal or Warning.
	Type   string    `json:"type"`
	Reason string    `json:"reason"`
	Note   string    `json:"note"`
	At     time.Time `json:"at"`
	// Count of times it was seen, and First when it was seen more than once.
	Count int32      `json:"count"`
	First *time.Time `json:"first,omitempty"`
	By    string     `json:"by,omitempty"`
}

// Regions answers GET /api/v1/regions.
type Regions struct {
	Regions []Region `json:"regions"`
}

// Region is where agents come in.
type Region struct {
	Name        string `json:"name"`
	Domain      string `json:"domain"`
	Default     bool   `json:"default"`
	DefaultMode string `json:"defaultMode"`
	Tenants     int32  `json:"tenants"`
	// Certificates and DNS are the strategies.
	Certificates string `json:"certificates"`
	DNS          string `json:"dns"`
	Ready        bool   `json:"ready"`
	Reason       string `json:"reason,omitempty"`
	Message      string `json:"message,omitempty"`
	Edge         *Edge  `json:"edge,omitempty"`
}

// Edge is the shared address of a Region.
type Edge struct {
	Addresses []string `json:"addresses"`
	First     int32    `json:"first"`
	Last      int32    `json:"last"`
	// Used ports of the range, resting ones, and free ones; left out where the person
	// may not list claims.
	Ports *EdgeCounts `json:"ports,omitempty"`
	// Held are the ports in use, by number.
	Held []HeldPort `json:"held"`
}

// EdgeCounts are numbers of ports.
type EdgeCounts struct {
	Used    int32 `json:"used"`
	Resting int32 `json:"resting"`
	Free    int32 `json:"free"`
}

// HeldPort is a port that others may not have now.
type HeldPort struct {
	Port   int32  `json:"port"`
	Tenant string `json:"tenant"`
	// RestsUntil is set for a port whose tenant gave it up.
	RestsUntil *time.Time `json:"restsUntil,omitempty"`
}
