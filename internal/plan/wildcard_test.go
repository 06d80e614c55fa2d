package plan

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// A Region asks cert-manager for a wildcard certificate only where it wants one
// and names whom to ask; one that cannot be asked for makes the Region unusable.
func TestWildcardOfARegion(t *testing.T) {
	region := v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{Domain: "soc.mssp.example.com"}}
	issuer := &v1alpha1.IssuerRef{Name: "letsencrypt-prod"}
	for name, c := range map[string]struct {
		spec   v1alpha1.CertificatesSpec
		wanted bool
		secret string
	}{
		"one per tenant":        {v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateACME, IssuerRef: issuer}, false, "wildcard-eu"},
		"brought by somebody":   {v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateWildcard, WildcardSecret: "bought"}, false, "bought"},
		"made here":             {v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateWildcard, IssuerRef: issuer}, true, "wildcard-eu"},
		"made here, other name": {v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateWildcard, IssuerRef: issuer, WildcardSecret: "ours"}, true, "ours"},
	} {
		region.Spec.Certificates = c.spec
		wildcard, wanted := WildcardOf(region)
		if wanted != c.wanted || wildcard.Name != "wildcard-eu" || WildcardSecret(region) != c.secret {
			t.Errorf("%s: %+v, wanted %v, secret %s", name, wildcard, wanted, WildcardSecret(region))
		}
		if wanted && (wildcard.DNSName != "*.soc.mssp.example.com" || wildcard.Secret != c.secret || wildcard.Issuer.Name != issuer.Name) {
			t.Errorf("%s: %+v", name, wildcard)
		}
	}
	status := ReportRegion(region, nil, nil, nil, NotInstalled("Certificate wildcard-eu", "Certificate"))
	if ready := status.Conditions[0]; ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.ReasonKindNotInstalled || !strings.Contains(ready.Message, "install what provides it") {
		t.Errorf("without cert-manager: %+v", ready)
	}
}
