package lab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// tellsWhatIsToCome has a sheet made for a tenant that waits with its Region's old
// choice. Whoever makes it reads what the tenant has, what is to come and for whom it
// waits; the customer's page names no other customer. It is false where the tenant's turn
// came too soon to say.
func tellsWhatIsToCome(t *testing.T, l *lab.Lab, slug string, mode v1alpha1.EnrollmentMode, slugs []string) bool {
	t.Helper()
	code, sheet, talk := run(t, l, "onboard", slug)
	if !plan.UpdateWaits(*get(t, l, slug)) {
		return false
	}
	now := v1alpha1.EnrollmentGateway
	if mode == now {
		now = v1alpha1.EnrollmentDirect
	}
	for _, want := range []string{
		fmt.Sprintf("tenant %q: enrollment is %s now; to come: %s\n", slug, now, mode),
		"a new version waits",
	} {
		if code != 0 || !strings.Contains(talk, want) {
			t.Errorf("onboard %s ended with %d and does not say %q:\n%s", slug, code, want, talk)
		}
	}
	if other := slices.IndexFunc(slugs, func(other string) bool { return other != slug && strings.Contains(sheet, other) }); other >= 0 {
		t.Errorf("the sheet of %s names %s", slug, slugs[other])
	}
	return true
}
