package lab_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

// A removal from the command line ends with its report in a file, which can be
// verified without the cluster and not be changed in it.
func TestOffboardingLeavesAReport(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "audited"
	create(t, l, slug, v1alpha1.TenantSpec{DisplayName: "Audited SA"})
	becomesReady(t, l, slug)
	talks(t, l, slug, "audited-web-01")
	uid := string(get(t, l, slug).UID)
	name := naming.OffboardingReport(slug, uid)
	file := filepath.Join(t.TempDir(), "audited.json")
	code, out, said := run(t, l, "tenant", "offboard", slug, "--why", "contract ended, ticket 4711", "--yes", "--report", file, "--timeout", "90s")
	if code != 0 || !strings.Contains(said, "the keys of 1 registered agents,") || !strings.Contains(said, "the manager says so now") {
		t.Errorf("exit %d, and it announced\n%s", code, said)
	}
	if want := "tenant \"audited\" removed; report " + name + "\n"; out != want {
		t.Errorf("it ended with %q, want %q", out, want)
	}
	statement := reportOf(t, l, slug, uid)
	if statement.Why != "contract ended, ticket 4711" || statement.RequestedBy == "" || statement.Hostname != slug+"."+domain || statement.Abandoned != "" {
		t.Errorf("the report says %+v", statement)
	}
	if len(statement.Agents) != 1 || statement.Agents[0].Name != "audited-web-01" || len(statement.Addresses) != 1 {
		t.Errorf("the report names agents %v and addresses %v", statement.Agents, statement.Addresses)
	}
	for i, want := range []string{"the old one is refused", "leads to no pod", "1 registrations deleted", "0 connections", "is gone", "does not exist"} {
		if step := statement.Steps[i]; !strings.Contains(step.Evidence, want) || step.StartedAt > step.FinishedAt {
			t.Errorf("step %d: %+v, want %q", i, step, want)
		}
	}
	if code, _, talk := run(t, l, "report", "show", "main"); code != 3 || !strings.Contains(talk, "no report") {
		t.Errorf("a report of nobody: exit %d, %s", code, talk)
	}
	whole := succeed(t, l, "report", "show", name)
	if byOwner := succeed(t, l, "report", "show", slug); byOwner != whole || !strings.Contains(whole, "ticket 4711") {
		t.Errorf("by the tenant's slug it is another report:\n%s\n%s", byOwner, whole)
	}
	var published corev1.ConfigMap
	var held v1alpha1.OffboardingReport
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: name}, &held); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), &held) })
	// Offline: with the file, the key and nothing else.
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.DefaultSystemNamespace, Name: naming.ReportKey}, &published); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, []byte(published.Data[naming.KeyReportPublic]), 0o600); err != nil {
		t.Fatal(err)
	}
	offline := succeed(t, l, "report", "verify", file, "--key", key, "--server", "https://127.0.0.1:1")
	online := succeed(t, l, "report", "verify", file)
	if shown := succeed(t, l, "report", "show", name); offline != online || online != shown || shown != report.Text(statement) {
		t.Errorf("what is shown differs:\n%s\n%s\n%s", offline, online, shown)
	}
	if table := succeed(t, l, "report", "list", "-o", "wide"); !strings.Contains(table, name) || !strings.Contains(table, "ticket 4711") {
		t.Errorf("the list:\n%s", table)
	}
	changed := held.DeepCopy()
	changed.Spec.Why = "something else"
	if err := l.Client.Patch(t.Context(), changed, client.MergeFrom(&held)); err == nil || !strings.Contains(err.Error(), "does not change") {
		t.Errorf("the report could be changed: %v", err)
	}
	if code, _, talk := run(t, l, "tenant", "offboard", slug, "--why", "again", "--yes"); code != 3 {
		t.Errorf("a second time: exit %d, %s", code, talk)
	}
}

// Without a gateway the order holds as well: authd itself refuses the old secret
// before the registrations go.
func TestOffboardingWithoutAGateway(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "leaving-direct"
	create(t, l, slug, v1alpha1.TenantSpec{Enrollment: v1alpha1.EnrollmentDirect})
	becomesReady(t, l, slug)
	talks(t, l, slug, "direct-web-01")
	uid := string(get(t, l, slug).UID)
	succeed(t, l, "tenant", "offboard", slug, "--why", "contract ended", "--yes", "--wait", "--timeout", "3m")
	statement := reportOf(t, l, slug, uid)
	for i, want := range []string{"the old one is refused and the new one accepted", "leads to no pod", "1 registrations deleted", "0 connections"} {
		if step := statement.Steps[i]; !strings.Contains(step.Evidence, want) {
			t.Errorf("step %d: %+v, want %q", i, step, want)
		}
	}
}

// A manager that never comes up again is given up on a person's word, which the
// report keeps together with what it was.
func TestAnAbandonedOffboardingSaysSo(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "forsaken"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	uid := string(get(t, l, slug).UID)
	switchFault(t, l, slug, "api-500", true)
	if err := l.Client.Delete(t.Context(), get(t, l, slug)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trouble is told", func(ctx context.Context) (bool, error) {
		tenant := get(t, l, slug)
		for _, condition := range tenant.Status.Conditions {
			if condition.Type == v1alpha1.ConditionReady {
				return strings.Contains(condition.Message, "DeleteRegistrations: the manager's API"), nil
			}
		}
		return false, nil
	})
	tenant := get(t, l, slug)
	change(t, l, tenant, func() {
		metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationAbandonRegistrations, "volume lost, ticket 4712")
	})
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: slug})
	statement := reportOf(t, l, slug, uid)
	var given []v1alpha1.OffboardingStep
	for _, step := range statement.Steps {
		if step.Abandoned {
			given = append(given, step.Step)
		}
	}
	// Drain needs the manager too; what was to be done without it was done.
	if len(given) != 2 || given[0] != v1alpha1.StepDeleteRegistrations || given[1] != v1alpha1.StepDrain || statement.Abandoned != "volume lost, ticket 4712" {
		t.Errorf("abandoned: %v, %q", given, statement.Abandoned)
	}
	if evidence := statement.Steps[2].Evidence; !strings.Contains(evidence, "ticket 4712") || !strings.Contains(evidence, "500") {
		t.Errorf("the evidence is %q", evidence)
	}
}

// A tenant whose spec was wrong from the start, and one whose manager never got its
// volume, leave without anybody's word: neither can hold a key.
func TestWhatNeverCameUpLeaves(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "misspelt", v1alpha1.TenantSpec{Region: "atlantis"})
	becomes(t, l, "misspelt", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonRegionNotFound)
	create(t, l, "volumeless", v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Deploy: &v1alpha1.ManagerDeploy{StorageClass: "there-is-none"}}})
	becomes(t, l, "volumeless", v1alpha1.ConditionManagerReachable, metav1.ConditionFalse, v1alpha1.ReasonWaitingForManager)
	began := time.Now()
	for slug, want := range map[string]string{"misspelt": "does not exist", "volumeless": "never got its volume and has never run"} {
		uid := string(get(t, l, slug).UID)
		if err := l.Client.Delete(t.Context(), get(t, l, slug)); err != nil {
			t.Fatal(err)
		}
		gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: slug})
		statement := reportOf(t, l, slug, uid)
		if evidence := statement.Steps[2].Evidence; !strings.Contains(evidence, want) {
			t.Errorf("%s: %q, want %q", slug, evidence, want)
		}
	}
	t.Logf("both gone after %s", time.Since(began).Round(time.Millisecond))
}
