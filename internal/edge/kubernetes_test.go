package edge

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// apiServer is a real one that knows Routes, and an edge's rights in it.
func apiServer(t *testing.T) (plane *controlplane.ControlPlane, admin client.Client, edgeConfig *rest.Config) {
	t.Helper()
	plane, err := controlplane.Start(t.Context(), controlplane.Options{Binary: controlplanetest.Binary(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plane.Stop)
	scheme := k8sruntime.NewScheme()
	for _, add := range []func(*k8sruntime.Scheme) error{v1alpha1.AddToScheme, apiextensions.AddToScheme, rbacv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	if admin, err = client.New(plane.Config(), client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../charts/soctalk-ingress/crds-source/ingress.soctalk.io_routes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kind := &apiextensions.CustomResourceDefinition{}
	if err := yaml.Unmarshal(text, kind); err != nil {
		t.Fatal(err)
	}
	rights := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "edge"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"ingress.soctalk.io"}, Resources: []string{"routes"}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{"ingress.soctalk.io"}, Resources: []string{"routes/status"}, Verbs: []string{"patch"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "edge"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "edge"}},
	}
	for _, object := range []client.Object{kind, rights, binding} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	edgeConfig = plane.Config()
	edgeConfig.Impersonate = rest.ImpersonationConfig{UserName: "edge"}
	return plane, admin, edgeConfig
}

func routeObject(slug, region string, n int, target string) *v1alpha1.Route {
	address := netip.MustParseAddrPort(target)
	to := v1alpha1.RouteTarget{IP: address.Addr().String(), Port: int32(address.Port())}
	return &v1alpha1.Route{
		ObjectMeta: metav1.ObjectMeta{Name: slug, Labels: map[string]string{naming.LabelRegion: region}},
		Spec: v1alpha1.RouteSpec{Region: region, Slot: int32(n), Ports: []v1alpha1.RoutePort{
			{Name: haproxy.PortEvents, Port: int32(firstPort + 2*n), Target: to},
			{Name: haproxy.PortEnrollment, Port: int32(firstPort + 2*n + 1), Target: to},
		}},
	}
}

// Routes of the API server, with an edge's rights and no more; and what happens when it goes.
func TestRoutesOfTheAPIServer(t *testing.T) {
	plane, admin, config := apiServer(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s := newSite(t, func(o *Options) { o.Metrics = "" })
	s.stop()
	source, err := NewKubernetesSource(config, "eu")
	if err != nil {
		t.Fatal(err)
	}
	s.custom = source
	s.begin()
	serves := func(n int) bool {
		_, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001"))
		return err == nil && answer != ""
	}
	acme, other := routeObject("acme", "eu", 0, manager.address()), routeObject("other", "us", 1, manager.address())
	loop := routeObject("loop", "eu", 2, net.JoinHostPort(s.address, "15150"))
	s.eventually("the kind is known", func() bool { return admin.Create(t.Context(), acme.DeepCopy()) == nil })
	for _, route := range []*v1alpha1.Route{other, loop} {
		if err := admin.Create(t.Context(), route); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("the route is served", func() bool { return serves(0) })
	if serves(1) || serves(2) {
		t.Error("a route of another Region, or one that loops, is served")
	}
	s.eventually("the edge says so", func() bool {
		var route, wrong v1alpha1.Route
		if admin.Get(t.Context(), client.ObjectKey{Name: "acme"}, &route) != nil || admin.Get(t.Context(), client.ObjectKey{Name: "loop"}, &wrong) != nil {
			return false
		}
		ready, _ := route.CarriedBy()
		_, behind := wrong.CarriedBy()
		return len(ready) == 1 && ready[0].Name == "edge-1" && len(behind) == 1 && strings.Contains(behind[0].Message, "the edge itself")
	})
	half := routeObject("half", "eu", 3, manager.address())
	half.Spec.Ports = half.Spec.Ports[:1]
	if err := admin.Create(t.Context(), half); err == nil {
		t.Error("the API server accepts a route with one port")
	}
	plane.Stop()
	if !serves(0) {
		t.Error("the API server went, and the tenant with it")
	}
	s.stop()
	if s.custom, err = NewKubernetesSource(config, "eu"); err != nil {
		t.Fatal(err)
	}
	s.begin()
	if !serves(0) {
		t.Error("an edge that starts without the API server does not serve what is on disk")
	}
}
