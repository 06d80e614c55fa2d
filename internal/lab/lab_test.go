package lab_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

const (
	domain = "soc.mssp.example.com"
	// patience bounds every wait; on a quiet machine they take a second or two.
	patience = 90 * time.Second
)

// The lab is assembled once for all tests of this package; each test brings
// tenants of its own.
var (
	once    sync.Once
	shared  *lab.Lab
	failure error
	folder  string
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of a test's time goes by while others work, so more of them run at a time
	// than there are processors, unless somebody says otherwise.
	if chosen := flag.Lookup("test.parallel"); chosen.Value.String() == chosen.DefValue {
		_ = chosen.Value.Set("6")
	}
	code := m.Run()
	if shared != nil {
		shared.Stop()
	}
	if folder != "" {
		_ = os.RemoveAll(folder)
	}
	os.Exit(code)
}

// installation returns the shared lab, or skips where no control plane is built.
func installation(t *testing.T) *lab.Lab {
	t.Helper()
	binary := controlplanetest.Binary(t)
	once.Do(func() {
		folder, failure = os.MkdirTemp("", "soctalk-lab-test-")
		if failure != nil {
			return
		}
		var simulator string
		if simulator, failure = buildSimulator(folder); failure != nil {
			return
		}
		// Not the test's context: the lab outlives the test that happens to come first.
		shared, failure = lab.Start(context.Background(), lab.Options{
			Binary: binary, Simulator: simulator, Dir: folder, Audit: true, Authentication: controlplane.NoIssuers,
			Poll: time.Second, KeyReload: 200 * time.Millisecond, Drain: 5 * time.Second, EdgeLook: time.Second,
		})
		if failure != nil {
			return
		}
		failure = shared.Client.Create(context.Background(), &v1alpha1.Region{
			ObjectMeta: metav1.ObjectMeta{Name: "main"},
			Spec: v1alpha1.RegionSpec{
				Domain: domain, Default: true, DefaultMode: v1alpha1.ModeLoadBalancer,
				Certificates: v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateBuiltInCA},
				DNS:          v1alpha1.DNSSpec{Mode: v1alpha1.DNSExternalDNS, Server: shared.Standin.DNSAddress(), TTL: 60},
				Quarantine:   &metav1.Duration{},
				Edge:         &v1alpha1.EdgeSpec{Addresses: []string{"198.51.100.10"}, Ports: v1alpha1.PortRange{First: 15140, Last: 15145}},
			},
		})
	})
	if failure != nil {
		t.Fatal(failure)
	}
	return shared
}

func buildSimulator(folder string) (string, error) {
	out, err := exec.Command("go", "build", "-o", folder, "../../cmd/wazuhsim", "../../cmd/soctalk-ingress").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return filepath.Join(folder, "wazuhsim"), nil
}

// create makes a tenant that the test's end removes.
func create(t *testing.T, l *lab.Lab, slug string, spec v1alpha1.TenantSpec) {
	t.Helper()
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: slug}, Spec: spec}
	if err := l.Client.Create(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	removed(t, l, slug)
}

// removed begins to remove a tenant at the test's end, and does not wait for it.
func removed(t *testing.T, l *lab.Lab, slug string) {
	t.Cleanup(func() {
		// Not the test's context: that has ended by then.
		_ = l.Client.Delete(context.Background(), &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: slug}})
	})
}

// leaves removes a tenant at the test's end and waits until it is gone: what its
// removal asks (a name server, an edge) ends with the test, and without it the
// tenant would be offboarding for the rest of the suite.
func leaves(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, name := context.Background(), types.NamespacedName{Name: slug}
		_ = l.Client.Delete(ctx, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: slug}})
		err := lab.Until(ctx, patience, "tenant "+slug+" is gone", func(ctx context.Context) (bool, error) {
			err := l.Client.Get(ctx, name, &v1alpha1.Tenant{})
			return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func get(t *testing.T, l *lab.Lab, slug string) *v1alpha1.Tenant {
	t.Helper()
	var tenant v1alpha1.Tenant
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: slug}, &tenant); err != nil {
		t.Fatal(err)
	}
	return &tenant
}

// becomes waits until a tenant's condition has a status and a reason.
func becomes(t *testing.T, l *lab.Lab, slug, condition string, status metav1.ConditionStatus, reason string) metav1.Condition {
	t.Helper()
	var found metav1.Condition
	err := lab.Until(t.Context(), patience, fmt.Sprintf("tenant %s: %s=%s, %s", slug, condition, status, reason), func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		if err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
			return false, err
		}
		now := meta.FindStatusCondition(tenant.Status.Conditions, condition)
		if now == nil {
			return false, fmt.Errorf("no condition %s yet", condition)
		}
		found = *now
		if now.Status != status || now.Reason != reason || now.ObservedGeneration != tenant.Generation {
			return false, fmt.Errorf("it is %s, %s: %s", now.Status, now.Reason, now.Message)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func becomesReady(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	becomes(t, l, slug, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// eventually waits for a condition of the test's own.
func eventually(t *testing.T, what string, check func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := lab.Until(t.Context(), patience, what, check); err != nil {
		t.Fatal(err)
	}
}

// raised waits for an event about a tenant.
func raised(t *testing.T, l *lab.Lab, slug, reason, note string) {
	t.Helper()
	eventually(t, fmt.Sprintf("event %s about %s: %s", reason, slug, note), func(ctx context.Context) (bool, error) {
		var raised eventsv1.EventList
		err := l.Client.List(ctx, &raised)
		for _, event := range raised.Items {
			if event.Regarding.Name == slug && event.Reason == reason && strings.Contains(event.Note, note) {
				return true, nil
			}
		}
		return false, err
	})
}
