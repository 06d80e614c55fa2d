package onboard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// notes say what the reader must know before acting on the sheet.
func notes(in Input, sheet Sheet, versionNote string) []string {
	tenant := in.Tenant
	var out []string
	note := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch why := notReady(tenant); {
	case tenant.DeletionTimestamp != nil:
		note("the tenant is being removed; do not hand this sheet out")
	case tenant.Spec.Suspended:
		note("the tenant is suspended: its way in is closed and no agent connects until spec.suspended is false")
	case why != "":
		note("the tenant is not ready yet: %s", why)
	}
	for _, change := range in.Coming {
		note("the %s is to change from %s to %s; this sheet is for what is there now: ask for a new one before you bring in many agents", change.What, change.Now, change.Coming)
	}
	if len(sheet.Addresses) == 0 {
		note("no address is assigned yet; the firewall rows below lack it")
	}
	if in.Region.Spec.DNS.Mode == v1alpha1.DNSNone {
		note("nobody publishes the name in DNS here: the customer's own name server, or the endpoint's hosts file, must lead %s to %s", sheet.Hostname, either(sheet.Addresses, "the address"))
	}
	if onlyIPv6(sheet.Addresses) {
		note("the address is IPv6: endpoints need a route to it")
	}
	if networks := tenant.Spec.WazuhIngress.AllowedCIDRs; len(networks) > 0 {
		note("agents are let in from these networks only: %s", strings.Join(networks, ", "))
	}
	if versionNote != "" {
		note("%s", versionNote)
	}
	for _, id := range PlatformIDs() {
		if why := without(id, sheet.AgentVersion); why != "" && !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	return out
}

// notReady is the Ready condition in words, or empty when the tenant is ready.
func notReady(tenant v1alpha1.Tenant) string {
	ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return "the operator has not reported on it"
	case ready.Status == metav1.ConditionTrue:
		return ""
	}
	return ready.Reason + ": " + ready.Message
}

func onlyIPv6(addresses []string) bool {
	for _, text := range addresses {
		if address, err := netip.ParseAddr(text); err != nil || address.Is4() {
			return false
		}
	}
	return len(addresses) > 0
}

// either is the addresses, or other words while there are none.
func either(addresses []string, otherwise string) string {
	if len(addresses) == 0 {
		return otherwise
	}
	return strings.Join(addresses, ", ")
}
