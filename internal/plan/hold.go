package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Held are the Regions as a tenant's pods know them, where its Region has come to say
// otherwise who answers on the enrollment port, or which major version of Wazuh runs.
// Services, Secrets and policies change together with the pods then. So a tenant that
// waits for its turn waits with all of that: it is decided for with the Regions as they
// were. ok is false where there is nothing to wait with: the Region says what it said,
// or the tenant's own spec asks for something.
func Held(tenant v1alpha1.Tenant, regions []v1alpha1.Region, annotation string) (held []v1alpha1.Region, ok bool) {
	before, known := askedFrom(annotation)
	place, err := Place(tenant, regions)
	if !known || err != nil || tenant.Spec.Manager.Attach != nil {
		return nil, false
	}
	now := AskedBy(tenant, place)
	gateway := before.Gateway != nil && *before.Gateway != place.Gateway
	major := before.Major != 0 && before.Major != place.Major
	if now.wantsMore(before) || !gateway && !major {
		return nil, false
	}
	held = slices.Clone(regions)
	for i := range held {
		if held[i].Name != place.Region {
			continue
		}
		spec := &held[i].Spec
		if gateway {
			spec.Enrollment = v1alpha1.EnrollmentDirect
			if *before.Gateway {
				spec.Enrollment = v1alpha1.EnrollmentGateway
			}
		}
		if major {
			spec.Manager.Version = versionOf(tenant, before.Major)
		}
	}
	as, err := Place(tenant, held)
	// Else it was the tenant that chose, and its pods must not be late.
	return held, err == nil && (!gateway || as.Gateway == *before.Gateway) && (!major || as.Major == before.Major)
}

// versionOf is the version that a tenant's manager told, or any of the major version
// that its pods are of: while they are held nobody writes them.
func versionOf(tenant v1alpha1.Tenant, major int) string {
	if told := tenant.Status.Manager; told != nil && majorOf(strings.TrimPrefix(told.Version, "v")) == major {
		return strings.TrimPrefix(told.Version, "v")
	}
	return fmt.Sprintf("%d.0.0", major)
}
