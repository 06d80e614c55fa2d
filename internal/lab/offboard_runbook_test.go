package lab_test

import (
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// The guide to suspension and offboarding is followed to the letter.
func TestTheOffboardingRunbook(t *testing.T) {
	t.Parallel()
	l := installation(t)
	page, err := os.ReadFile("../../docs/guide/offboarding.md")
	if err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "acme"}) // another runbook's
	create(t, l, "acme", v1alpha1.TenantSpec{})
	becomesReady(t, l, "acme")
	talks(t, l, "acme", "acme-web-01")
	desk := t.TempDir()
	said := map[string]string{}
	for _, block := range commands.FindAllStringSubmatch(string(page), -1) {
		said[strings.TrimSpace(block[2])] = provider(t, l, desk, block[2])
	}
	for script, wants := range map[string][]string{
		"tenant suspend":  {`tenant "acme" suspended`, "invoice 2026-117 unpaid", `tenant "acme" resumed`},
		"tenant offboard": {"✓ RotateSecret", "✓ DeleteRegistrations: 1 registrations deleted", `tenant "acme" removed; report acme-`},
		"report list":     {"acme-"},
		"report verify":   {"signed with key", "acme-web-01", "contract ended, ticket 4711"},
	} {
		found := false
		for block, out := range said {
			if !strings.Contains(block, script) {
				continue
			}
			found = true
			for _, want := range wants {
				if !strings.Contains(out, want) {
					t.Errorf("%s\nsays nothing of %q:\n%s", block, want, out)
				}
			}
		}
		if !found {
			t.Errorf("the page has no block with %q", script)
		}
	}
}
