package plan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Over any history of tenants that come, go, lose their status and pin ports: no
// port has two holders, nobody gets half a pair, and nobody is moved.
func TestPortsOverAnyHistory(t *testing.T) {
	region := v1alpha1.Region{
		ObjectMeta: metav1.ObjectMeta{Name: "eu"},
		Spec: v1alpha1.RegionSpec{Domain: "soc.example.com", Default: true, DefaultMode: v1alpha1.ModeEdgeHAProxy,
			Edge: &v1alpha1.EdgeSpec{Addresses: []string{"198.51.100.10"}, Ports: v1alpha1.PortRange{First: 15140, Last: 15147}}},
	}
	rapid.Check(t, func(t *rapid.T) {
		claims := map[string]Holder{}
		tenants := map[string]*v1alpha1.Tenant{}
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			slug := fmt.Sprintf("t%d", rapid.IntRange(0, 6).Draw(t, "tenant"))
			tenant := tenants[slug]
			switch action := rapid.SampledFrom([]string{"come", "go", "lose status", "pin", "to Wazuh 5"}).Draw(t, "action"); {
			case action == "go":
				delete(tenants, slug)
				release(claims, slug, nil)
				continue
			case tenant == nil:
				tenant = &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: slug}}
				tenants[slug] = tenant
			case action == "lose status":
				tenant.Status = v1alpha1.TenantStatus{}
			case action == "to Wazuh 5":
				tenant.Spec.Manager.Deploy = &v1alpha1.ManagerDeploy{Version: "5.0.0"}
				tenant.Spec.WazuhIngress.Wazuh5Agents = v1alpha1.Wazuh5Unguarded
			case action == "pin":
				first := rapid.Int32Range(15139, 15147).Draw(t, "pin")
				tenant.Spec.WazuhIngress.EdgePorts = &v1alpha1.EdgePorts{Events: first, Enrollment: first + 1}
			}
			before, third := heldPair(claims, slug), tenant.Status.EdgePorts
			pinned := tenant.Spec.WazuhIngress.EdgePorts
			desired, err := Tenant(Input{Tenant: *tenant, Regions: []v1alpha1.Region{region}, Observed: Observed{Claims: claims}})
			var problem *Problem
			if errors.As(err, &problem) {
				continue // nothing may have changed, which the invariants below check
			}
			if err != nil {
				t.Fatalf("an error that is no problem: %v", err)
			}
			for _, claim := range desired.Claims {
				if holder := claims[claim.Name]; holder.Tenant != "" && holder.Tenant != slug {
					t.Fatalf("%s was given %s, which %s holds", slug, claim.Name, holder)
				}
				claims[claim.Name] = Holder{Tenant: slug}
			}
			release(claims, slug, desired.Claims)
			tenant.Status.EdgePorts, tenant.Status.Region = desired.Placement.EdgePorts, "eu"
			got := *desired.Placement.EdgePorts
			if before != nil && pinned == nil && (got.Events != before.Events || got.Enrollment != before.Enrollment) {
				t.Fatalf("%s was moved from %v to %v", slug, *before, got)
			}
			if third != nil && third.HTTPS != 0 && pinned == nil && got.HTTPS != third.HTTPS {
				t.Fatalf("%s was moved from %v to %v", slug, third, got)
			}
			if five := tenant.Spec.Manager.Deploy != nil; (got.HTTPS != 0) != five && third == nil {
				t.Fatalf("%s has %v; Wazuh 5 is %v", slug, got, five)
			}
		}
		ports := map[string]int{}
		for name, holder := range claims {
			if strings.HasPrefix(name, "port.") {
				ports[holder.Tenant]++
			}
		}
		for slug, count := range ports {
			want := 2
			if tenant := tenants[slug]; tenant.Status.EdgePorts != nil && tenant.Status.EdgePorts.HTTPS != 0 {
				want = 3
			}
			if count != want && tenants[slug].Status.EdgePorts != nil {
				t.Fatalf("%s holds %d ports, want %d: %v", slug, count, want, claims)
			}
		}
	})
}

func release(claims map[string]Holder, slug string, keep []Claim) {
	kept := map[string]bool{}
	for _, claim := range keep {
		kept[claim.Name] = true
	}
	for name, holder := range claims {
		if holder.Tenant == slug && !kept[name] {
			delete(claims, name)
		}
	}
}

// heldPair is the pair of a tenant that holds one of the range's own pairs.
func heldPair(claims map[string]Holder, slug string) *v1alpha1.EdgePorts {
	for port := int32(15140); port < 15147; port += 2 {
		pair := v1alpha1.EdgePorts{Events: port, Enrollment: port + 1}
		if claims[fmt.Sprintf("port.eu.%d", pair.Events)].Tenant == slug && claims[fmt.Sprintf("port.eu.%d", pair.Enrollment)].Tenant == slug {
			return &pair
		}
	}
	return nil
}
