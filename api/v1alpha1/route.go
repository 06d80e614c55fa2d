package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Route is one tenant at the edges of its Region: the ports it holds there and
// where they lead. The operator writes it; edges read it, and say in its status
// what they carry. It is all an edge may read, and it holds no secret. Its name
// is the tenant's slug; its label ingress.soctalk.io/region is what edges select by.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=rt,categories={soctalk}
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Slot",type=integer,JSONPath=`.spec.slot`
// +kubebuilder:printcolumn:name="Events",type=integer,JSONPath=`.spec.ports[?(@.name=="events")].port`
// +kubebuilder:printcolumn:name="Enrollment",type=integer,JSONPath=`.spec.ports[?(@.name=="enrollment")].port`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.suspended`
// +kubebuilder:printcolumn:name="Edges",type=string,JSONPath=`.status.edges[*].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 56",message="metadata.name of a Route is its tenant's slug, one DNS label of 56 characters at most"
type Route struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RouteSpec   `json:"spec"`
	Status RouteStatus `json:"status,omitzero"`
}

// RouteSpec is what edges carry for one tenant.
// +kubebuilder:validation:XValidation:rule="self.ports.exists(p, p.name == 'events') && self.ports.exists(p, p.name == 'enrollment')",message="ports needs both events and enrollment: a tenant has both ports or none"
// +kubebuilder:validation:XValidation:rule="self.slot == oldSelf.slot && self.region == oldSelf.region",message="slot and region of a Route do not change, live sessions are counted and cut by them; delete the Route and make it anew"
type RouteSpec struct {
	// Region whose edges carry the route.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region"`
	// Slot is the tenant's own number in the Region.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Slot int32 `json:"slot"`
	// Ports of the tenant at the edge.
	// +kubebuilder:validation:MinItems=2
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=name
	Ports []RoutePort `json:"ports"`
	// AllowedCIDRs are the networks agents may come from; empty means everywhere.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c))",message="every entry of allowedCIDRs must be a network in CIDR form, such as 203.0.113.0/24 or 2001:db8::/48"
	// +listType=set
	// +optional
	AllowedCIDRs []string `json:"allowedCIDRs,omitempty"`
	// Suspended keeps the ports and ends the service: live sessions are cut.
	// +optional
	Suspended bool `json:"suspended,omitempty"`
	// Cut names agents whose sessions end, each once: what began before the time
	// given. Whether the agent may come back is the manager's to say, so an id that
	// is given out again is not locked out. The latest entries are enough: an edge
	// that carries the spec has cut them.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=agentID
	// +optional
	Cut []RouteCut `json:"cut,omitempty"`
}

// RouteCut ends the sessions of one agent at the edges.
type RouteCut struct {
	// AgentID as the manager gave it out and the agent says it, such as 017.
	// +kubebuilder:validation:Pattern=`^[0-9]{1,8}$`
	AgentID string `json:"agentID"`
	// Before is the time of the revocation: later sessions are left alone.
	Before metav1.Time `json:"before"`
}

// RoutePort is one public port and where it leads.
type RoutePort struct {
	// Name of the port.
	// +kubebuilder:validation:Enum=events;enrollment;https
	Name string `json:"name"`
	// Port at the edge.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
	// Target of the port, as the edge reaches it.
	Target RouteTarget `json:"target"`
	// ProxyProtocol sends a PROXY v2 header first. Only the enrollment gateway
	// reads one; no Wazuh daemon does.
	// +optional
	ProxyProtocol bool `json:"proxyProtocol,omitempty"`
	// Limits; what is left out takes the advised value.
	// +optional
	Limits RouteLimits `json:"limits,omitempty"`
}

// RouteTarget is an address and port. It is never a name: the edge resolves nothing.
type RouteTarget struct {
	// IP address.
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="target.ip must be an IP address; the operator resolves names"
	IP string `json:"ip"`
	// Port at that address.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
}

// RouteLimits bound one port of one tenant, at each edge.
type RouteLimits struct {
	// Sessions at a time.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	// +optional
	Sessions int32 `json:"sessions,omitempty"`
	// Rate of new connections per 10 seconds.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	// +optional
	Rate int32 `json:"rate,omitempty"`
	// PerSource is the rate of new connections per minute from one address.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999999
	// +optional
	PerSource int32 `json:"perSource,omitempty"`
}

// RouteStatus is what the edges say.
type RouteStatus struct {
	// Edges that carry the route, or refuse it; each writes its own entry.
	// +listType=map
	// +listMapKey=name
	// +optional
	Edges []RouteEdge `json:"edges,omitempty"`
	// Forgotten are edges that were silent when a person gave them up for good. The
	// operator took their entries out; one that comes back writes a new one.
	// +listType=map
	// +listMapKey=name
	// +optional
	Forgotten []ForgottenEdge `json:"forgotten,omitempty"`
}

// ForgottenEdge is whom nobody waits for any more, on a person's word.
type ForgottenEdge struct {
	// Name of the edge.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// At is when its entry was taken out.
	At metav1.Time `json:"at"`
	// By is who gave it up, in that person's own words.
	// +kubebuilder:validation:MaxLength=500
	// +optional
	By string `json:"by,omitempty"`
	// Why, likewise.
	// +kubebuilder:validation:MaxLength=500
	Why string `json:"why"`
}

// RouteEdge is one edge's word about one route.
type RouteEdge struct {
	// Name of the edge.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Hash of the spec this entry speaks of, see [RouteSpec.Hash].
	Hash string `json:"hash"`
	// Ready is true once connections are treated as the spec says.
	Ready bool `json:"ready"`
	// Message says why it is not ready.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`
}

// RouteList is a list of Routes.
// +kubebuilder:object:root=true
type RouteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Route `json:"items"`
}

// Hash names a spec by its contents: an edge is in step with a Route when the
// hash it reports is the hash of the spec.
func (s RouteSpec) Hash() string {
	text, err := json.Marshal(s)
	if err != nil {
		return "" // numbers, strings and booleans always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// CarriedBy sorts the edges by whether they carry the spec as it is now.
func (r *Route) CarriedBy() (ready, behind []RouteEdge) {
	hash := r.Spec.Hash()
	for _, edge := range r.Status.Edges {
		if edge.Ready && edge.Hash == hash {
			ready = append(ready, edge)
			continue
		}
		behind = append(behind, edge)
	}
	return ready, behind
}

// Word is on whose word it was forgotten, and why.
func (f ForgottenEdge) Word() string {
	if f.By == "" {
		return "because: " + f.Why
	}
	return "by " + f.By + ": " + f.Why
}

// Forget takes an edge's entry out, and keeps who gave the edge up. It is false where
// the edge has no entry.
func (s *RouteStatus) Forget(edge ForgottenEdge) bool {
	before := len(s.Edges)
	s.Edges = slices.DeleteFunc(s.Edges, func(e RouteEdge) bool { return e.Name == edge.Name })
	if len(s.Edges) == before {
		return false
	}
	s.Forgotten = append(slices.DeleteFunc(s.Forgotten, func(f ForgottenEdge) bool { return f.Name == edge.Name }), edge)
	return true
}

// GivenUp are the forgotten edges that have not come back.
func (s *RouteStatus) GivenUp() []ForgottenEdge {
	return slices.DeleteFunc(slices.Clone(s.Forgotten), func(f ForgottenEdge) bool {
		return slices.ContainsFunc(s.Edges, func(e RouteEdge) bool { return e.Name == f.Name })
	})
}
