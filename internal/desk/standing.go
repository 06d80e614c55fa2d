package desk

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Standing of a condition: in place, awaited, or for a person to change.
type Standing int

// The three standings.
const (
	Good Standing = iota
	Bad
	Waiting
)

// StandingOf tells what is being waited for from what only a person can change.
func StandingOf(tenant v1alpha1.Tenant, condition *metav1.Condition) Standing {
	switch {
	case condition == nil || condition.Status == metav1.ConditionUnknown:
		return Waiting
	case condition.Status == metav1.ConditionTrue:
		return Good
	case meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionReconciling):
		return Waiting
	}
	return Bad
}
