package plan

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// TestPullSecretsGoWhereOurPodsAre: a namespace whose pods are all somebody else's gets
// no copy of the registry's password.
func TestPullSecretsGoWhereOurPodsAre(t *testing.T) {
	region := v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}}
	region.Spec.Default, region.Spec.Domain, region.Spec.ImagePullSecrets = true, "soc.example.com", []string{"registry"}
	attach := &v1alpha1.ManagerAttach{
		Selector: map[string]string{"app": "wazuh"}, APICredentialsSecret: "wazuh-api",
		EnrollmentPasswordSecret: "authd-password", EnrollmentCASecret: "authd-ca",
	}
	for name, try := range map[string]struct {
		spec v1alpha1.TenantSpec
		want []string
	}{
		"the manager is ours":        {v1alpha1.TenantSpec{}, []string{"registry"}},
		"the gateway alone is":       {v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Attach: attach}, Enrollment: v1alpha1.EnrollmentGateway}, []string{"registry"}},
		"everything is another's":    {v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Attach: attach}}, nil},
		"another's, and said so too": {v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Attach: attach}, Enrollment: v1alpha1.EnrollmentDirect}, nil},
	} {
		place, err := Place(v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: try.spec}, []v1alpha1.Region{region})
		if err != nil || !slices.Equal(place.PullSecrets, try.want) {
			t.Errorf("%s: %v, %v; want %v", name, place.PullSecrets, err, try.want)
		}
	}
}
