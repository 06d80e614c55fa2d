package lab_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// The operator is stopped after every step of a removal and started again: the
// removal goes on where it stopped, each step is recorded once, in order, and in
// the end nothing of the tenant is left.
func TestOffboardingGoesOnWhereItStopped(t *testing.T) {
	l := installation(t)
	create(t, l, "leaving", v1alpha1.TenantSpec{})
	becomesReady(t, l, "leaving")
	for _, name := range []string{"leaving-web-01", "leaving-db-01"} {
		got, err := enroll(t, l, "leaving", name, enrollmentSecret(t, l, "leaving"))
		if err != nil {
			t.Fatal(err)
		}
		connect(t, l, "leaving", got)
	}
	status := get(t, l, "leaving").Status
	if err := l.Client.Delete(t.Context(), get(t, l, "leaving")); err != nil {
		t.Fatal(err)
	}
	var records []v1alpha1.OffboardingRecord
	for i := range v1alpha1.OffboardingSteps() {
		records = stepDone(t, l, "leaving", i+1, records)
		if err := l.StopOperator(); err != nil {
			t.Fatal(err)
		}
		if err := l.StartOperator(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "leaving"})
	gone(t, l, &corev1.Namespace{}, types.NamespacedName{Name: naming.Namespace("leaving")})
	gone(t, l, &v1alpha1.Claim{}, types.NamespacedName{Name: naming.HostClaim(status.Hostname)})
	nobodyListens(t, status.Address+":1515")
	if len(records) < 3 || !strings.Contains(records[2].Evidence, "2 registrations deleted") {
		t.Errorf("the deletion of two registrations is not on record: %+v", records)
	}
	// These agents say nothing any more, so nobody closes their connections: told, not hidden.
	if len(records) < 4 || !strings.Contains(records[3].Evidence, "2 connections without a key are open and silent, and end with the manager") {
		t.Errorf("the silent connections are not on record: %+v", records)
	}
}

// nobodyListens waits until an address has been let go of.
func nobodyListens(t *testing.T, address string) {
	t.Helper()
	eventually(t, "nobody listens at "+address, func(ctx context.Context) (bool, error) {
		dialer := net.Dialer{Timeout: 2 * time.Second}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil, nil
	})
}

// stepDone waits until n steps are on record, or the tenant is gone, and checks
// that what was on record before still is.
func stepDone(t *testing.T, l *lab.Lab, slug string, n int, before []v1alpha1.OffboardingRecord) []v1alpha1.OffboardingRecord {
	t.Helper()
	seen := before
	eventually(t, "offboarding step", func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err != nil || tenant.Status.Offboarding == nil {
			return false, err
		}
		seen = tenant.Status.Offboarding.Done
		return len(seen) >= n, nil
	})
	var steps []v1alpha1.OffboardingStep
	for i, record := range seen {
		steps = append(steps, record.Step)
		if i < len(before) && (record.Step != before[i].Step || record.Evidence != before[i].Evidence) {
			t.Errorf("record %d changed from %+v to %+v", i, before[i], record)
		}
	}
	if want := v1alpha1.OffboardingSteps()[:len(steps)]; !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
	return seen
}

// A manager whose API does not answer holds the removal up, says so, and is
// asked again until it does: no registration is skipped.
func TestOffboardingWaitsForTheManager(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "stubborn", v1alpha1.TenantSpec{})
	becomesReady(t, l, "stubborn")
	if _, err := enroll(t, l, "stubborn", "stubborn-web-01", enrollmentSecret(t, l, "stubborn")); err != nil {
		t.Fatal(err)
	}
	switchFault(t, l, "stubborn", "api-500", true)
	if err := l.Client.Delete(t.Context(), get(t, l, "stubborn")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trouble is told", func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		if err := l.Client.Get(ctx, types.NamespacedName{Name: "stubborn"}, &tenant); err != nil {
			return false, err
		}
		for _, condition := range tenant.Status.Conditions {
			if condition.Type == v1alpha1.ConditionReady && condition.Reason == v1alpha1.ReasonOffboarding {
				return strings.Contains(condition.Message, "must delete the registrations") &&
					strings.Contains(condition.Message, naming.AnnotationAbandonStep), nil
			}
		}
		return false, nil
	})
	if !exists(t, l.Client, naming.Namespace("stubborn")) {
		t.Fatal("the namespace went before the registrations")
	}
	switchFault(t, l, "stubborn", "api-500", false)
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "stubborn"})
}

// SocTalk's namespace was there before the tenant and outlives it.
func TestANamespaceThatWasNotOursStays(t *testing.T) {
	t.Parallel()
	l := installation(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   naming.Namespace("guest"),
		Labels: map[string]string{naming.LabelSocTalkTenant: "true", naming.LabelSocTalkManagedBy: "soctalk"},
	}}
	if err := l.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), namespace) })
	// A Secret name of the tenant's own must go too.
	create(t, l, "guest", v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{TLS: v1alpha1.TLSSpec{SecretName: "guest-certificate"}}})
	becomesReady(t, l, "guest")
	if err := l.Client.Delete(t.Context(), get(t, l, "guest")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "guest"})
	var left corev1.Namespace
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: namespace.Name}, &left); err != nil {
		t.Fatalf("SocTalk's namespace was deleted: %v", err)
	}
	for label := range left.Labels {
		if strings.Contains(label, "soctalk.io") || strings.Contains(label, "pod-security") {
			t.Errorf("our label %s stays on the namespace", label)
		}
	}
	var volumes corev1.PersistentVolumeClaimList
	var secrets corev1.SecretList
	if err := errors.Join(l.Client.List(t.Context(), &volumes, client.InNamespace(namespace.Name)), l.Client.List(t.Context(), &secrets, client.InNamespace(namespace.Name))); err != nil {
		t.Fatal(err)
	}
	if len(volumes.Items) > 0 {
		t.Error("the volume with the former tenant's keys stays")
	}
	for _, secret := range secrets.Items {
		t.Errorf("secret %s stays", secret.Name)
	}
	gone(t, l, &corev1.Service{}, types.NamespacedName{Namespace: namespace.Name, Name: naming.ServiceAgents})
	gone(t, l, &corev1.Secret{}, types.NamespacedName{Namespace: namespace.Name, Name: naming.SecretEnrollment})
}

// What a tenant gave up rests: another tenant is told until when, the tenant
// itself may have it back.
func TestAHostnameRests(t *testing.T) {
	t.Parallel()
	l := installation(t)
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "resting"}, Spec: v1alpha1.RegionSpec{
		Domain: "resting.example.com", DefaultMode: v1alpha1.ModeLoadBalancer,
		Quarantine: &metav1.Duration{Duration: time.Hour}, DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone},
	}}
	if err := l.Client.Create(t.Context(), region); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), region) })
	const name = "contract-17.resting.example.com"
	spec := v1alpha1.TenantSpec{Region: "resting", WazuhIngress: v1alpha1.WazuhIngress{Hostname: name}}
	create(t, l, "former", spec)
	becomesReady(t, l, "former")
	if err := l.Client.Delete(t.Context(), get(t, l, "former")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "former"})
	create(t, l, "successor", spec)
	told := becomes(t, l, "successor", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonHostnameTaken)
	if !strings.Contains(told.Message, `belonged to tenant "former" and rests until`) {
		t.Errorf("the message does not say why: %s", told.Message)
	}
	create(t, l, "former", spec)
	becomesReady(t, l, "former")
	claim := &v1alpha1.Claim{}
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: naming.HostClaim(name)}, claim); err != nil {
		t.Fatal(err)
	}
	if claim.Spec.Tenant != "former" || claim.Spec.QuarantinedUntil != nil {
		t.Errorf("the claim is %+v", claim.Spec)
	}
}

// Somebody removed the finalizer by hand: the claims of a tenant that is gone do
// not keep its name from others for ever.
func TestClaimsOfAVanishedTenantAreFreed(t *testing.T) {
	l := installation(t)
	const name = "vanished." + domain
	create(t, l, "vanishing", v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{Hostname: name}})
	becomesReady(t, l, "vanishing")
	if err := l.StopOperator(); err != nil {
		t.Fatal(err)
	}
	tenant := get(t, l, "vanishing")
	before := tenant.DeepCopy()
	tenant.Finalizers = nil
	if err := errors.Join(l.Client.Patch(t.Context(), tenant, client.MergeFrom(before)), l.Client.Delete(t.Context(), tenant)); err != nil {
		t.Fatal(err)
	}
	if err := l.StartOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Claim{}, types.NamespacedName{Name: naming.HostClaim(name)})
	_ = l.Client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.Namespace("vanishing")}})
}
