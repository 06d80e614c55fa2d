package edge

import (
	"fmt"
	"net"
	"reflect"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/haproxies"
)

// Two edges of a Region, each with a HAProxy of another release on an address of its
// own, carry the same. One dies, and costs the connections it had and no other; the Region
// changes meanwhile; it comes back and has what the other has.
func TestTwoEdgesOfARegion(t *testing.T) {
	const tenants = 20
	_, admin, config := apiServer(t)
	manager := newEcho(t, "127.10.0.1", "m")
	haproxies.Need(t)
	releases := haproxies.All(t) // one edge has the oldest, the other the newest
	var sites [2]*site
	for i := range sites {
		s := newSite(t, func(o *Options) {
			o.Name, o.Program = fmt.Sprintf("edge-%d", i+1), releases[i*(len(releases)-1)].Path
		})
		s.stop()
		s.beginWith(config)
		sites[i] = s
	}
	one, two := sites[0], sites[1]
	slug := func(n int) string { return fmt.Sprintf("t%d", n) }
	one.eventually("the kind is known", func() bool { return admin.Create(t.Context(), routeObject(slug(0), "eu", 0, manager.address())) == nil })
	for n := 1; n < tenants; n++ {
		if err := admin.Create(t.Context(), routeObject(slug(n), "eu", n, manager.address())); err != nil {
			t.Fatal(err)
		}
	}
	one.eventually("both say that they carry every route", func() bool { return carriers(t, admin) == 2*tenants })
	held := map[*site][]net.Conn{}
	for _, s := range sites {
		for n := range tenants {
			conn, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001"))
			if err != nil || answer == "" {
				t.Fatalf("%s does not serve tenant %d: %v", s.options.Name, n, err)
			}
			held[s] = append(held[s], conn)
		}
	}
	before := one.worker()
	two.die()
	for n, conn := range held[two] {
		if !ended(t, conn) {
			t.Errorf("tenant %d: the session outlives its edge", n)
		}
		if _, answer, err := talk(t, "127.0.0.1", one.port(n, 0), frame("001")); err != nil || answer == "" {
			t.Errorf("tenant %d: its agent finds no service at the other edge: %v", n, err)
		}
	}
	// Meanwhile five tenants go, five are suspended, five come.
	for n := range 5 {
		if err := admin.Delete(t.Context(), routeObject(slug(n), "eu", n, manager.address())); err != nil {
			t.Fatal(err)
		}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"suspended":true}}`))
		if err := admin.Patch(t.Context(), routeObject(slug(5+n), "eu", 5+n, manager.address()), patch); err != nil {
			t.Fatal(err)
		}
		if err := admin.Create(t.Context(), routeObject(slug(tenants+n), "eu", tenants+n, manager.address())); err != nil {
			t.Fatal(err)
		}
	}
	one.eventually("the living edge carries it, and the other one's word is of before", func() bool { return carriers(t, admin) == tenants+10 })
	two.beginWith(config)
	two.eventually("the dead edge is back and has caught up", func() bool { return carriers(t, admin) == 2*tenants })
	one.exact()
	two.exact()
	if a, b := one.tables(), two.tables(); !reflect.DeepEqual(a.routes, b.routes) {
		t.Errorf("the edges differ: %+v and %+v", a, b)
	}
	if got := two.tables().routes; len(got) != 2*tenants {
		t.Errorf("%d ports are routed, want %d", len(got), 2*tenants)
	}
	for n := 10; n < tenants; n++ {
		if !answers(t, held[one][n]) {
			t.Errorf("tenant %d lost its session at the edge that lived", n)
		}
	}
	if one.worker() != before {
		t.Error("the living edge's haproxy was restarted")
	}
}

// beginWith runs the edge with routes of the API server.
func (s *site) beginWith(config *rest.Config) {
	s.Helper()
	source, err := NewKubernetesSource(config, "eu")
	if err != nil {
		s.Fatal(err)
	}
	s.custom = source
	s.begin()
}

// carriers counts, over all routes, the edges that carry them as they are now.
func carriers(t *testing.T, admin client.Client) int {
	t.Helper()
	var routes v1alpha1.RouteList
	if err := admin.List(t.Context(), &routes); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, route := range routes.Items {
		ready, _ := route.CarriedBy()
		total += len(ready)
	}
	return total
}

// tables are what HAProxy has.
func (s *site) tables() tables {
	s.Helper()
	have, doubled, err := s.edge.runtime.read(s.Context(), s.edge.config)
	if err != nil || doubled {
		s.Fatalf("read tables: %v, doubled %v", err, doubled)
	}
	return have
}

// die ends the edge and its HAProxy at once, as a machine that loses power does.
func (s *site) die() {
	s.Helper()
	s.stop()
	s.killHAProxy()
	s.eventually("haproxy is gone", func() bool { return !s.edge.process.alive() })
}
