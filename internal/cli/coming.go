package cli

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// tellComing says what a tenant has now and what is to come in its place, and why it has
// not come yet where the operator says so. It goes to standard error: the why may name
// other customers, and a sheet is sent to one.
func (s *session) tellComing(tenant v1alpha1.Tenant, coming []plan.Change) {
	for _, change := range coming {
		s.talk("tenant %q: %s is %s now; to come: %s", tenant.Name, change.What, change.Now, change.Coming)
	}
	if len(coming) == 0 || !plan.UpdateWaits(tenant) {
		return
	}
	told := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionUpToDate)
	s.talk("tenant %q: %s", tenant.Name, told.Message)
}
