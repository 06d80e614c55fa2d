package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

func addressHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionAddressAssigned
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		return edgeHop(in, place)
	}
	service := in.Observed.Service
	if len(service.Addresses) == 0 {
		return noAddress(in, place)
	}
	if missing := service.missing(place.Addresses); len(missing) > 0 {
		return no(condition, v1alpha1.ReasonWaitingForAddress, fmt.Sprintf("agents still connect to %s; the load balancer has not given %s, which spec.wazuhIngress.addresses asks for%s",
			service.Addresses[0], strings.Join(missing, ", "), said(service.Event)))
	}
	return reached(in, place, "agents connect to "+strings.Join(service.Addresses, " and ")+circumstances(service, place)+formerHolder(in, service.Addresses))
}

// reached is the hop of a tenant whose agents have somewhere to connect to. As long
// as they need not know yet that it was elsewhere before, that is told.
func reached(in Input, place Placement, text string) hop {
	condition := v1alpha1.ConditionAddressAssigned
	change := addressChange(in, place)
	if change == nil || followed(in, place, change) {
		return ok(condition, text)
	}
	told := "agents that know the name follow it, firewalls and agents that know the address must be told"
	if change.Ports != "" {
		told = "no name tells agents a port: each needs the new ones in its configuration, and firewalls must let them out there"
	}
	return hop{condition, isTrue, v1alpha1.ReasonAddressChanged, fmt.Sprintf("%s; until %s it was %s: %s", text, clock(change.At.Time), change.Place(), told)}
}

// verdicts say what a load balancer means. The words are those of MetalLB's
// events, the only ones so particular; each comes with who can do what about it.
var verdicts = []struct{ words, reason, remedy string }{
	{"no available IPs", v1alpha1.ReasonAddressPoolExhausted,
		"add addresses to the pool, or remove a tenant: the next free address is given without further ado"},
	{"unknown pool", v1alpha1.ReasonAddressPoolNotFound,
		"make the pool, or correct its name in the Region's spec.loadBalancer (pool, annotations) or the tenant's spec.wazuhIngress.serviceAnnotations"},
	{"is not allowed in config", v1alpha1.ReasonAddressNotInPool,
		"choose an address from a pool, add this one to a pool, or remove spec.wazuhIngress.addresses"},
	{"is not compatible with requested address pool", v1alpha1.ReasonAddressNotInPool,
		"choose an address from that pool, or remove spec.wazuhIngress.addresses"},
	{"not compatible for ip assignment", v1alpha1.ReasonAddressNotInPool,
		"the pool is kept for other namespaces or Services; choose an address from another pool, or let the pool's serviceAllocation admit this one"},
	{"address also in use by", v1alpha1.ReasonAddressTaken,
		"choose a free address, or remove spec.wazuhIngress.addresses"},
	{"is already in use on", v1alpha1.ReasonAddressTaken,
		"choose a free address, or remove spec.wazuhIngress.addresses"},
}

// noAddress says why there is none, in the load balancer's words where it has any.
func noAddress(in Input, place Placement) hop {
	service := in.Observed.Service
	message := fmt.Sprintf("Service %s has no load-balancer address yet", naming.ServiceAgents)
	if change := addressChange(in, place); change != nil {
		message = fmt.Sprintf("Service %s has no load-balancer address any more; until %s it was %s", naming.ServiceAgents, clock(change.At.Time), change.From)
	}
	message += said(service.Event)
	reason := v1alpha1.ReasonWaitingForAddress
	switch {
	case service.Event != "":
		reason = v1alpha1.ReasonAddressRefused
		for _, verdict := range verdicts {
			if strings.Contains(service.Event, verdict.words) {
				reason, message = verdict.reason, message+"; "+verdict.remedy
				break
			}
		}
	case service.Class != "":
		message += fmt.Sprintf("; its loadBalancerClass is %q: only a load balancer of that class takes it up", service.Class)
	}
	return no(v1alpha1.ConditionAddressAssigned, reason, message)
}

// formerHolder tells whose an address was that has not rested: a load balancer gave
// it away at once. Its former agents still knock there. They know neither a secret nor
// a key of this tenant, so all they get is a refusal, and all they cost is noise.
func formerHolder(in Input, addresses []string) string {
	for _, text := range addresses {
		address, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		if held := holder(in, naming.AddressClaim(address)); held.Tenant != "" && held.Tenant != in.Tenant.Name {
			return fmt.Sprintf("; until recently %s was tenant %q's, whose agents left behind are refused here until they are uninstalled", text, held.Tenant)
		}
	}
	return ""
}

func said(event string) string {
	if event == "" {
		return ""
	}
	return "; the load balancer says: " + event
}

// circumstances are what else decides who gets through to the address.
func circumstances(service ServiceState, place Placement) string {
	text := ""
	if service.Pool != "" {
		text += ", from pool " + service.Pool
	}
	if len(service.SourceRanges) > 0 {
		text += "; the load balancer lets in " + strings.Join(service.SourceRanges, ", ") + " only"
	}
	if service.TrafficPolicy == "Cluster" {
		text += "; the manager sees the nodes' addresses instead of the agents' (externalTrafficPolicy Cluster)"
		if place.Gateway {
			text += ", so enrollment turns nobody away by where he comes from"
		}
	}
	return text
}

// Has is true when the Service has an address, and every one asked for.
func (s ServiceState) Has(asked []string) bool {
	return len(s.Addresses) > 0 && len(s.missing(asked)) == 0
}

func (s ServiceState) missing(asked []string) []string {
	var missing []string
	for _, address := range asked {
		if !slices.ContainsFunc(s.Addresses, func(given string) bool { return sameAddress(given, address) }) {
			missing = append(missing, address)
		}
	}
	return missing
}

func sameAddress(a, b string) bool {
	left, errLeft := netip.ParseAddr(a)
	right, errRight := netip.ParseAddr(b)
	return errLeft == nil && errRight == nil && left == right
}

// currentAddress is where agents connect to; empty while there is nowhere.
func currentAddress(in Input, place Placement) string {
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		return place.RegionSpec.Edge.Addresses[0]
	}
	return cmp.Or(in.Observed.Service.Addresses...)
}

// addressChange is the last change of the address or its ports, the present moment's
// included. An address that was gone and came back has not changed.
func addressChange(in Input, place Placement) *v1alpha1.AddressChange {
	before, last, now := in.Tenant.Status.Address, in.Tenant.Status.AddressChange, currentAddress(in, place)
	ports := portsBefore(in, place)
	switch {
	case before == now && ports == "":
		return last
	case before != "":
		return &v1alpha1.AddressChange{From: before, Ports: ports, At: metav1.NewTime(in.Now)}
	case last != nil && last.From == now && (last.Ports == "" || last.Ports == portSummary(place.Ports())):
		return nil
	}
	return last
}

// portsBefore are the ports agents knew, if one of them has moved: with another mode
// or another pinned pair. A port that is added, as for Wazuh 5, moves none.
func portsBefore(in Input, place Placement) string {
	for _, before := range in.Tenant.Status.Ports {
		for _, now := range place.Ports() {
			if before.Name == now.Name && before.Port != now.Port {
				return portSummary(in.Tenant.Status.Ports)
			}
		}
	}
	return ""
}

// changeIsNews is how long a change is told of that no name tells agents of.
const changeIsNews = 24 * time.Hour

// followed is true when agents can know of the change: their name leads to the
// address of now, or, where no name can tell them, the change is old.
func followed(in Input, place Placement, change *v1alpha1.AddressChange) bool {
	if place.RegionSpec.DNS.Mode == v1alpha1.DNSNone || change.Ports != "" {
		return in.Now.Sub(change.At.Time) >= changeIsNews
	}
	return judge(in.Observed.DNS).right
}

// behind says that an answer still leads to the address before; empty if it does not.
func behind(in Input, place Placement, answer DNSAnswer) string {
	change := addressChange(in, place)
	if change == nil || change.From == currentAddress(in, place) || !slices.Contains(answer.Addresses, change.From) {
		return ""
	}
	return fmt.Sprintf("%s still resolves to %s, the address until %s", place.Hostname, answers(answer), clock(change.At.Time))
}

// checkAddresses judges pinned addresses by what the Region's load balancer can
// be asked for.
func checkAddresses(tenant v1alpha1.Tenant, place Placement) error {
	pinned := tenant.Spec.WazuhIngress.Addresses
	if len(pinned) == 0 {
		return nil
	}
	field, value := "spec.wazuhIngress.addresses", strings.Join(pinned, ", ")
	if place.Mode != v1alpha1.ModeLoadBalancer {
		return invalid(field, value, "addresses belong to mode loadbalancer; remove them, or set spec.wazuhIngress.mode to loadbalancer")
	}
	six := false
	for _, address := range pinned {
		parsed, err := netip.ParseAddr(address)
		if err != nil {
			return invalid(field, address, "this is no IP address; write one such as 198.51.100.11 or 2001:db8::11")
		}
		six = six || parsed.Is6()
	}
	switch preset := place.RegionSpec.LoadBalancer.Preset; preset {
	case "":
		return invalid(field, value, fmt.Sprintf("Region %q names no spec.loadBalancer.preset, so nobody knows how to ask for an address; set it (metallb, kube-vip, gke, aks), or use spec.wazuhIngress.serviceAnnotations", place.Region))
	case "eks":
		return invalid(field, value, "AWS takes allocation ids of Elastic IPs, not addresses; put them into spec.wazuhIngress.serviceAnnotations as service.beta.kubernetes.io/aws-load-balancer-eip-allocations")
	case "gke", "aks":
		if len(pinned) > 1 || six {
			return invalid(field, value, fmt.Sprintf("preset %s takes one IPv4 address; use spec.wazuhIngress.serviceAnnotations for more", preset))
		}
	}
	return nil
}
