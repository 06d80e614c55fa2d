package lab_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// metallb is a lab in which MetalLB's own controller gives the addresses. Each
// test has a Region with a pool of its own.
type metallb struct {
	*lab.Lab
	pools atomic.Int32
}

// TestMetalLB has a lab of its own, since a cluster has one giver of addresses.
func TestMetalLB(t *testing.T) {
	t.Parallel()
	plane, program := controlplanetest.Binary(t), controlplanetest.Program(t, controlplane.MetalLB)
	simulator, err := buildSimulator(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	started, err := lab.Start(t.Context(), lab.Options{
		Binary: plane, Simulator: simulator, MetalLB: program, Poll: time.Second, KeyReload: 200 * time.Millisecond, Drain: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(started.Stop)
	// MetalLB refuses pools that overlap; the tests bring small ones.
	if err := started.MetalLB().DeletePool(t.Context(), lab.DefaultPool); err != nil {
		t.Fatal(err)
	}
	m := &metallb{Lab: started}
	m.pool(t, "unrelated", m.addresses(1)[0]) // without any pool MetalLB says nothing
	for name, test := range map[string]func(*testing.T, *metallb){
		"two tenants at two addresses": twoTenantsAtTwoAddresses,
		"pool exhausted":               poolExhausted,
		"pool made later":              poolMadeLater,
		"pool by annotation":           poolByAnnotation,
		"address pinned":               addressPinned,
		"address changed":              addressChanged,
		"name kept by hand":            nameKeptByHand,
		"pool taken away":              poolTakenAway,
		"class":                        classes,
		"sources":                      sources,
		"an address rests":             addressRests,
		"an address rests at a move":   addressRestsAtAMove,
		"an attached gateway":          attachedGateway,
		"the guide's manifests":        guideManifests,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, m)
		})
	}
}

// addresses are n addresses no other test uses.
func (m *metallb) addresses(n int) []netip.Addr {
	base := m.LoadBalancerRange().Addr().As4()
	base[2] = byte(m.pools.Add(1))
	out := make([]netip.Addr, n)
	for i := range out {
		base[3] = byte(i + 1)
		out[i] = netip.AddrFrom4(base)
	}
	return out
}

func (m *metallb) pool(t *testing.T, name string, addresses ...netip.Addr) {
	t.Helper()
	pool := lab.Pool{Name: name, OnRequest: true}
	for _, address := range addresses {
		pool.Ranges = append(pool.Ranges, address.String()+"/32")
	}
	if err := m.MetalLB().SetPool(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
}

// region makes a Region whose name begins its domain; its names are external-dns's.
func (m *metallb) region(t *testing.T, name string, spec v1alpha1.LoadBalancerSpec) {
	t.Helper()
	spec.Preset = "metallb"
	if err := m.Client.Create(t.Context(), &v1alpha1.Region{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.RegionSpec{
			Domain: name + "." + domain, LoadBalancer: spec, Quarantine: &metav1.Duration{},
			DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSExternalDNS, Server: m.Standin.DNSAddress(), TTL: 60},
		},
	}); err != nil {
		t.Fatal(err)
	}
}

func (m *metallb) tenant(t *testing.T, slug, region string, ingress v1alpha1.WazuhIngress) {
	t.Helper()
	create(t, m.Lab, slug, v1alpha1.TenantSpec{Region: region, WazuhIngress: ingress})
}

// ingress changes what a tenant asks of the load balancer.
func (m *metallb) ingress(t *testing.T, slug string, ingress v1alpha1.WazuhIngress) {
	t.Helper()
	changeSpec(t, m.Lab, slug, func(spec *v1alpha1.TenantSpec) { spec.WazuhIngress = ingress })
}

// address waits for the condition AddressAssigned and returns its message.
func (m *metallb) address(t *testing.T, slug string, status metav1.ConditionStatus, reason string) string {
	t.Helper()
	return becomes(t, m.Lab, slug, v1alpha1.ConditionAddressAssigned, status, reason).Message
}

func says(t *testing.T, message string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(message, want) {
			t.Errorf("the condition says %q, want %q in it", message, want)
		}
	}
}

func twoTenantsAtTwoAddresses(t *testing.T, m *metallb) {
	addresses := m.addresses(2)
	m.pool(t, "two", addresses...)
	m.region(t, "two", v1alpha1.LoadBalancerSpec{Pool: "two"})
	m.tenant(t, "two-a", "two", v1alpha1.WazuhIngress{})
	m.tenant(t, "two-b", "two", v1alpha1.WazuhIngress{})
	areSeparate(t, m.Lab, "two-a", "two-b")
	for _, slug := range []string{"two-a", "two-b"} {
		given, err := netip.ParseAddr(get(t, m.Lab, slug).Status.Address)
		if err != nil || given != addresses[0] && given != addresses[1] {
			t.Errorf("%s is at %s, want one of %s", slug, given, addresses)
		}
		says(t, m.address(t, slug, metav1.ConditionTrue, v1alpha1.ReasonOK), "from pool two")
	}
}

func poolExhausted(t *testing.T, m *metallb) {
	only := m.addresses(1)[0]
	m.pool(t, "single", only)
	m.region(t, "single", v1alpha1.LoadBalancerSpec{Pool: "single"})
	m.tenant(t, "single-a", "single", v1alpha1.WazuhIngress{})
	m.address(t, "single-a", metav1.ConditionTrue, v1alpha1.ReasonOK)
	m.tenant(t, "single-b", "single", v1alpha1.WazuhIngress{})
	says(t, m.address(t, "single-b", metav1.ConditionFalse, v1alpha1.ReasonAddressPoolExhausted),
		"no available IPs in pool single", "add addresses to the pool, or remove a tenant")
	// What the message promises.
	if err := m.Client.Delete(t.Context(), get(t, m.Lab, "single-a")); err != nil {
		t.Fatal(err)
	}
	says(t, m.address(t, "single-b", metav1.ConditionTrue, v1alpha1.ReasonOK), only.String())
}

func poolMadeLater(t *testing.T, m *metallb) {
	only := m.addresses(1)[0]
	m.region(t, "later", v1alpha1.LoadBalancerSpec{Pool: "later"})
	m.tenant(t, "later-a", "later", v1alpha1.WazuhIngress{})
	says(t, m.address(t, "later-a", metav1.ConditionFalse, v1alpha1.ReasonAddressPoolNotFound), `unknown pool "later"`, "correct its name")
	becomes(t, m.Lab, "later-a", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonAddressPoolNotFound)
	m.pool(t, "later", only)
	says(t, m.address(t, "later-a", metav1.ConditionTrue, v1alpha1.ReasonOK), only.String())
	becomesReady(t, m.Lab, "later-a")
}

// Both prefixes of MetalLB's annotations choose a pool; the older one has MetalLB
// raise a warning, which is no reason not to be ready.
func poolByAnnotation(t *testing.T, m *metallb) {
	m.pool(t, "silver", m.addresses(1)...)
	gold := m.addresses(2)
	m.pool(t, "gold", gold...)
	m.region(t, "metals", v1alpha1.LoadBalancerSpec{Pool: "silver"})
	m.region(t, "older", v1alpha1.LoadBalancerSpec{Annotations: map[string]string{"metallb.universe.tf/address-pool": "gold"}})
	m.tenant(t, "golden", "metals", v1alpha1.WazuhIngress{ServiceAnnotations: map[string]string{"metallb.io/address-pool": "gold"}})
	m.tenant(t, "oldfashioned", "older", v1alpha1.WazuhIngress{})
	for _, slug := range []string{"golden", "oldfashioned"} {
		says(t, m.address(t, slug, metav1.ConditionTrue, v1alpha1.ReasonOK), "from pool gold")
		becomesReady(t, m.Lab, slug)
	}
}

func addressPinned(t *testing.T, m *metallb) {
	addresses := m.addresses(9)
	m.pool(t, "pins", addresses[:8]...)
	m.region(t, "pins", v1alpha1.LoadBalancerSpec{Pool: "pins"})
	wanted, outside := addresses[6].String(), addresses[8].String()
	m.tenant(t, "pinned", "pins", v1alpha1.WazuhIngress{Addresses: []string{wanted}})
	becomesReady(t, m.Lab, "pinned")
	if got := get(t, m.Lab, "pinned").Status.Address; got != wanted {
		t.Errorf("the address is %s, want %s", got, wanted)
	}
	if _, err := enroll(t, m.Lab, "pinned", "web-01", enrollmentSecret(t, m.Lab, "pinned")); err != nil {
		t.Errorf("enroll at the pinned address: %v", err)
	}
	m.tenant(t, "greedy", "pins", v1alpha1.WazuhIngress{Addresses: []string{wanted}})
	says(t, m.address(t, "greedy", metav1.ConditionFalse, v1alpha1.ReasonAddressTaken), "tenant-pinned/wazuh-manager", "choose a free address")
	m.ingress(t, "greedy", v1alpha1.WazuhIngress{Addresses: []string{outside}})
	says(t, m.address(t, "greedy", metav1.ConditionFalse, v1alpha1.ReasonAddressNotInPool), outside, "is not allowed in config")
	m.pool(t, "other", addresses[8])
	eventually(t, "greedy is told of the other pool", func(context.Context) (bool, error) {
		return strings.Contains(m.address(t, "greedy", metav1.ConditionFalse, v1alpha1.ReasonAddressNotInPool), "is not compatible with requested address pool pins"), nil
	})
	m.ingress(t, "greedy", v1alpha1.WazuhIngress{})
	m.address(t, "greedy", metav1.ConditionTrue, v1alpha1.ReasonOK)
	becomesReady(t, m.Lab, "pinned") // nobody took it away
}

// A tenant moves to another address: its name follows, agents are served at the new
// one, and who must be told is told.
func addressChanged(t *testing.T, m *metallb) {
	addresses := m.addresses(2)
	before, after := addresses[0], addresses[1]
	m.pool(t, "moves", addresses...)
	m.region(t, "moves", v1alpha1.LoadBalancerSpec{Pool: "moves"})
	m.tenant(t, "mover", "moves", v1alpha1.WazuhIngress{Addresses: []string{before.String()}})
	becomesReady(t, m.Lab, "mover")
	key, err := enroll(t, m.Lab, "mover", "web-01", enrollmentSecret(t, m.Lab, "mover"))
	if err != nil {
		t.Fatal(err)
	}
	connect(t, m.Lab, "mover", key)

	m.ingress(t, "mover", v1alpha1.WazuhIngress{Addresses: []string{after.String()}})
	eventually(t, "mover is at "+after.String(), func(ctx context.Context) (bool, error) {
		return get(t, m.Lab, "mover").Status.Address == after.String(), nil
	})
	becomesReady(t, m.Lab, "mover")
	says(t, becomes(t, m.Lab, "mover", v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonOK).Message, "resolves to "+after.String())
	if change := get(t, m.Lab, "mover").Status.AddressChange; change == nil || change.From != before.String() {
		t.Errorf("status.addressChange is %+v, want it to come from %s", change, before)
	}
	raised(t, m.Lab, "mover", v1alpha1.ReasonAddressChanged, fmt.Sprintf("%s instead of %s", after, before))
	connect(t, m.Lab, "mover", key) // the same key, at the new address
	nobodyListens(t, net.JoinHostPort(before.String(), "1514"))
}

// Where a person keeps the records, the conditions say so until they have changed.
func nameKeptByHand(t *testing.T, m *metallb) {
	addresses := m.addresses(2)
	before, after := addresses[0], addresses[1]
	m.pool(t, "byhand", addresses...)
	m.region(t, "byhand", v1alpha1.LoadBalancerSpec{Pool: "byhand"})
	m.tenant(t, "keeper", "byhand", v1alpha1.WazuhIngress{Addresses: []string{before.String()}})
	becomesReady(t, m.Lab, "keeper")
	var region v1alpha1.Region
	if err := m.Client.Get(t.Context(), types.NamespacedName{Name: "byhand"}, &region); err != nil {
		t.Fatal(err)
	}
	change(t, m.Lab, &region, func() { region.Spec.DNS.Mode = v1alpha1.DNSManual })
	hostname := get(t, m.Lab, "keeper").Status.Hostname
	m.Standin.CreateRecord(hostname, before)
	becomesReady(t, m.Lab, "keeper")

	m.ingress(t, "keeper", v1alpha1.WazuhIngress{Addresses: []string{after.String()}})
	says(t, m.address(t, "keeper", metav1.ConditionTrue, v1alpha1.ReasonAddressChanged), "agents connect to "+after.String(), "it was "+before.String())
	says(t, becomes(t, m.Lab, "keeper", v1alpha1.ConditionDNSPublished, metav1.ConditionFalse, v1alpha1.ReasonRecordWrong).Message,
		"still resolves to "+before.String(), "change the record to: "+hostname, " A "+after.String())
	m.Standin.CreateRecord(hostname, after)
	becomesReady(t, m.Lab, "keeper")
	m.address(t, "keeper", metav1.ConditionTrue, v1alpha1.ReasonOK)
}

// A pool is renamed under a tenant at work: the address is gone, the condition says
// since when and why, and its return is no change.
func poolTakenAway(t *testing.T, m *metallb) {
	only := m.addresses(1)[0]
	m.pool(t, "brief", only)
	m.region(t, "brief", v1alpha1.LoadBalancerSpec{Pool: "brief"})
	m.tenant(t, "robbed", "brief", v1alpha1.WazuhIngress{})
	becomesReady(t, m.Lab, "robbed")
	if err := m.MetalLB().DeletePool(t.Context(), "brief"); err != nil {
		t.Fatal(err)
	}
	says(t, m.address(t, "robbed", metav1.ConditionFalse, v1alpha1.ReasonAddressPoolNotFound), "no load-balancer address any more", "it was "+only.String())
	m.pool(t, "brief", only)
	becomesReady(t, m.Lab, "robbed")
	if change := get(t, m.Lab, "robbed").Status.AddressChange; change != nil {
		t.Errorf("the address came back and status.addressChange is %+v", change)
	}
}

// A Service with a loadBalancerClass is left to the load balancer of that class.
func classes(t *testing.T, m *metallb) {
	const class = "soctalk.test/second"
	m.region(t, "classy", v1alpha1.LoadBalancerSpec{Class: class})
	m.tenant(t, "classy-a", "classy", v1alpha1.WazuhIngress{})
	says(t, m.address(t, "classy-a", metav1.ConditionFalse, v1alpha1.ReasonWaitingForAddress), class)
	second, err := m.StartMetalLB(t.Context(), lab.MetalLBOptions{Namespace: "metallb-second", Class: class})
	if err != nil {
		t.Fatal(err)
	}
	only := m.addresses(1)[0]
	if err := second.SetPool(t.Context(), lab.Pool{Name: "second", Ranges: []string{only.String() + "/32"}}); err != nil {
		t.Fatal(err)
	}
	says(t, m.address(t, "classy-a", metav1.ConditionTrue, v1alpha1.ReasonOK), only.String())
	becomesReady(t, m.Lab, "classy-a")
}

// Who is let in is decided at the load balancer and once more at the manager, and
// the condition says by what.
func sources(t *testing.T, m *metallb) {
	m.pool(t, "fences", m.addresses(2)...)
	m.region(t, "fences", v1alpha1.LoadBalancerSpec{Pool: "fences"})
	m.region(t, "masks", v1alpha1.LoadBalancerSpec{Pool: "fences", ExternalTrafficPolicy: "Cluster"})
	for slug, region := range map[string]string{"fence-local": "fences", "fence-cluster": "masks"} {
		m.tenant(t, slug, region, v1alpha1.WazuhIngress{AllowedCIDRs: []string{"127.55.0.0/16"}})
		becomesReady(t, m.Lab, slug)
		if err := ping(t, m.Lab, slug, "127.55.0.7"); err != nil {
			t.Errorf("%s: a source inside allowedCIDRs: %v", slug, err)
		}
		if err := ping(t, m.Lab, slug, "127.56.0.7"); err == nil {
			t.Errorf("%s: a source outside allowedCIDRs was let in", slug)
		}
		says(t, m.address(t, slug, metav1.ConditionTrue, v1alpha1.ReasonOK), "lets in 127.55.0.0/16 only")
	}
	says(t, m.address(t, "fence-cluster", metav1.ConditionTrue, v1alpha1.ReasonOK), "externalTrafficPolicy Cluster")
	if message := m.address(t, "fence-local", metav1.ConditionTrue, v1alpha1.ReasonOK); strings.Contains(message, "Cluster") {
		t.Errorf("policy Local: %s", message)
	}
}

// The Service of an attached manager behind a gateway has no selector that finds
// anybody, and endpoints the operator writes, enrollment at the gateway and events at
// the manager: MetalLB gives it an address all the same, and keeps it when the manager
// changes hands.
func attachedGateway(t *testing.T, m *metallb) {
	only := m.addresses(1)[0]
	m.pool(t, "guests", only)
	m.region(t, "guests", v1alpha1.LoadBalancerSpec{Pool: "guests"})
	const slug = "guests-theirs"
	attachTheirsIn(t, m.Lab, slug, "guests")
	says(t, m.address(t, slug, metav1.ConditionTrue, v1alpha1.ReasonOK), only.String(), "from pool guests")
	var slices discoveryv1.EndpointSliceList
	if err := m.Client.List(t.Context(), &slices, client.InNamespace(naming.Namespace(slug)), client.MatchingLabels{discoveryv1.LabelServiceName: naming.ServiceAgents}); err != nil {
		t.Fatal(err)
	}
	leads := map[string]string{}
	for _, slice := range slices.Items {
		for _, port := range slice.Ports {
			for _, endpoint := range slice.Endpoints {
				leads[*port.Name] += slice.Labels[discoveryv1.LabelManagedBy] + " " + endpoint.TargetRef.Name + ";"
			}
		}
	}
	if !strings.HasPrefix(leads[naming.PortEvents], naming.Product+" their-wazuh-0") || !strings.HasPrefix(leads[naming.PortEnrollment], naming.Product+" "+naming.ServiceGateway) || strings.Count(leads[naming.PortEnrollment], ";") != 1 {
		t.Errorf("the agents' ports lead to %v", leads)
	}
	key, err := enroll(t, m.Lab, slug, "guests-web-01", enrollmentSecret(t, m.Lab, slug))
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, m.Lab, slug, key)
	sends(t, m.Lab, slug, session, "guests-first")
	_, err = enroll(t, m.Lab, slug, "guests-around", wazuh.NewSecret(theirPassword))
	isRefused(t, "authd's own password", err)
	gatewayStartsAnew(t, m.Lab, slug, func() error {
		_, err := enroll(t, m.Lab, slug, "guests-knock", wazuh.NewSecret("nobody-has-this-secret"))
		return err
	})
	sends(t, m.Lab, slug, session, "guests-last")
	if now := get(t, m.Lab, slug).Status; now.Address != only.String() || now.AddressChange != nil {
		t.Errorf("the address is %s, and its change %v", now.Address, now.AddressChange)
	}
}

// MetalLB's own API takes what the guide says to give it.
func guideManifests(t *testing.T, m *metallb) {
	files, err := filepath.Glob("../../examples/load-balancers/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	for _, file := range files {
		for _, object := range readObjects(t, file) {
			if err := m.Client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
				t.Errorf("%s: %s %s: %v", file, object.GetKind(), object.GetName(), err)
			}
		}
	}
}
