package controller

import (
	"errors"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A step that cannot be finished is given up on a person's word, by the annotation the
// message names or by its former name; what is the cluster's to do never is.
func TestAStepIsGivenUpOnAWord(t *testing.T) {
	lost := &trouble{errors.New("the manager's API does not answer")}
	for _, c := range []struct {
		annotation string
		err        error
		want       bool
	}{
		{naming.AnnotationAbandonStep, lost, true},
		{naming.AnnotationAbandonRegistrations, lost, true},
		{naming.AnnotationAbandonRecords, lost, false},
		{naming.AnnotationAbandonStep, errors.New("the API server does not answer"), false},
	} {
		tenant := &v1alpha1.Tenant{}
		tenant.Annotations = map[string]string{c.annotation: "volume lost, ticket 4711"}
		given, ok := abandoned(tenant, sight{}, c.err)
		if ok != c.want || ok && !strings.Contains(given.evidence, "ticket 4711") {
			t.Errorf("%s, %v: given up: %v, %q", c.annotation, c.err, ok, given.evidence)
		}
	}
}
