package reference

import (
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

func TestEverythingCanBeQuoted(t *testing.T) {
	for _, reason := range v1alpha1.Reasons() {
		if text := Reason(reason); len(text) < 20 || strings.Contains(text, "\n### ") || strings.HasPrefix(text, "#") {
			t.Errorf("%s is quoted as %q", reason, text)
		}
	}
	for _, condition := range append(v1alpha1.HopConditions(), v1alpha1.SideConditions()...) {
		if text := Means(condition); len(text) < 10 || strings.Contains(text, "|") {
			t.Errorf("%s means %q", condition, text)
		}
	}
	if Reason("NoSuchReason") != "" || Means("NoSuchCondition") != "" {
		t.Error("what is not in the reference is quoted")
	}
}
