package plan

import (
	"fmt"
	"strings"

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

// checkNamespace judges tenant-<slug> before anything is put into it.
func checkNamespace(in Input, place Placement) error {
	switch seen := in.Observed.Namespace; {
	case seen.Foreign != "":
		return namespaceNotOurs(place, seen.Foreign)
	case seen.Terminating:
		return &Problem{
			Reason: v1alpha1.ReasonNamespaceTerminating, Field: "metadata.name", Value: place.Slug,
			Remedy: fmt.Sprintf("namespace %q is still being deleted from an earlier tenant; this one goes on when it is gone", place.Namespace),
		}
	case !seen.Exists && in.Tenant.Spec.Manager.Attach != nil:
		return &Problem{
			Reason: v1alpha1.ReasonManagerNotFound, Field: "spec.manager.attach", Value: place.Namespace,
			Remedy: "the namespace of the manager to attach to does not exist; start the manager there, or let the operator deploy one",
		}
	}
	return nil
}

func namespaceNotOurs(place Placement, why string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonNamespaceNotOurs, Field: "metadata.name", Value: place.Slug,
		Remedy: fmt.Sprintf("namespace %q exists and %s; label it ingress.soctalk.io/tenant=%s to hand it over, or choose another slug", place.Namespace, why, place.Slug),
	}
}

// NotInstalled is the problem of an object whose kind the cluster does not know.
func NotInstalled(object, kind string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonKindNotInstalled, Field: "spec", Value: object,
		Remedy: fmt.Sprintf("the cluster has no kind %s; install what provides it (cert-manager for Certificate, external-dns's definitions for DNSEndpoint) and restart the operator, or let the Region do without it (certificates.strategy built-in-ca, dns.externalDNS.source service)", kind),
	}
}

// Waiting is true for a problem that passes without anybody changing the spec.
func (p *Problem) Waiting() bool { return class(p.Reason) == classWaiting }

// maxWhy keeps the API server's words, which can quote whole objects, readable in
// a condition and within the size of an event.
const maxWhy = 300

// Rejected is the problem of an object the API server refuses for what is in it,
// such as a change of a field that cannot change (a StatefulSet's storage, a
// Service's loadBalancerClass). Trying again would be refused again.
func Rejected(object, why string) *Problem {
	return &Problem{
		Reason: v1alpha1.ReasonObjectRejected, Field: "spec", Value: object,
		Remedy: "the API server refuses it: " + shortened(why) + "; take the change back, or remove the object by hand if it may be made anew",
	}
}

func shortened(why string) string {
	if len(why) > maxWhy {
		return strings.ToValidUTF8(why[:maxWhy], "") + "…"
	}
	return why
}
