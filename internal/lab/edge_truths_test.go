package lab_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// endsSoon waits for the end of a session.
func endsSoon(t *testing.T, what string, session *wazuh.Session) {
	t.Helper()
	select {
	case <-session.Done():
	case <-time.After(patience):
		t.Errorf("%s goes on", what)
	}
}

// Two edges of a Region on machines of their own hold agents of two tenants. One
// machine loses its power: its agents find the other, whose agents notice nothing, and
// which the API alone changes meanwhile. It comes back and has caught up.
func TestOneOfTwoEdgesDies(t *testing.T) {
	t.Parallel()
	l := installation(t)
	ports := v1alpha1.PortRange{First: 15140, Last: 15149}
	addresses := []string{l.EdgeAddress().String(), l.EdgeAddress().String()}
	edgeRegion(t, l, "canal", v1alpha1.EdgeSpec{Addresses: addresses, Ports: ports}, 0)
	var machines [2]*machine
	for i, address := range addresses {
		machines[i] = edgeMachine(t, l, fmt.Sprintf("lock-%d", i+1), "canal", netip.MustParseAddr(address), ports)
	}
	slugs := []string{"canal-a", "canal-b"}
	keys := map[string]wazuh.Key{}
	held := [2][]*wazuh.Session{}
	for _, slug := range slugs {
		create(t, l, slug, v1alpha1.TenantSpec{Region: "canal"})
		leaves(t, l, slug)
	}
	for _, slug := range slugs {
		becomesReady(t, l, slug)
		reports(t, l, slug, v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonOK, "carried by lock-1, lock-2")
		for i, address := range addresses {
			name := fmt.Sprintf("%s-host-%d", slug, i)
			key, err := enrollFrom(t, l, slug, address, "127.3.9.1", name, enrollmentSecret(t, l, slug))
			if err != nil {
				t.Fatal(err)
			}
			keys[name] = key
			held[i] = append(held[i], connectFrom(t, l, slug, address, "127.3.9.1", key))
		}
	}
	before := machines[0].haproxies(t)
	machines[1].die(t)
	for n, session := range held[1] {
		endsSoon(t, "a session through the edge that died", session)
		sends(t, l, slugs[n], connectFrom(t, l, slugs[n], addresses[0], "127.3.9.1", keys[slugs[n]+"-host-1"]), slugs[n]+"-moved")
	}
	// What is asked for meanwhile, the edge that lives does, and the condition says who does not.
	changeSpec(t, l, "canal-a", func(spec *v1alpha1.TenantSpec) { spec.WazuhIngress.AllowedCIDRs = []string{"127.3.0.0/16"} })
	reports(t, l, "canal-a", v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonOK, "carried by lock-1, not yet by lock-2")
	for n, session := range held[0] {
		if err := session.KeepAlive(t.Context()); err != nil {
			t.Errorf("%s: the agent at the edge that lives noticed: %v", slugs[n], err)
		}
	}
	if after := machines[0].haproxies(t); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("haproxy's processes were %v and are %v", before, after)
	}
	machines[1].begin(t)
	reports(t, l, "canal-a", v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonOK, "carried by lock-1, lock-2")
	status := get(t, l, "canal-a").Status
	refused := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.4.0.1")}, Timeout: 20 * time.Second}
	if conn, err := refused.DialContext(t.Context(), "tcp", fmt.Sprintf("%s:%d", addresses[1], status.EdgePorts.Events)); err == nil {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = conn.Write(wazuh.AppendFrame(nil, []byte(wazuh.Ping)))
		if n, err := conn.Read(make([]byte, 16)); err == nil {
			t.Errorf("the edge that came back serves %d bytes to a network that was shut out meanwhile", n)
		}
		_ = conn.Close()
	}
}

// Behind the edge and in front of somebody else's manager: the gateway's audit has the
// agent's own address, authd's own password is worth nothing, events go past the
// gateway to the manager, and the gateway's restart cuts none of them.
func TestAnAttachedManagerBehindTheEdge(t *testing.T) {
	t.Parallel()
	l := installation(t)
	spec := l.EdgeSpec()
	atEdgeOf(t, l, "wharf", spec)
	const slug, source = "wharf-theirs", "127.3.10.5"
	attachTheirsIn(t, l, slug, "wharf")
	leaves(t, l, slug)
	at := spec.Addresses[0]
	key, err := enrollFrom(t, l, slug, at, source, "wharf-web-01", enrollmentSecret(t, l, slug))
	if err != nil {
		t.Fatal(err)
	}
	session := connectFrom(t, l, slug, at, source, key)
	sends(t, l, slug, session, "wharf-first")
	enrolledFrom(t, l, slug, "wharf-web-01", source)
	_, err = enrollFrom(t, l, slug, at, source, "wharf-around", wazuh.NewSecret(theirPassword))
	isRefused(t, "authd's own password at the edge", err)
	gatewayStartsAnew(t, l, slug, func() error {
		_, err := enrollFrom(t, l, slug, at, source, "wharf-knock", wazuh.NewSecret("nobody-has-this-secret"))
		return err
	})
	if _, err := enrollFrom(t, l, slug, at, "127.3.10.6", "wharf-web-02", enrollmentSecret(t, l, slug)); err != nil {
		t.Errorf("enroll behind the next gateway: %v", err)
	}
	enrolledFrom(t, l, slug, "wharf-web-02", "127.3.10.6")
	sends(t, l, slug, session, "wharf-last")
}

// A tenant at work goes from an address of its own to the edge, and back. Its agents
// are cut, for they know the port and not the pair; the conditions say where they are
// to go instead; with the same key they are served there. Its neighbour at the edge
// notices nothing, and its pair is there for it the next time.
func TestATenantMovesToTheEdgeAndBack(t *testing.T) {
	t.Parallel()
	l := installation(t)
	address := l.EdgeAddress()
	ports := v1alpha1.PortRange{First: 15140, Last: 15149}
	edgeRegion(t, l, "ferry", v1alpha1.EdgeSpec{Addresses: []string{address.String()}, Ports: ports}, time.Hour)
	edgeMachine(t, l, "ferry-1", "ferry", address, ports)
	create(t, l, "neighbour", v1alpha1.TenantSpec{Region: "ferry"})
	leaves(t, l, "neighbour")
	create(t, l, "ferried", v1alpha1.TenantSpec{Region: "ferry", WazuhIngress: v1alpha1.WazuhIngress{Mode: v1alpha1.ModeLoadBalancer}})
	leaves(t, l, "ferried")
	becomesReady(t, l, "neighbour")
	neighbour := connectAtEdge(t, l, "neighbour", enrolledAtEdge(t, l, "neighbour", "neighbour-1"))
	becomesReady(t, l, "ferried")
	key, err := enroll(t, l, "ferried", "ferried-1", enrollmentSecret(t, l, "ferried"))
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, l, "ferried", key)
	own, serial := get(t, l, "ferried").Status.Address, get(t, l, "ferried").Status.Certificate.Serial
	move := func(mode v1alpha1.IngressMode) v1alpha1.TenantStatus {
		t.Helper()
		changeSpec(t, l, "ferried", func(spec *v1alpha1.TenantSpec) { spec.WazuhIngress.Mode = mode })
		endsSoon(t, "a session by the former way in", session)
		becomesReady(t, l, "ferried")
		return get(t, l, "ferried").Status
	}

	there := move(v1alpha1.ModeEdgeHAProxy)
	if there.Address != address.String() || there.EdgePorts == nil || there.AddressChange == nil || there.AddressChange.Place() != own+", ports 1514/1515" {
		t.Fatalf("the status says %+v, and of before %+v", there, there.AddressChange)
	}
	pair := *there.EdgePorts
	reports(t, l, "ferried", v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonAddressChanged,
		"agents connect to "+address.String()+", ports "+pair.String(), "it was "+own+", ports 1514/1515", "each needs the new ones in its configuration")
	raised(t, l, "ferried", v1alpha1.ReasonAddressChanged, fmt.Sprintf("%s, ports %s instead of %s, ports 1514/1515", address, there.PortSummary, own))
	nobodyListens(t, net.JoinHostPort(own, "1514"))
	session = connectAtEdge(t, l, "ferried", key)
	enrolledAtEdge(t, l, "ferried", "ferried-2")

	back := move(v1alpha1.ModeLoadBalancer)
	reports(t, l, "ferried", v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonAddressChanged, "it was "+address.String()+", ports "+there.PortSummary)
	gone(t, l, &v1alpha1.Route{}, types.NamespacedName{Name: "ferried"})
	if back.EdgePorts != nil || back.Certificate.Serial != serial {
		t.Errorf("the status still has a pair, %v, or another certificate", back.EdgePorts)
	}
	session = connect(t, l, "ferried", key)
	if again := move(v1alpha1.ModeEdgeHAProxy); again.EdgePorts == nil || *again.EdgePorts != pair {
		t.Errorf("the pair was %s, and is %v the next time", pair.String(), again.EdgePorts)
	}
	if err := neighbour.KeepAlive(t.Context()); err != nil {
		t.Errorf("the neighbour noticed: %v", err)
	}
}

func enrolledAtEdge(t *testing.T, l *lab.Lab, slug, name string) wazuh.Key {
	t.Helper()
	key, err := enrollAtEdge(t, l, slug, name, enrollmentSecret(t, l, slug))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Who may have which pair, line by line, through API objects and the operator; no edge
// need run for it.
func TestWhoHasWhichPair(t *testing.T) {
	t.Parallel()
	l := installation(t)
	edgeRegion(t, l, "locks", v1alpha1.EdgeSpec{
		Addresses: []string{"198.51.100.77"}, Ports: v1alpha1.PortRange{First: 20000, Last: 20005},
	}, time.Hour)
	at := func(slug string, pinned *v1alpha1.EdgePorts) {
		t.Helper()
		create(t, l, slug, v1alpha1.TenantSpec{Region: "locks", WazuhIngress: v1alpha1.WazuhIngress{EdgePorts: pinned}})
	}
	has := func(slug string, events int32) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s has %d/%d", slug, events, events+1), func(ctx context.Context) (bool, error) {
			var tenant v1alpha1.Tenant
			err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant)
			held := tenant.Status.EdgePorts
			if err == nil && held != nil && (held.Events != events || held.Enrollment != events+1) {
				return false, fmt.Errorf("it has %s", held.String())
			}
			return held != nil, err
		})
		// Both ports are its own, or none.
		for port := events; port <= events+1; port++ {
			var claim v1alpha1.Claim
			if err := l.Client.Get(t.Context(), types.NamespacedName{Name: naming.PortClaim("locks", port)}, &claim); err != nil || claim.Spec.Tenant != slug {
				t.Errorf("the claim on port %d is %+v (%v), want it to be %s's", port, claim.Spec, err, slug)
			}
		}
	}
	pair := func(events int32) *v1alpha1.EdgePorts {
		return &v1alpha1.EdgePorts{Events: events, Enrollment: events + 1}
	}
	// The lowest free pair first, a pinned one as it is pinned.
	at("locks-a", nil)
	has("locks-a", 20000)
	at("locks-pinned", pair(20004))
	has("locks-pinned", 20004)
	at("locks-b", nil)
	has("locks-b", 20002)
	// Outside the range, and somebody else's: told, and nothing is taken.
	at("locks-outside", pair(20006))
	reports(t, l, "locks-outside", v1alpha1.ConditionStalled, v1alpha1.ReasonPortOutOfRange, "20006", "20000-20005")
	at("locks-greedy", pair(20002))
	reports(t, l, "locks-greedy", v1alpha1.ConditionStalled, v1alpha1.ReasonPortTaken, `"locks-b"`)
	at("locks-split", &v1alpha1.EdgePorts{Events: 20001, Enrollment: 20004})
	reports(t, l, "locks-split", v1alpha1.ConditionStalled, v1alpha1.ReasonPortTaken, "20001")
	// Exhaustion is a condition that waits, with numbers.
	at("locks-late", nil)
	reports(t, l, "locks-late", v1alpha1.ConditionReconciling, v1alpha1.ReasonPortsExhausted, "all 3 pairs of 20000-20005", "0 of them resting")
	// A released pair rests: nobody gets it, and the message says so.
	if err := l.Client.Delete(t.Context(), get(t, l, "locks-a")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "locks-a"})
	reports(t, l, "locks-late", v1alpha1.ConditionReconciling, v1alpha1.ReasonPortsExhausted, "1 of them resting")
	// Its former tenant may have it back, also under a new UID.
	at("locks-a", nil)
	has("locks-a", 20000)
	// A held pair does not move when a lower one is free, nor when the range grows below it.
	for _, claim := range []int32{20002, 20003} {
		if err := l.Client.Get(t.Context(), types.NamespacedName{Name: naming.PortClaim("locks", claim)}, &v1alpha1.Claim{}); err != nil {
			t.Fatal(err)
		}
	}
	var region v1alpha1.Region
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "locks"}, &region); err != nil {
		t.Fatal(err)
	}
	change(t, l, &region, func() { region.Spec.Edge.Ports = v1alpha1.PortRange{First: 19998, Last: 20005} })
	has("locks-late", 19998) // it waited, and goes on by itself
	has("locks-a", 20000)
	has("locks-b", 20002)
	has("locks-pinned", 20004)
}

// A backup is restored: the Tenant comes back under a new UID and without its status,
// after a newcomer that asks for a pair too. It has what it had, and the agents that
// were connected all the while notice nothing.
func TestARestoredTenantKeepsItsPair(t *testing.T) {
	l := installation(t)
	spec := l.EdgeSpec()
	atEdgeOf(t, l, "dock", spec)
	for _, slug := range []string{"dock-restored", "dock-newcomer"} {
		leaves(t, l, slug)
	}
	apply(t, l, "{apiVersion: ingress.soctalk.io/v1alpha1, kind: Tenant, metadata: {name: dock-restored}, spec: {region: dock}}")
	becomesReady(t, l, "dock-restored")
	session := connectAtEdge(t, l, "dock-restored", enrolledAtEdge(t, l, "dock-restored", "dock-web-01"))
	before := get(t, l, "dock-restored")
	secret := enrollmentSecret(t, l, "dock-restored")
	var route v1alpha1.Route
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "dock-restored"}, &route); err != nil {
		t.Fatal(err)
	}
	// The Tenant is lost, as when the kind was deleted by mistake: without any offboarding.
	if err := l.StopOperator(); err != nil {
		t.Fatal(err)
	}
	lost := before.DeepCopy()
	change(t, l, lost, func() { lost.Finalizers = nil })
	if err := l.Client.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	apply(t, l, strings.Join([]string{
		"{apiVersion: ingress.soctalk.io/v1alpha1, kind: Tenant, metadata: {name: dock-newcomer}, spec: {region: dock}}",
		"{apiVersion: ingress.soctalk.io/v1alpha1, kind: Tenant, metadata: {name: dock-restored}, spec: {region: dock}}",
	}, "\n---\n"))
	if err := l.StartOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomesReady(t, l, "dock-restored")
	becomesReady(t, l, "dock-newcomer")
	after := get(t, l, "dock-restored")
	if after.UID == before.UID || *after.Status.EdgePorts != *before.Status.EdgePorts || after.Status.Hostname != before.Status.Hostname {
		t.Errorf("before: %s, ports %s; restored: %s, ports %s", before.UID, before.Status.EdgePorts.String(), after.UID, after.Status.EdgePorts.String())
	}
	if *get(t, l, "dock-newcomer").Status.EdgePorts == *before.Status.EdgePorts {
		t.Error("the newcomer has the pair")
	}
	var kept v1alpha1.Route
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: "dock-restored"}, &kept); err != nil || kept.UID != route.UID || kept.Spec.Slot != route.Spec.Slot {
		t.Errorf("the route was slot %d, and is %+v (%v)", route.Spec.Slot, kept.Spec, err)
	}
	if !enrollmentSecret(t, l, "dock-restored").Equal(secret) {
		t.Error("the enrollment secret is another one")
	}
	sends(t, l, "dock-restored", session, "dock-after")
	becomes(t, l, "dock-restored", v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonOK)
}
