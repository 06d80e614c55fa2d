package lab_test

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/named"
)

// At an edge each tenant's name leads to the edge, and SRV records say where its
// ports are; both go with the tenant, and the neighbour's stay.
func TestEdgeNamesByUpdates(t *testing.T) {
	t.Parallel()
	l := installation(t)
	spec := l.EdgeSpec()
	atEdgeOf(t, l, "quays", spec)
	const zone = "quays.example.com"
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: zone}}})
	tsigSecret(t, l, "quays-key", server.Secret())
	var quays v1alpha1.Region
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "quays"}, &quays); err != nil {
		t.Fatal(err)
	}
	change(t, l, &quays, func() { quays.Spec.DNS = direct(server, zone, "eu-1", "quays-key").DNS })
	for _, slug := range []string{"quay-a", "quay-b"} {
		create(t, l, slug, v1alpha1.TenantSpec{Region: "quays"})
		leaves(t, l, slug)
	}
	for _, slug := range []string{"quay-a", "quay-b"} {
		becomesReady(t, l, slug)
		ports := get(t, l, slug).Status.EdgePorts
		host := slug + "." + zone
		answers(t, server, host, "A", spec.Addresses...)
		answers(t, server, "_wazuh-events._tcp."+host, "SRV", fmt.Sprintf("0 0 %d %s.", ports.Events, host))
		answers(t, server, "_wazuh-enroll._tcp."+host, "SRV", fmt.Sprintf("0 0 %d %s.", ports.Enrollment, host))
	}
	if err := l.Client.Delete(t.Context(), get(t, l, "quay-a")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "quay-a"})
	answers(t, server, "quay-a."+zone, "A")
	answers(t, server, "_wazuh-events._tcp.quay-a."+zone, "SRV")
	answers(t, server, "srv-_wazuh-events._tcp.quay-a."+zone, "TXT")
	answers(t, server, "quay-b."+zone, "A", spec.Addresses...)
}

// What a Region says wrongly of names, the API server refuses, and says what to do.
func TestTheSchemaRefusesNonsenseAboutNames(t *testing.T) {
	l := installation(t)
	update := func(zone string) *v1alpha1.RFC2136Spec {
		return &v1alpha1.RFC2136Spec{Server: "192.0.2.53:53", Zone: zone, TSIG: v1alpha1.TSIGSpec{
			KeyName: "soctalk", SecretRef: v1alpha1.SecretKeyRef{Name: "dns-key"},
		}}
	}
	provider := func(url string) *v1alpha1.WebhookSpec { return &v1alpha1.WebhookSpec{URL: url} }
	throughProvider := func(spec *v1alpha1.WebhookSpec) v1alpha1.DNSSpec {
		return v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, OwnerID: "eu-1", Webhook: spec}
	}
	for name, c := range map[string]struct {
		dns  v1alpha1.DNSSpec
		want []string
	}{
		"direct without a server":        {v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, OwnerID: "eu-1"}, []string{"dns.rfc2136", "TSIG key", "dns.webhook"}},
		"a provider without direct":      {v1alpha1.DNSSpec{Mode: v1alpha1.DNSManual, Webhook: provider("http://localhost:8888")}, []string{"dns.webhook belongs to dns.mode direct"}},
		"a provider and a server":        {v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, OwnerID: "eu-1", RFC2136: update("example.com"), Webhook: provider("http://localhost:8888")}, []string{"remove one of them"}},
		"a provider on the open network": {throughProvider(provider("http://dns.example.com:8888")), []string{"dns.webhook.url", "https:// only"}},
		"a provider that looks local":    {throughProvider(provider("http://localhost.example.com:8888")), []string{"https:// only"}},
		"a password in the URL":          {throughProvider(provider("https://user:secret@dns.example.com")), []string{"without user"}},
		"TLS without TLS":                {throughProvider(&v1alpha1.WebhookSpec{URL: "http://localhost:8888", TLSSecretRef: &v1alpha1.SecretRef{Name: "dns-tls"}}), []string{"needs an https:// URL"}},
		"direct without an owner":        {v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, RFC2136: update("example.com")}, []string{"dns.ownerID", "such as the cluster's name"}},
		"a server without direct":        {v1alpha1.DNSSpec{Mode: v1alpha1.DNSManual, RFC2136: update("example.com")}, []string{"dns.rfc2136 belongs to dns.mode direct"}},
		"a source without the mode":      {v1alpha1.DNSSpec{Mode: v1alpha1.DNSManual, ExternalDNS: &v1alpha1.ExternalDNSSpec{}}, []string{"dns.externalDNS belongs to dns.mode external-dns"}},
		"a source nobody knows":          {v1alpha1.DNSSpec{Mode: v1alpha1.DNSExternalDNS, ExternalDNS: &v1alpha1.ExternalDNSSpec{Source: "ingress"}}, []string{`"service"`, `"endpoint"`}},
		"a zone the domain is not in":    {v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, OwnerID: "eu-1", RFC2136: update("example.org")}, []string{"spec.domain is not in dns.rfc2136.zone"}},
		"a zone that only looks alike":   {v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, OwnerID: "eu-1", RFC2136: update("ample.com")}, []string{"spec.domain is not in dns.rfc2136.zone"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := l.Client.Create(t.Context(), &v1alpha1.Region{
				ObjectMeta: metav1.ObjectMeta{Name: "bad"}, Spec: v1alpha1.RegionSpec{Domain: "soc.example.com", DNS: c.dns},
			}, client.DryRunAll)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("not refused as invalid: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message does not say %q: %v", want, err)
				}
			}
		})
	}
}
