package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// RearmHint is the command that lets a secret be revealed once more.
func RearmHint(ref reveal.Reference) string {
	if ref == reveal.Enrollment(ref.Tenant) {
		return fmt.Sprintf("soctalk-ingress secret rearm %s --why TEXT", ref.Tenant)
	}
	return fmt.Sprintf("soctalk-ingress secret rearm %s --secret %s --why TEXT", ref.Tenant, ref.Name)
}

// spentHint says how a secret is shown once more; only the tenant's own can be
// rotated.
func spentHint(ref reveal.Reference) string {
	if ref == reveal.Enrollment(ref.Tenant) {
		return "rotate it, or allow it once more with " + RearmHint(ref)
	}
	return "allow it once more with " + RearmHint(ref)
}

func spentPage(ref reveal.Reference) string {
	if ref == reveal.Enrollment(ref.Tenant) {
		return "rotate it, or allow it once more"
	}
	return "allow it once more"
}

// What a page says instead of the command that shows it.
const (
	madeWithTenant = "the operator makes it with the tenant, whose path shows how far that is"
	shownOnPath    = "the tenant's path shows how it is"
	shownInList    = "the list shows all of them"
)

// SecretError gives an error of internal/reveal its class and a hint.
func SecretError(ref reveal.Reference, err error) error {
	var spent *reveal.Spent
	var ended *reveal.Ended
	switch {
	case errors.As(err, &ended):
		return fault.NewShell(fault.Refused, err, "make another token", "make another with soctalk-ingress token create %s NAME", ref.Tenant)
	case errors.As(err, &spent):
		return fault.NewShell(fault.Refused, err, spentPage(ref), "%s", spentHint(ref))
	case errors.Is(err, reveal.ErrMissing):
		return fault.NewShell(fault.Refused, err, madeWithTenant, "the operator makes it with the tenant; see soctalk-ingress tenant describe %s", ref.Tenant)
	}
	return err
}

// RotationRequest is the value of the annotation that asks for a rotation: a time, so
// that each is another one, and the overlap if one is given.
func RotationRequest(now time.Time, overlap string) (string, error) {
	stamp := now.UTC().Format(time.RFC3339Nano)
	if overlap == "" {
		return stamp, nil
	}
	lasts, err := time.ParseDuration(overlap)
	if err != nil || lasts < 0 {
		return "", fmt.Errorf("%q: use a duration such as 24h or 90m, or 0 to end the old secret at once", overlap)
	}
	return fmt.Sprintf("%s overlap=%s", stamp, lasts), nil
}

// Rotate asks the operator for another enrollment secret, and returns the tenant as it
// was before.
func (d *Desk) Rotate(ctx context.Context, slug, request string) (*v1alpha1.Tenant, error) {
	tenant, err := d.Tenant(ctx, slug)
	if err != nil {
		return nil, err
	}
	before := tenant.DeepCopy()
	metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationRotate, request)
	if err := d.Patch(ctx, &tenant, client.MergeFrom(before)); err != nil {
		return nil, fmt.Errorf("ask for a rotation of tenant %q: %w", slug, err)
	}
	return before, nil
}
