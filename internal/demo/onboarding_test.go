package demo

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// The story tells of every hop; one without words would be an empty line.
func TestEveryHopHasWords(t *testing.T) {
	for _, condition := range v1alpha1.HopConditions() {
		if hopTitle(condition) == "" {
			t.Errorf("condition %s has no words in the story", condition)
		}
	}
}
