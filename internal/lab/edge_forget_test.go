package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// One of two edges is lost for good. Region and Tenants say so, the other edge serves on,
// and a removal waits for the lost one's word until a person gives it up, with the command
// the waiting text names. When the machine turns up again all the same, it ends what was
// removed meanwhile and is an edge like any other.
func TestAnEdgeIsGivenUp(t *testing.T) {
	t.Parallel()
	l := installation(t)
	ports := v1alpha1.PortRange{First: 15140, Last: 15149}
	addresses := []string{l.EdgeAddress().String(), l.EdgeAddress().String()}
	edgeRegion(t, l, "quay", v1alpha1.EdgeSpec{Addresses: addresses, Ports: ports}, 0)
	edgeMachine(t, l, "quay-1", "quay", netip.MustParseAddr(addresses[0]), ports)
	lost := edgeMachine(t, l, "quay-2", "quay", netip.MustParseAddr(addresses[1]), ports, "--lease-duration", "3s")
	for _, slug := range []string{"quay-stays", "quay-goes"} {
		create(t, l, slug, v1alpha1.TenantSpec{Region: "quay"})
		leaves(t, l, slug)
	}
	for _, slug := range []string{"quay-stays", "quay-goes"} {
		becomesReady(t, l, slug)
		reports(t, l, slug, v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonOK, "carried by quay-1, quay-2")
	}
	key, err := enrollFrom(t, l, "quay-stays", addresses[0], "127.3.11.1", "quay-web-01", enrollmentSecret(t, l, "quay-stays"))
	if err != nil {
		t.Fatal(err)
	}
	session := connectFrom(t, l, "quay-stays", addresses[0], "127.3.11.1", key)
	door := fmt.Sprintf("%s:%d", addresses[1], get(t, l, "quay-goes").Status.EdgePorts.Events)
	if code, _, said := run(t, l, "edge", "forget", "quay-1", "--why", "by mistake", "--yes"); code != 4 || !strings.Contains(said, `edge "quay-1" of Region "quay" lives`) {
		t.Errorf("an edge that lives: exit %d, %s", code, said)
	}
	tellWhereTheyComeFrom(t, l)

	lost.die(t)
	saysOfRegion(t, l, "quay", "nothing is heard of quay-2 since ", "soctalk-ingress edge forget quay-2 --region quay")
	reports(t, l, "quay-stays", v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonOK, "carried by quay-1", "nothing is heard of quay-2 since ")
	sends(t, l, "quay-stays", session, "quay-meanwhile")
	succeed(t, l, "tenant", "offboard", "quay-goes", "--why", "moved away", "--yes")
	reports(t, l, "quay-goes", v1alpha1.ConditionReady, v1alpha1.ReasonOffboarding, "edge quay-2 did not say that it has cut the sessions")

	uid := string(get(t, l, "quay-goes").UID)
	told := meta.FindStatusCondition(get(t, l, "quay-goes").Status.Conditions, v1alpha1.ConditionReady).Message
	command := regexp.MustCompile(`soctalk-ingress (edge forget \S+ --region \w+)`).FindStringSubmatch(told)
	if command == nil {
		t.Fatalf("the waiting text names no command: %s", told)
	}
	var answer struct {
		Tenants   []string
		Forgotten bool
	}
	out := succeed(t, l, append(strings.Fields(command[1]), "--why", "ticket 4711", "--yes", "--wait", "--timeout", "60s", "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &answer); err != nil || !answer.Forgotten || fmt.Sprint(answer.Tenants) != "[quay-goes quay-stays]" {
		t.Errorf("it answered %s: %v", out, err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "quay-goes"})
	if steps := fmt.Sprint(reportOf(t, l, "quay-goes", uid).Steps); !strings.Contains(steps, "says edge quay-1; edge quay-2 said nothing and was given up at ") || !strings.Contains(steps, ": ticket 4711") {
		t.Errorf("the report's steps are %s", steps)
	}
	raised(t, l, "quay", v1alpha1.EventEdgeForgotten, "it was taken out of 2 Routes, by ")
	eventually(t, "the Region misses nobody", func(ctx context.Context) (bool, error) {
		message, err := ofRegion(ctx, l, "quay")
		return message == "tenants can use this Region", err
	})
	if carriers := carriedBy(t, l, "quay-stays"); carriers != "[quay-1] given up [quay-2]" {
		t.Errorf("the tenant that stays is carried by %s", carriers)
	}
	comesBackClean(t, l, lost, door)
}

// tellWhereTheyComeFrom asks which addresses the Region's edges have: here they share a machine.
func tellWhereTheyComeFrom(t *testing.T, l *lab.Lab) {
	t.Helper()
	here, err := edge.Origins()
	if err != nil {
		t.Fatal(err)
	}
	var told []struct {
		Region string
		Edges  []struct {
			Edge      string
			Addresses []edge.Origin
		}
	}
	if err := json.Unmarshal([]byte(succeed(t, l, "edge", "sources", "--region", "quay", "-o", "json")), &told); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Region != "quay" || len(told[0].Edges) != 2 {
		t.Fatalf("it tells of %+v", told)
	}
	for i, each := range told[0].Edges {
		if each.Edge != fmt.Sprintf("quay-%d", i+1) || !slices.Equal(each.Addresses, here) {
			t.Errorf("%s comes from %v; the machine has %v", each.Edge, each.Addresses, here)
		}
	}
}

// comesBackClean starts the edge that was given up: it has the removed tenant on its disk.
func comesBackClean(t *testing.T, l *lab.Lab, lost *machine, door string) {
	t.Helper()
	lost.begin(t)
	reports(t, l, "quay-stays", v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonOK, "carried by quay-1, quay-2")
	if carriers := carriedBy(t, l, "quay-stays"); carriers != "[quay-1 quay-2] given up []" {
		t.Errorf("the tenant that stays is carried by %s", carriers)
	}
	var lease coordinationv1.Lease
	eventually(t, "the edge has a Lease again, without a mark", func(ctx context.Context) (bool, error) {
		err := l.Client.Get(ctx, types.NamespacedName{Namespace: naming.EdgeNamespace, Name: naming.EdgeLease("quay", lost.name)}, &lease)
		return err == nil && lease.Annotations[naming.AnnotationForgetEdge] == "", client.IgnoreNotFound(err)
	})
	eventually(t, "nobody is served for the tenant that was removed", func(ctx context.Context) (bool, error) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.3.11.1")}, Timeout: time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", door)
		if err != nil {
			return true, nil
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_, err = conn.Read(make([]byte, 1)) // HAProxy hangs up on who comes to nobody's port
		timeout, ok := err.(net.Error)
		return err != nil && !(ok && timeout.Timeout()), err
	})
	if code, _, said := run(t, l, "edge", "forget", "quay-3", "--why", "ticket 4711", "--yes"); code != 3 || !strings.Contains(said, `"quay-2"`) {
		t.Errorf("an edge that never was: exit %d, %s", code, said)
	}
}

// carriedBy says which edges have an entry in the status of a tenant's Route, and which
// were given up.
func carriedBy(t *testing.T, l *lab.Lab, slug string) string {
	t.Helper()
	var route v1alpha1.Route
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: slug}, &route); err != nil {
		t.Fatal(err)
	}
	edges, given := []string{}, []string{}
	for _, edge := range route.Status.Edges {
		edges = append(edges, edge.Name)
	}
	for _, edge := range route.Status.GivenUp() {
		given = append(given, edge.Name)
	}
	return fmt.Sprintf("%v given up %v", edges, given)
}

// saysOfRegion waits until a Region's Ready says all of that.
func saysOfRegion(t *testing.T, l *lab.Lab, name string, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("Region %s says %q", name, words), func(ctx context.Context) (bool, error) {
		message, err := ofRegion(ctx, l, name)
		for _, word := range words {
			if !strings.Contains(message, word) {
				return false, errors.Join(err, fmt.Errorf("it says %s", message))
			}
		}
		return true, nil
	})
}

func ofRegion(ctx context.Context, l *lab.Lab, name string) (string, error) {
	var region v1alpha1.Region
	err := l.Client.Get(ctx, types.NamespacedName{Name: name}, &region)
	ready := meta.FindStatusCondition(region.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return "", err
	}
	return ready.Message, err
}
