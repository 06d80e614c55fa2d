package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// What one object shows to be wrong, the API server itself refuses, naming field
// and remedy.
func TestTheSchemaRefusesNonsense(t *testing.T) {
	l := installation(t)
	ingress := func(in v1alpha1.WazuhIngress) v1alpha1.TenantSpec { return v1alpha1.TenantSpec{WazuhIngress: in} }
	for name, c := range map[string]struct {
		slug string
		spec v1alpha1.TenantSpec
		want []string
	}{
		"a slug with a dot":        {"acme.eu", v1alpha1.TenantSpec{}, []string{"metadata.name", "one DNS label", "acme-gmbh"}},
		"a slug that is too long":  {strings.Repeat("a", 57), v1alpha1.TenantSpec{}, []string{"56 characters", "displayName"}},
		"an unknown mode":          {"bad", ingress(v1alpha1.WazuhIngress{Mode: "sni"}), []string{"wazuhIngress.mode", `"sni"`, `"edge-haproxy"`}},
		"a network that is none":   {"bad", ingress(v1alpha1.WazuhIngress{AllowedCIDRs: []string{"10.0.0.0/40"}}), []string{"allowedCIDRs", "CIDR form"}},
		"edge ports without mode":  {"bad", ingress(v1alpha1.WazuhIngress{Mode: v1alpha1.ModeLoadBalancer, EdgePorts: &v1alpha1.EdgePorts{Events: 15140, Enrollment: 15141}}), []string{"edgePorts belongs to mode edge-haproxy"}},
		"a pair of one port":       {"bad", ingress(v1alpha1.WazuhIngress{Mode: v1alpha1.ModeEdgeHAProxy, EdgePorts: &v1alpha1.EdgePorts{Events: 15140, Enrollment: 15140}}), []string{"two different ports"}},
		"a port beyond all ports":  {"bad", ingress(v1alpha1.WazuhIngress{Mode: v1alpha1.ModeEdgeHAProxy, EdgePorts: &v1alpha1.EdgePorts{Events: 70000, Enrollment: 15141}}), []string{"edgePorts.events", "65535"}},
		"a hostname that is none":  {"bad", ingress(v1alpha1.WazuhIngress{Hostname: "Acme_1"}), []string{"wazuhIngress.hostname"}},
		"two kinds of manager":     {"bad", v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Deploy: &v1alpha1.ManagerDeploy{Version: "4.14.7"}, Attach: &v1alpha1.ManagerAttach{Selector: map[string]string{"a": "b"}}}}, []string{"deploy", "attach", "exclude each other"}},
		"a version that is none":   {"bad", v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Deploy: &v1alpha1.ManagerDeploy{Version: "latest"}}}, []string{"manager.deploy.version"}},
		"attach without any label": {"bad", v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Attach: &v1alpha1.ManagerAttach{Selector: map[string]string{}}}}, []string{"manager.attach.selector"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := l.Client.Create(t.Context(), &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: c.slug}, Spec: c.spec}, client.DryRunAll)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("not refused as invalid: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the message does not say %q: %v", want, err)
				}
			}
		})
	}
}

// What takes more than one object to see, the operator tells in the conditions.
func TestTheOperatorTellsWhatTheSchemaCannot(t *testing.T) {
	l := installation(t)
	create(t, l, "elsewhere", v1alpha1.TenantSpec{Region: "mars"})
	told := becomes(t, l, "elsewhere", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonRegionNotFound)
	for _, want := range []string{"spec.region", `"mars"`, "use one of main", "docs/reference/reasons.md#regionnotfound"} {
		if !strings.Contains(told.Message, want) {
			t.Errorf("the message does not say %q: %s", want, told.Message)
		}
	}
	if exists(t, l.Client, naming.Namespace("elsewhere")) {
		t.Error("a namespace was made for a tenant that has no Region")
	}
	foreign := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.Namespace("squatted")}}
	if err := l.Client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), foreign) })
	create(t, l, "squatted", v1alpha1.TenantSpec{})
	becomes(t, l, "squatted", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonNamespaceNotOurs)
}

func exists(t *testing.T, c client.Client, namespace string) bool {
	t.Helper()
	err := c.Get(t.Context(), types.NamespacedName{Name: namespace}, &corev1.Namespace{})
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

// Ten tenants claim one hostname in the same instant: one holds it, nine are
// told who. When it goes, another one takes its place.
func TestOneHostnameOneTenant(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const contested = "contested." + domain
	var waiters sync.WaitGroup
	for i := range 10 {
		waiters.Go(func() {
			create(t, l, fmt.Sprintf("claimant-%d", i), v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{Hostname: contested}})
		})
	}
	waiters.Wait()
	holder := func(ctx context.Context) (string, error) {
		var claim v1alpha1.Claim
		err := l.Client.Get(ctx, types.NamespacedName{Name: naming.HostClaim(contested)}, &claim)
		return claim.Spec.Tenant, err
	}
	var first string
	eventually(t, "the claim", func(ctx context.Context) (bool, error) {
		var err error
		first, err = holder(ctx)
		return first != "", err
	})
	becomesReady(t, l, first)
	for i := range 10 {
		slug := fmt.Sprintf("claimant-%d", i)
		if slug == first {
			continue
		}
		told := becomes(t, l, slug, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonHostnameTaken)
		if !strings.Contains(told.Message, fmt.Sprintf("belongs to tenant %q", first)) {
			t.Errorf("%s is not told the holder: %s", slug, told.Message)
		}
		if exists(t, l.Client, naming.Namespace(slug)) {
			t.Errorf("%s lost the hostname and has a namespace", slug)
		}
	}
	if err := l.Client.Delete(t.Context(), get(t, l, first)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another tenant holds the hostname", func(ctx context.Context) (bool, error) {
		next, err := holder(ctx)
		return next != "" && next != first, err
	})
}

// A wrong spec changes nothing that runs: not an object, not a connection.
func TestAWrongSpecChangesNothing(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "steady", v1alpha1.TenantSpec{})
	create(t, l, "owner", v1alpha1.TenantSpec{})
	becomesReady(t, l, "steady")
	becomesReady(t, l, "owner")
	got, err := enroll(t, l, "steady", "steady-web-01", enrollmentSecret(t, l, "steady"))
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, l, "steady", got)
	before := versions(t, l.Client, naming.Namespace("steady"))
	changeSpec(t, l, "steady", func(spec *v1alpha1.TenantSpec) { spec.WazuhIngress.Hostname = "owner." + domain })
	becomes(t, l, "steady", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonHostnameTaken)
	for name, version := range versions(t, l.Client, naming.Namespace("steady")) {
		if before[name] != version {
			t.Errorf("%s was changed", name)
		}
	}
	if err := session.KeepAlive(t.Context()); err != nil {
		t.Errorf("the agent's session did not survive: %v", err)
	}
	changeSpec(t, l, "steady", func(spec *v1alpha1.TenantSpec) { spec.WazuhIngress.Hostname = "" })
	becomesReady(t, l, "steady")
}

// What the documentation shows, the API server accepts.
func TestExamplesAreAccepted(t *testing.T) {
	l := installation(t)
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	more, err := filepath.Glob("../../examples/load-balancers/*.yaml")
	if err != nil || len(more) == 0 {
		t.Fatalf("no examples found: %v", err)
	}
	files = append(files, more...)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, object := range readObjects(t, file) {
				err := l.Client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation("Strict"))
				// Another test may have a tenant of that name; an object is judged before its name is.
				if err != nil && !apierrors.IsAlreadyExists(err) {
					t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
				}
			}
		})
	}
}

// readObjects reads a file of YAML documents.
func readObjects(t *testing.T, file string) []*unstructured.Unstructured {
	t.Helper()
	stream, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	decoder := utilyaml.NewYAMLOrJSONDecoder(stream, 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}
