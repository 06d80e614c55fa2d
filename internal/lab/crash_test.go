package lab_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// talks is an agent at work: it connects, and says something twice a second.
func talks(t *testing.T, l *lab.Lab, at, name string) *wazuh.Session {
	t.Helper()
	key, err := enroll(t, l, at, name, enrollmentSecret(t, l, at))
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, l, at, key)
	go speak(t.Context(), session)
	return session
}

func speak(ctx context.Context, session *wazuh.Session) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = session.KeepAlive(ctx) // its end is what the tests look at
		case <-session.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

var doneSteps = regexp.MustCompile(`"done":\[.*?\]`)

// write names a write of the operator's, so that the same one is known again after a
// crash; "" is one that a test of this tenant does not care for.
func write(slug, method, path string, body []byte) string {
	if method == "GET" || strings.Contains(path, "/events") || !strings.Contains(path+string(body), slug) {
		return ""
	}
	name := method + " " + path
	if strings.HasSuffix(path, "/tenants/"+slug+"/status") {
		records := doneSteps.Find(body)
		for _, step := range v1alpha1.OffboardingSteps() {
			if strings.Contains(string(records), `"`+string(step)+`"`) {
				name = fmt.Sprintf("%s %s records %s", method, path, step)
			}
		}
	}
	return name
}

// diesBeforeEach kills the operator before every write that has a name, once before
// each, and starts it again, until what was begun is over. It returns the writes that
// killed it.
func diesBeforeEach(t *testing.T, l *lab.Lab, name func(method, path string, body []byte) string, begin func() error, over func(context.Context) (bool, error)) (survived []string) {
	t.Helper()
	t.Cleanup(l.KillNobody)
	armed := func() <-chan struct{} {
		return l.KillOperatorAt(func(method, path string, body []byte) bool {
			write := name(method, path, body)
			if write == "" || slices.Contains(survived, write) {
				return false
			}
			survived = append(survived, write) // it is let through the next time
			return true
		})
	}
	dead := armed()
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		eventually(t, "the operator dies, or it is over", func(ctx context.Context) (bool, error) {
			select {
			case <-dead:
				return true, nil
			default:
			}
			var err error
			done, err = over(ctx)
			return done, err
		})
		if done {
			break
		}
		_ = l.StopOperator() // it is dead; what it says about that is of no interest
		if err := l.StartOperator(t.Context()); err != nil {
			t.Fatal(err)
		}
		dead = armed()
	}
	t.Logf("died %d times:\n%s", len(survived), strings.Join(survived, "\n"))
	return survived
}

// The operator dies before every single write of a removal, once before each: after
// what a step did and before its record, and in the middle of steps. In the end all
// is as if it had never died.
func TestTheOperatorDiesBeforeEveryWriteOfARemoval(t *testing.T) {
	l := installation(t)
	const slug = "mortal"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	for _, name := range []string{"mortal-web-01", "mortal-db-01"} {
		talks(t, l, slug, name)
	}
	uid := string(get(t, l, slug).UID)
	old := enrollmentSecret(t, l, slug)
	var records []v1alpha1.OffboardingRecord
	survived := diesBeforeEach(t, l, func(method, path string, body []byte) string { return write(slug, method, path, body) },
		func() error { return l.Client.Delete(t.Context(), get(t, l, slug)) },
		func(ctx context.Context) (bool, error) {
			var tenant v1alpha1.Tenant
			err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant)
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			if tenant.Status.Offboarding != nil {
				records = tenant.Status.Offboarding.Done
			}
			return false, err
		})
	if len(survived) < 2*len(v1alpha1.OffboardingSteps()) {
		t.Errorf("it died %d times only", len(survived))
	}
	statement := reportOf(t, l, slug, uid)
	var steps []v1alpha1.OffboardingStep
	for _, step := range statement.Steps {
		steps = append(steps, step.Step)
		t.Logf("%s: %s", step.Step, step.Evidence)
	}
	if want := v1alpha1.OffboardingSteps(); !slices.Equal(steps, want[:len(want)-1]) {
		t.Errorf("the report has steps %v", steps)
	}
	if statement.Registrations == nil || *statement.Registrations != 2 || len(statement.Agents) != 2 {
		t.Errorf("the report has %v registrations and names %v", statement.Registrations, statement.Agents)
	}
	if evidence := statement.Steps[0].Evidence; !strings.Contains(evidence, "the old one") || strings.Contains(evidence, old.Reveal()) {
		t.Errorf("the secret: %s", evidence)
	}
	gone(t, l, &corev1.Namespace{}, types.NamespacedName{Name: naming.Namespace(slug)})
	gone(t, l, &v1alpha1.Claim{}, types.NamespacedName{Name: naming.HostClaim(slug + "." + domain)})
	if len(records) == 0 {
		t.Error("no record was ever seen in the status")
	}
}

// reportOf reads the report of a removal, with the key that is published.
func reportOf(t *testing.T, l *lab.Lab, slug, uid string) report.Statement {
	t.Helper()
	var object v1alpha1.OffboardingReport
	if err := l.Client.Get(t.Context(), types.NamespacedName{Name: naming.OffboardingReport(slug, uid)}, &object); err != nil {
		t.Fatal(err)
	}
	var published corev1.ConfigMap
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.DefaultSystemNamespace, Name: naming.ReportKey}, &published); err != nil {
		t.Fatal(err)
	}
	key, err := report.ParsePublicKey([]byte(published.Data[naming.KeyReportPublic]))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := report.Verify(key, object.Spec.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := report.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	if statement.UID != uid {
		t.Errorf("the report is about %s, not %s", statement.UID, uid)
	}
	return statement
}
