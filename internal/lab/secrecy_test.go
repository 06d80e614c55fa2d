package lab_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A tenant's secrets are looked for in every place they must not be: the
// operator's log, the API server's audit log, events, statuses, every object but
// the Secrets themselves, and the arguments of every process.
func TestSecretsStayInSecrets(t *testing.T) {
	l := installation(t)
	create(t, l, "discreet", v1alpha1.TenantSpec{})
	becomesReady(t, l, "discreet")
	if _, err := enroll(t, l, "discreet", "discreet-web-01", enrollmentSecret(t, l, "discreet")); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := run(t, l, "agents", "list", "discreet"); code != 0 {
		t.Fatal(talk)
	}
	needles := map[string]string{
		"the enrollment secret": enrollmentSecret(t, l, "discreet").Reveal(),
		"the API password":      string(key(t, l, "discreet", naming.SecretAPI, naming.KeyAPIPassword)),
		"the private key":       strings.Split(string(key(t, l, "discreet", naming.SecretTLS, naming.KeyTLSKey)), "\n")[1],
	}
	places := map[string][]byte{}
	for _, file := range []string{l.OperatorLog(), l.Plane.AuditLog(), filepath.Join(l.Dir(), "standin.log")} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		places[file] = text
	}
	for name, text := range objectsIn(t, l.Client, naming.Namespace("discreet")) {
		places[name] = text
	}
	for name, text := range arguments(t) {
		places[name] = text
	}
	if len(places) < 20 {
		t.Fatalf("only %d places were searched", len(places))
	}
	for place, text := range places {
		for what, needle := range needles {
			if len(needle) < 20 {
				t.Fatalf("%s has only %d characters", what, len(needle))
			}
			if bytes.Contains(text, []byte(needle)) {
				t.Errorf("%s stands in %s", what, place)
			}
		}
	}
}

// objectsIn returns every object of a tenant but its Secrets, as JSON.
func objectsIn(t *testing.T, c client.Client, namespace string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	keep := func(kind string, object runtime.Object) {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		text, err := (&unstructured.Unstructured{Object: content}).MarshalJSON()
		if err != nil && !strings.Contains(err.Error(), "kind") {
			t.Fatal(err)
		}
		found[kind] = text
	}
	for _, gvk := range chart.Kinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk)
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			continue // a kind this cluster does not have
		}
		for i := range list.Items {
			keep(gvk.Kind+"/"+list.Items[i].GetName(), &list.Items[i])
		}
	}
	var pods corev1.PodList
	var events eventsv1.EventList
	var tenant v1alpha1.Tenant
	for _, read := range []error{
		c.List(t.Context(), &pods, client.InNamespace(namespace)),
		c.List(t.Context(), &events),
		c.Get(t.Context(), types.NamespacedName{Name: strings.TrimPrefix(namespace, "tenant-")}, &tenant),
	} {
		if read != nil {
			t.Fatal(read)
		}
	}
	for i := range pods.Items {
		keep("Pod/"+pods.Items[i].Name, &pods.Items[i])
	}
	for i := range events.Items {
		keep("Event/"+events.Items[i].Name, &events.Items[i])
	}
	keep("Tenant", &tenant)
	return found
}

// arguments returns the command line of every process of this machine.
func arguments(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	files, err := fs.Glob(os.DirFS("/proc"), "[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join("/proc", file))
		if err == nil {
			found["/proc/"+file] = text
		}
	}
	return found
}

// An attached manager is somebody else's: the operator gives it a way in, counts
// its agents and deploys nothing.
func TestAttachToAManagerThatIsThere(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "lender", v1alpha1.TenantSpec{})
	becomesReady(t, l, "lender")
	// The lender's own pods serve as the manager that is there: their namespace is
	// handed from a deployed to an attached manager without touching the pods.
	changeSpec(t, l, "lender", func(spec *v1alpha1.TenantSpec) {
		spec.Manager.Attach = &v1alpha1.ManagerAttach{
			Selector:             map[string]string{naming.LabelName: "nobody"},
			APICredentialsSecret: naming.SecretAPI, APICASecret: naming.SecretAPITLS,
		}
	})
	told := becomes(t, l, "lender", v1alpha1.ConditionManagerReachable, metav1.ConditionFalse, v1alpha1.ReasonManagerNotFound)
	if !strings.Contains(told.Message, naming.LabelName+"=nobody") {
		t.Errorf("the message does not name the labels: %s", told.Message)
	}
	gone(t, l, newStatefulSet(), types.NamespacedName{Namespace: naming.Namespace("lender"), Name: naming.Manager})
	by := ownManager(t, l.Client, "lender")
	changeSpec(t, l, "lender", func(spec *v1alpha1.TenantSpec) { spec.Manager.Attach.Selector = by })
	becomesReady(t, l, "lender")
	if _, err := enroll(t, l, "lender", "lender-web-01", enrollmentSecret(t, l, "lender")); err != nil {
		t.Error(err)
	}
	eventually(t, "the attached manager's agent is counted", func(ctx context.Context) (bool, error) {
		var now v1alpha1.Tenant
		err := l.Client.Get(ctx, types.NamespacedName{Name: "lender"}, &now)
		return err == nil && now.Status.Agents != nil && now.Status.Agents.Total == 1, err
	})
}
