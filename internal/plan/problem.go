package plan

import (
	"fmt"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Problem is something a person must change before the operator goes on. It
// changes nothing that runs: the objects of an earlier, good spec stay.
type Problem struct {
	// Reason is one of the v1alpha1.Reason constants.
	Reason string
	// Field of the Tenant, such as spec.region.
	Field string
	// Value found there.
	Value string
	// Remedy says what is wrong and what to do.
	Remedy string
}

// Error names field, value and remedy.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %q: %s", p.Field, p.Value, p.Remedy) }

func invalid(field, value, remedy string) *Problem {
	return &Problem{Reason: v1alpha1.ReasonInvalidSpec, Field: field, Value: value, Remedy: remedy}
}

func namespaceNotOurs(place Placement, why string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonNamespaceNotOurs, Field: "metadata.name", Value: place.Slug,
		Remedy: fmt.Sprintf("namespace %q exists and %s; label it ingress.soctalk.io/tenant=%s to hand it over, or choose another slug", place.Namespace, why, place.Slug),
	}
}

// Rejected is the problem of an object the API server refuses for what is in it,
// such as a change of a field that cannot change (a StatefulSet's storage, a
// Service's loadBalancerClass). Trying again would be refused again.
func Rejected(object, why string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonObjectRejected, Field: "spec", Value: object,
		Remedy: "the API server refuses it: " + why + "; take the change back, or remove the object by hand if it may be made anew",
	}
}
