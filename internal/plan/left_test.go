package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// What is told to have been given up could not be removed, is remembered no more, and
// was at a place that a person named.
func TestWhatWasGivenUpIsTold(t *testing.T) {
	at := func(host, server string) v1alpha1.DNSWritten {
		return v1alpha1.DNSWritten{Hostname: host, RFC2136: &v1alpha1.RFC2136Spec{Server: server}}
	}
	var in Input
	in.Tenant.Annotations = map[string]string{naming.AnnotationAbandonRecords: "192.0.2.53:53, http://localhost:8888"}
	hook := v1alpha1.DNSWritten{Hostname: "c.example.com", Webhook: &v1alpha1.WebhookSpec{URL: "http://localhost:8888"}}
	in.Observed.DNS.Left = []LeftState{
		{Way: at("a.example.com", "192.0.2.53:53"), Error: "no answer in time"},
		{Way: at("b.example.com", "192.0.2.53:53"), Error: "no answer in time"},
		{Way: at("removed.example.com", "192.0.2.53:53")},
		{Way: hook, Error: "no answer in time"},
		{Way: at("d.example.com", "192.0.2.9:53"), Error: "no answer in time"},
	}
	after := v1alpha1.TenantStatus{DNS: &v1alpha1.DNSStatus{Written: []v1alpha1.DNSWritten{at("b.example.com", "192.0.2.53:53")}}}
	want := []string{"the records of a.example.com at 192.0.2.53:53", "the records of c.example.com at http://localhost:8888"}
	if diff := cmp.Diff(want, GivenUp(in, after)); diff != "" {
		t.Error(diff)
	}
}
