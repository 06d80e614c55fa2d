package plan

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// TestOwnSpecStaysWhatItWas: a digest that another version of the operator makes
// differently looks as if every tenant asked for a restart, and none waits for its
// turn. A new field belongs into it only where it is set.
func TestOwnSpecStaysWhatItWas(t *testing.T) {
	attach := v1alpha1.Tenant{}
	attach.Spec.Manager.Attach = &v1alpha1.ManagerAttach{Selector: map[string]string{"app": "wazuh"}}
	deploy := v1alpha1.Tenant{}
	deploy.Spec.Manager.Deploy = &v1alpha1.ManagerDeploy{Version: "4.14.7"}
	place := Placement{Region: "eu", Gateway: true, Major: 4, Agents: 4, TLSSecret: "wazuh-tls"}
	for want, tenant := range map[string]v1alpha1.Tenant{"48e02ebbde89": {}, "ddb2302ce93e": attach, "c462b2f9a87e": deploy} {
		if got := OwnSpec(tenant, place); got != want {
			t.Errorf("%+v: %s, want %s", tenant.Spec.Manager, got, want)
		}
	}
}
