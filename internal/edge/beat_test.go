package edge

import (
	"os"
	"slices"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A living edge renews its Lease with the rights the chart gives it; with them it may
// touch no Lease but those of edges, and read none.
func TestTheEdgeRenewsItsLease(t *testing.T) {
	plane, _, config := apiServer(t)
	scheme := k8sruntime.NewScheme()
	for _, add := range []func(*k8sruntime.Scheme) error{coordinationv1.AddToScheme, corev1.AddToScheme, rbacv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	admin, err := client.New(plane.Config(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../charts/soctalk-ingress/files/edge/leases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range documents(t, string(text)) {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "edge", Namespace: naming.EdgeNamespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "soctalk-ingress-edge"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "edge"}},
	}); err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.stop()
	s.beginWith(config)
	key := client.ObjectKey{Namespace: naming.EdgeNamespace, Name: "eu.edge-1"}
	var lease coordinationv1.Lease
	s.eventually("the edge has a Lease", func() bool { return admin.Get(t.Context(), key, &lease) == nil })
	if lease.Labels[naming.LabelRegion] != "eu" || *lease.Spec.HolderIdentity != "edge-1" || *lease.Spec.LeaseDurationSeconds != 60 {
		t.Errorf("the Lease says %+v, labels %v", lease.Spec, lease.Labels)
	}
	here, err := Origins()
	if err != nil {
		t.Fatal(err)
	}
	if told, err := ReadOrigins(lease.Annotations[naming.AnnotationEdgeOrigins]); err != nil || !slices.Equal(told, here) {
		t.Errorf("the Lease says that the machine has %v, and it has %v: %v", told, here, err)
	}
	s.eventually("the status has it", func() bool { beat := s.edge.Status().Heartbeat; return beat != nil && !beat.Renewed.IsZero() })
	first := *lease.Spec.RenewTime
	source := s.custom.(*KubernetesSource)
	if err := source.Beat(t.Context(), Pulse{Edge: "edge-1", Lasts: beatLasts}); err != nil {
		t.Fatal(err)
	}
	if err := admin.Get(t.Context(), key, &lease); err != nil || !first.Before(lease.Spec.RenewTime) {
		t.Errorf("renewed at %v after %v: %v", lease.Spec.RenewTime, first, err)
	}
	foreign := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "soctalk-ingress", Namespace: "default"}}
	if err := source.client.Create(t.Context(), foreign.DeepCopy()); !apierrors.IsForbidden(err) {
		t.Errorf("an edge may make Leases elsewhere: %v", err)
	}
	if err := source.client.Get(t.Context(), key, &lease); !apierrors.IsForbidden(err) {
		t.Errorf("an edge may read Leases: %v", err)
	}
	s.stop()
}
