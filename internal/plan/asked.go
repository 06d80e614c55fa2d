package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Asked is what a tenant itself has asked of its pods; they carry it as an annotation.
// A restart that it explains waits for nobody.
//
// What a person wrote cannot be told from the spec alone: a kind that learns a default
// changes what is read of every tenant at once, and a new version of the operator may
// read it differently. The API server counts the changes of a spec, and defaults are
// none. So a spec of the same count asks for the same, whatever it reads like.
type Asked struct {
	// Generation is that count.
	Generation int64 `json:"generation"`
	// Spec is a digest of what of it pods come from.
	Spec string `json:"spec"`
	// The rest says where the tenant belongs. What an annotation does not speak of was
	// not known to the version that wrote it, and is not compared.
	Region    string `json:"region,omitempty"`
	Gateway   *bool  `json:"gateway,omitempty"`
	Major     int    `json:"major,omitempty"`
	Agents    int    `json:"agents,omitempty"`
	TLSSecret string `json:"tlsSecret,omitempty"`
}

// AskedBy is what a tenant asks now. Who answers on the enrollment port and the major
// version of Wazuh belong to it whoever chose them: Services and Secrets change with
// those, so the pods must not be late. A Region's choice waits with all of it, see [Held].
func AskedBy(tenant v1alpha1.Tenant, place Placement) Asked {
	asked := Asked{
		Generation: tenant.Generation, Region: place.Region, Gateway: &place.Gateway,
		Major: place.Major, Agents: place.Agents, TLSSecret: place.TLSSecret,
	}
	own := []any{tenant.Spec.Manager, tenant.Spec.Enrollment, tenant.Spec.WazuhIngress.Wazuh5Agents}
	if text, err := json.Marshal(own); err == nil { // strings and maps always encode
		sum := sha256.Sum256(text)
		asked.Spec = hex.EncodeToString(sum[:6])
	}
	return asked
}

// String is the annotation.
func (a Asked) String() string {
	text, err := json.Marshal(a)
	if err != nil {
		return "" // strings and numbers always encode
	}
	return string(text)
}

// Unnoted is what pods without that annotation were asked, as far as they show it: who
// answers on the enrollment port. Of all else it says what is asked now.
func Unnoted(tenant v1alpha1.Tenant, place Placement, gateway bool) Asked {
	asked := AskedBy(tenant, place)
	asked.Gateway, asked.Major, asked.Agents = &gateway, 0, 0
	return asked
}

// AskedMore is true when a tenant asks for something else than its pods' annotation
// says. Pods that carry none say nothing of what was asked, and then nobody is believed
// to have asked for more: to wait for a turn hurts less than to go out of it.
func AskedMore(now Asked, annotation string) bool {
	before, ok := askedFrom(annotation)
	return ok && now.moreThan(before)
}

func askedFrom(annotation string) (before Asked, ok bool) {
	err := json.Unmarshal([]byte(annotation), &before)
	return before, err == nil && before.Spec != ""
}

// wantsMore is true when the spec itself says something else.
func (a Asked) wantsMore(before Asked) bool {
	return a.Generation != before.Generation && a.Spec != before.Spec ||
		before.Region != "" && a.Region != before.Region ||
		before.TLSSecret != "" && a.TLSSecret != before.TLSSecret
}

func (a Asked) moreThan(before Asked) bool {
	return a.wantsMore(before) ||
		before.Gateway != nil && a.Gateway != nil && *a.Gateway != *before.Gateway ||
		before.Major != 0 && a.Major != before.Major ||
		before.Agents != 0 && a.Agents != before.Agents
}
