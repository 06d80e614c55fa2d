package lab_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/standin"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// askRotation asks for another enrollment secret, as kubectl annotate does.
func askRotation(t *testing.T, l *lab.Lab, slug, request string) {
	t.Helper()
	tenant := get(t, l, slug)
	change(t, l, tenant, func() { metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationRotate, request) })
}

func rotationReaches(t *testing.T, l *lab.Lab, slug, request string, step v1alpha1.RotationStep) {
	t.Helper()
	eventually(t, fmt.Sprintf("the rotation of %s reaches %s", slug, step), func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		if err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
			return false, err
		}
		now := tenant.Status.Rotation
		if now == nil || now.Request != request {
			return false, errors.New("it has not begun")
		}
		if now.Step != step {
			return false, fmt.Errorf("it is at %s: %s", now.Step, now.Stuck)
		}
		return true, nil
	})
}

// works are agents of a tenant that are connected and talk.
func works(t *testing.T, l *lab.Lab, slug string, count int) []*wazuh.Session {
	t.Helper()
	var sessions []*wazuh.Session
	for i := range count {
		sessions = append(sessions, talks(t, l, slug, fmt.Sprintf("%s-held-%d", slug, i)))
	}
	return sessions
}

// stillConnected counts the sessions that were never cut.
func stillConnected(sessions []*wazuh.Session) int {
	alive := 0
	for _, session := range sessions {
		select {
		case <-session.Done():
		default:
			alive++
		}
	}
	return alive
}

func managerOf(t *testing.T, l *lab.Lab, slug string) standin.ManagerInfo {
	t.Helper()
	manager, ok := l.Standin.Manager(naming.Namespace(slug))
	if !ok {
		t.Fatalf("no manager runs for %s", slug)
	}
	return manager
}

func takes(t *testing.T, l *lab.Lab, slug, name string, secret wazuh.Secret) bool {
	t.Helper()
	_, err := enroll(t, l, slug, name, secret)
	var refused *wazuh.Refused
	if err != nil && (!errors.As(err, &refused) || !refused.WrongPassword()) {
		t.Fatal(err)
	}
	return err == nil
}

// Behind the gateway both secrets count until the overlap ends, nothing is
// restarted, and no agent notices.
func TestRotationWithOverlap(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug, request = "turning", "first overlap=45s" // time enough for what is tried meanwhile
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	sessions := works(t, l, slug, 4)
	before, old := managerOf(t, l, slug), enrollmentSecret(t, l, slug)

	askRotation(t, l, slug, request)
	rotationReaches(t, l, slug, request, v1alpha1.RotationOverlap)
	fresh := enrollmentSecret(t, l, slug)
	if fresh.Reveal() == old.Reveal() {
		t.Fatal("the secret is the same")
	}
	if !takes(t, l, slug, "turning-old", old) || !takes(t, l, slug, "turning-new", fresh) {
		t.Error("during the overlap one of the two secrets is refused")
	}
	if told := becomes(t, l, slug, v1alpha1.ConditionSecretRotated, metav1.ConditionFalse, v1alpha1.ReasonRotating); !strings.Contains(told.Message, "the old one counts as well") {
		t.Errorf("during the overlap it says: %s", told.Message)
	}
	becomes(t, l, slug, v1alpha1.ConditionSecretRotated, metav1.ConditionTrue, v1alpha1.ReasonOK)
	if takes(t, l, slug, "turning-late", old) {
		t.Error("the old secret is accepted after its end")
	}
	if !takes(t, l, slug, "turning-later", fresh) {
		t.Error("the new secret is refused")
	}
	gone(t, l, &corev1.Secret{}, types.NamespacedName{Namespace: naming.Namespace(slug), Name: naming.SecretEnrollmentPrevious})
	if after := managerOf(t, l, slug); after.PID != before.PID || after.GatewayPID != before.GatewayPID {
		t.Errorf("processes were %d and %d, now %d and %d: something was restarted", before.PID, before.GatewayPID, after.PID, after.GatewayPID)
	}
	if alive := stillConnected(sessions); alive != len(sessions) {
		t.Errorf("%d of %d sessions survived", alive, len(sessions))
	}
	if status, err := reveal.Look(t.Context(), l.Client, reveal.Enrollment(slug)); err != nil || status.State != reveal.Armed {
		t.Errorf("the new secret is %q, %v; want it armed", status.State, err)
	}
	becomesReady(t, l, slug)
}

// authd knows one secret: it is restarted with the new one, alone.
func TestRotationWithoutAGateway(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug, request = "turned", "first overlap=1h"
	create(t, l, slug, v1alpha1.TenantSpec{Enrollment: v1alpha1.EnrollmentDirect})
	becomesReady(t, l, slug)
	if told := becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonEnrollmentDirect); told.Message == "" {
		t.Error("it does not say what direct means")
	}
	sessions := works(t, l, slug, 4)
	before, old := managerOf(t, l, slug), enrollmentSecret(t, l, slug)
	if before.GatewayPID != 0 {
		t.Error("a gateway runs")
	}
	askRotation(t, l, slug, request)
	rotationReaches(t, l, slug, request, v1alpha1.RotationDone)
	if takes(t, l, slug, "turned-late", old) || !takes(t, l, slug, "turned-new", enrollmentSecret(t, l, slug)) {
		t.Error("the old secret is accepted, or the new one refused")
	}
	if after := managerOf(t, l, slug); after.PID != before.PID {
		t.Error("the whole manager was restarted")
	}
	if alive := stillConnected(sessions); alive != len(sessions) {
		t.Errorf("%d of %d sessions survived", alive, len(sessions))
	}
}

var rotationStep = regexp.MustCompile(`"rotation":\{.*?"step":"(\w+)"`)

// rotationWrite names a write of a rotation, so that the same one is known again.
func rotationWrite(slug, method, path string, body []byte) string {
	switch {
	case method == "GET" || strings.Contains(path, "/events"):
		return ""
	case strings.Contains(path, "/namespaces/"+naming.Namespace(slug)+"/secrets"):
		return method + " " + path + " " + strings.Join(regexp.MustCompile(naming.SecretEnrollmentPrevious).FindStringSubmatch(string(body)), "")
	case strings.HasSuffix(path, "/tenants/"+slug+"/status"):
		if step := rotationStep.FindSubmatch(body); step != nil {
			return "status " + string(step[1])
		}
	}
	return ""
}

// The operator dies before every write of a rotation, once before each, and the
// rotation ends as if it had never died: proven, with one new secret.
func TestTheOperatorDiesBeforeEveryWriteOfARotation(t *testing.T) {
	l := installation(t)
	const slug, request = "mortal-turn", "first overlap=3s"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	sessions := works(t, l, slug, 2)
	old := enrollmentSecret(t, l, slug)
	survived := diesBeforeEach(t, l, func(method, path string, body []byte) string { return rotationWrite(slug, method, path, body) },
		func() error { askRotation(t, l, slug, request); return nil },
		func(ctx context.Context) (bool, error) {
			var tenant v1alpha1.Tenant
			err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant)
			return err == nil && meta.IsStatusConditionTrue(tenant.Status.Conditions, v1alpha1.ConditionSecretRotated) && secretGone(ctx, l, slug), err
		})
	if len(survived) < 8 {
		t.Errorf("it died %d times only", len(survived))
	}
	if takes(t, l, slug, "mortal-turn-late", old) || !takes(t, l, slug, "mortal-turn-new", enrollmentSecret(t, l, slug)) {
		t.Error("the old secret is accepted, or the new one refused")
	}
	if alive := stillConnected(sessions); alive != len(sessions) {
		t.Errorf("%d of %d sessions survived", alive, len(sessions))
	}
}

// secretGone is true once nothing is left of the old secret.
func secretGone(ctx context.Context, l *lab.Lab, slug string) bool {
	err := l.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace(slug), Name: naming.SecretEnrollmentPrevious}, &corev1.Secret{})
	return client.IgnoreNotFound(err) == nil && err != nil
}
