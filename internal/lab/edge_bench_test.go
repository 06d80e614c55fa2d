package lab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// The last part of `make bench-edge`: from `kubectl apply` of a Tenant to the
// edge saying that it carries it, through the real API server, operator and
// HAProxy, at an edge that carries thousands already. It measures and judges
// nothing.
func TestBenchApplyToRouted(t *testing.T) {
	out := os.Getenv("SOCTALK_BENCH_EDGE")
	if out == "" {
		t.Skip("make bench-edge runs this")
	}
	const carried, applied = 4900, 20
	l := installation(t)
	spec := l.EdgeSpec()
	spec.Ports = v1alpha1.PortRange{First: 15140, Last: 25139}
	region := atEdgeOf(t, l, "harbour", spec)
	fill(t, l, region, spec, carried)
	var took []float64
	clock, begins := startClock(t, l, spec.Addresses[0]), map[string]time.Time{}
	for n := range applied {
		slug := fmt.Sprintf("quay-%d", n)
		begin := time.Now()
		begins[slug] = begin
		apply(t, l, fmt.Sprintf("{apiVersion: ingress.soctalk.io/v1alpha1, kind: Tenant, metadata: {name: %s}, spec: {region: %s}}", slug, region))
		returned := time.Since(begin)
		for deadline := begin.Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
			_, wired := clock.seen(slug, "wire")
			if _, reported := clock.seen(slug, "reported"); wired && reported {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s is not routed after two minutes", slug)
			}
		}
		on, _ := clock.seen(slug, "wire")
		took = append(took, float64(on.Sub(begin).Microseconds())/1000)
		t.Logf("%s: kubectl returned after %s, routed after %.0f ms", slug, returned.Round(time.Millisecond), took[n])
	}
	slices.Sort(took)
	shares, report := clock.shares(begins)
	figures := map[string]any{"tenants": carried, "applied": applied, "p50Ms": took[applied/2], "longestMs": took[applied-1], "sharesMs": shares}
	fmt.Printf("kubectl apply to the wire, at an edge with %d tenants: p50 %.0f ms, longest of %d %.0f ms\n%s", carried, took[applied/2], applied, took[applied-1], report)
	all := map[string]any{}
	if text, err := os.ReadFile(out); err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
	}
	all["applyToRouted"] = figures
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fill writes Routes of tenants that nobody manages, behind the ports and slots
// the operator gives out first, and waits until the edge carries them.
func fill(t *testing.T, l *lab.Lab, region string, spec *v1alpha1.EdgeSpec, count int) {
	t.Helper()
	const room = 50
	var writers sync.WaitGroup
	for worker := range 8 {
		writers.Go(func() {
			for n := worker; n < count; n += 8 {
				slot := int32(room + n)
				to := v1alpha1.RouteTarget{IP: "127.10.0.1", Port: 1514}
				route := &v1alpha1.Route{
					ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("filler-%d", n), Labels: map[string]string{naming.LabelRegion: region}},
					Spec: v1alpha1.RouteSpec{Region: region, Slot: slot, Ports: []v1alpha1.RoutePort{
						{Name: naming.PortEvents, Port: spec.Ports.First + 2*slot, Target: to}, {Name: naming.PortEnrollment, Port: spec.Ports.First + 2*slot + 1, Target: to},
					}},
				}
				if err := l.Client.Create(t.Context(), route); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	last := fmt.Sprintf("filler-%d", count-1)
	for deadline := time.Now().Add(10 * time.Minute); !routed(t, l, last) || !routed(t, l, "filler-0"); time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatal("the edge does not get to the end of the routes")
		}
	}
}

// apply is kubectl's.
func apply(t *testing.T, l *lab.Lab, manifest string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), l.Plane.Binary(), "kubectl", "--kubeconfig", l.Plane.Kubeconfig(), "apply", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, text)
	}
}

// routed is true once an edge carries the tenant's route as it is.
func routed(t *testing.T, l *lab.Lab, slug string) bool {
	t.Helper()
	var route v1alpha1.Route
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: slug}, &route); err != nil {
		return false
	}
	carried, _ := route.CarriedBy()
	return len(carried) > 0
}
