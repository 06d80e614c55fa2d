package plan

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Pods that nobody noted anything on show who answers on the enrollment port. If that
// is not what is wanted, a tenant waits with all of it where its Region chose, and does
// not wait where it chose itself.
func TestPodsOfBeforeShowWhoAnswers(t *testing.T) {
	regions := []v1alpha1.Region{{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{Domain: "soc.mssp.example.com", Default: true}}}
	for _, c := range []struct {
		says         v1alpha1.EnrollmentMode
		gateway      bool
		waits, urges bool
	}{
		{"", false, true, true}, // the Region's default is the gateway now
		{"", true, false, false},
		{v1alpha1.EnrollmentGateway, false, false, true},
		{v1alpha1.EnrollmentDirect, false, false, false},
	} {
		tenant := v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme", Generation: 3}}
		tenant.Spec.Enrollment = c.says
		place, err := Place(tenant, regions)
		if err != nil {
			t.Fatal(err)
		}
		carried := Unnoted(tenant, place, c.gateway).String()
		held, waits := Held(tenant, regions, carried)
		if waits != c.waits || AskedMore(AskedBy(tenant, place), carried) != c.urges {
			t.Errorf("enrollment %q, pods with a gateway %v: waits %v", c.says, c.gateway, waits)
		}
		if !waits {
			continue
		}
		if as, err := Place(tenant, held); err != nil || as.Gateway != c.gateway || AskedMore(AskedBy(tenant, as), carried) {
			t.Errorf("enrollment %q: it does not wait with what its pods are: %+v, %v", c.says, as, err)
		}
	}
}
