package lab_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// An address that was given up is the next one MetalLB would give away. It is kept
// for as long as the claim on it rests, and not a moment longer.
func addressRests(t *testing.T, m *metallb) {
	addresses := m.addresses(2)
	m.pool(t, "resting", addresses...)
	if err := m.Client.Create(t.Context(), &v1alpha1.Region{
		ObjectMeta: metav1.ObjectMeta{Name: "restful"},
		Spec: v1alpha1.RegionSpec{
			Domain: "restful." + domain, LoadBalancer: v1alpha1.LoadBalancerSpec{Preset: "metallb", Pool: "resting"},
			Quarantine: &metav1.Duration{Duration: time.Hour}, DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone},
		},
	}); err != nil {
		t.Fatal(err)
	}
	m.tenant(t, "leaver", "restful", v1alpha1.WazuhIngress{})
	m.address(t, "leaver", metav1.ConditionTrue, v1alpha1.ReasonOK)
	if got, want := get(t, m.Lab, "leaver").Status.Address, addresses[0].String(); got != want {
		t.Fatalf("the first tenant is at %s, not at %s: MetalLB gives another than the lowest address first", got, want)
	}
	uid := string(get(t, m.Lab, "leaver").UID)
	if err := m.Client.Delete(t.Context(), get(t, m.Lab, "leaver")); err != nil {
		t.Fatal(err)
	}
	gone(t, m.Lab, &v1alpha1.Tenant{}, types.NamespacedName{Name: "leaver"})
	claim := naming.AddressClaim(addresses[0])
	var rests []string
	for _, rest := range reportOf(t, m.Lab, "leaver", uid).Quarantine {
		rests = append(rests, rest.Claim)
	}
	if len(rests) != 2 || rests[0] != claim || rests[1] != naming.HostClaim("leaver.restful."+domain) {
		t.Errorf("in quarantine are %v", rests)
	}
	keeper := m.keeps(t, addresses[0])
	m.tenant(t, "comer", "restful", v1alpha1.WazuhIngress{})
	m.address(t, "comer", metav1.ConditionTrue, v1alpha1.ReasonOK)
	if got, want := get(t, m.Lab, "comer").Status.Address, addresses[1].String(); got != want {
		t.Errorf("the next tenant is at %s, want %s", got, want)
	}
	// A person ends the rest; the address is free again.
	if err := m.Client.Delete(t.Context(), &v1alpha1.Claim{ObjectMeta: metav1.ObjectMeta{Name: claim}}); err != nil {
		t.Fatal(err)
	}
	gone(t, m.Lab, &corev1.Service{}, keeper)
	m.tenant(t, "heir", "restful", v1alpha1.WazuhIngress{})
	m.address(t, "heir", metav1.ConditionTrue, v1alpha1.ReasonOK)
	if got, want := get(t, m.Lab, "heir").Status.Address, addresses[0].String(); got != want {
		t.Errorf("the heir is at %s, want %s", got, want)
	}
}

// keeps waits until an address is held by the Service that keeps it from others.
func (m *metallb) keeps(t *testing.T, address netip.Addr) (keeper types.NamespacedName) {
	t.Helper()
	keeper = types.NamespacedName{Namespace: naming.DefaultSystemNamespace, Name: naming.RestingService(naming.AddressClaim(address))}
	eventually(t, "address "+address.String()+" is kept", func(ctx context.Context) (bool, error) {
		var service corev1.Service
		err := m.Client.Get(ctx, keeper, &service)
		return err == nil && len(service.Status.LoadBalancer.Ingress) == 1 && service.Status.LoadBalancer.Ingress[0].IP == address.String(), err
	})
	return keeper
}

// A tenant that goes to the edge leaves its agents behind at its address until each
// has its new port: the address rests as after an offboarding.
func addressRestsAtAMove(t *testing.T, m *metallb) {
	addresses := m.addresses(2)
	m.pool(t, "departs", addresses...)
	if err := m.Client.Create(t.Context(), &v1alpha1.Region{
		ObjectMeta: metav1.ObjectMeta{Name: "departs"},
		Spec: v1alpha1.RegionSpec{
			Domain: "departs." + domain, LoadBalancer: v1alpha1.LoadBalancerSpec{Preset: "metallb", Pool: "departs"},
			Edge:       &v1alpha1.EdgeSpec{Addresses: []string{"198.51.100.78"}, Ports: v1alpha1.PortRange{First: 20000, Last: 20009}},
			Quarantine: &metav1.Duration{Duration: time.Hour}, DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone},
		},
	}); err != nil {
		t.Fatal(err)
	}
	m.tenant(t, "moves-away", "departs", v1alpha1.WazuhIngress{})
	m.address(t, "moves-away", metav1.ConditionTrue, v1alpha1.ReasonOK)
	m.ingress(t, "moves-away", v1alpha1.WazuhIngress{Mode: v1alpha1.ModeEdgeHAProxy})
	claim := naming.AddressClaim(addresses[0])
	m.keeps(t, addresses[0])
	var held v1alpha1.Claim
	if err := m.Client.Get(t.Context(), types.NamespacedName{Name: claim}, &held); err != nil || held.Spec.Tenant != "moves-away" || held.Spec.QuarantinedUntil == nil {
		t.Errorf("the claim is %+v (%v)", held.Spec, err)
	}
	m.tenant(t, "moves-in", "departs", v1alpha1.WazuhIngress{})
	m.address(t, "moves-in", metav1.ConditionTrue, v1alpha1.ReasonOK)
	if got, want := get(t, m.Lab, "moves-in").Status.Address, addresses[1].String(); got != want {
		t.Errorf("the next tenant is at %s, want %s", got, want)
	}
}
