package naming

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Whatever agents are called, their revocations have names of their own, and valid ones.
func TestRevocationNames(t *testing.T) {
	if got := Revocation("laptop-7", "007"); got != "laptop-7-007" {
		t.Errorf("got %q", got)
	}
	seen := map[string]string{}
	for _, name := range []string{"web-01", "WEB-01", "web_01", "web.01", "-web-01", "__", strings.Repeat("x", 128), strings.Repeat("x", 127)} {
		for _, id := range []string{"001", "1001"} {
			got := Revocation(name, id)
			if wrong := validation.IsDNS1123Label(got); len(wrong) > 0 {
				t.Errorf("%s %s: %q: %v", name, id, got, wrong)
			}
			if other, taken := seen[got]; taken {
				t.Errorf("%s %s and %s have the same name %q", name, id, other, got)
			}
			seen[got] = name + " " + id
			if got != Revocation(name, id) {
				t.Errorf("%q differs the second time", got)
			}
		}
	}
}
