package lab_test

import (
	"context"
	"syscall"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A live tenant changes who answers on its enrollment port, and back: the one secret
// its agents know counts all the time, keys go on working, and what direct lacks is
// said of its tokens.
func TestTheEnrollmentModeOfALiveTenant(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "switching"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	secret := enrollmentSecret(t, l, slug)
	key, err := enroll(t, l, slug, "switching-web-01", secret)
	if err != nil {
		t.Fatal(err)
	}
	succeed(t, l, "token", "create", slug, "berlin", "--wait", "--timeout", "90s")

	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) { spec.Enrollment = v1alpha1.EnrollmentDirect })
	becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonEnrollmentDirect)
	becomes(t, l, slug, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonOK)
	becomesReady(t, l, slug)
	enrolls := func(name string) {
		t.Helper()
		eventually(t, name+" enrolls", func(context.Context) (bool, error) {
			_, err := enroll(t, l, slug, name, secret)
			return err == nil, err
		})
	}
	enrolls("switching-web-02")
	_, err = enroll(t, l, slug, "switching-web-03", tokenSecret(t, l, slug, "berlin"))
	isRefused(t, "a token where authd answers", err)
	connect(t, l, slug, key)
	if pod := managerOf(t, l, slug); pod.GatewayPID != 0 {
		t.Error("the gateway still runs")
	}

	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) { spec.Enrollment = v1alpha1.EnrollmentGateway })
	becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonOK)
	becomes(t, l, slug, v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonOK)
	becomesReady(t, l, slug)
	enrolls("switching-web-04")
	tokenBecomes(t, l, slug, "berlin", v1alpha1.TokenActive)
	if _, err := enroll(t, l, slug, "switching-web-05", tokenSecret(t, l, slug, "berlin")); err != nil {
		t.Errorf("the token counts again: %v", err)
	}
	connect(t, l, slug, key)

	// What the gateway counted, and when, outlives it.
	used := func(state string) v1alpha1.EnrollmentToken {
		t.Helper()
		var token v1alpha1.EnrollmentToken
		eventually(t, "the use of the token is written down, "+state, func(ctx context.Context) (bool, error) {
			err := l.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace(slug), Name: "berlin"}, &token)
			return err == nil && token.Status.Uses == 1 && token.Status.LastUsedAt != nil, err
		})
		return token
	}
	before := used("by the gateway that let the agent in")
	pid := managerOf(t, l, slug).GatewayPID
	_ = syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, "another gateway runs", func(context.Context) (bool, error) {
		now := managerOf(t, l, slug).GatewayPID
		return now != 0 && now != pid, nil
	})
	becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonOK)
	if after := used("by the next one"); !after.Status.LastUsedAt.Equal(before.Status.LastUsedAt) {
		t.Errorf("last used %s, and %s before the restart", after.Status.LastUsedAt, before.Status.LastUsedAt)
	}

	// Tokens hold up no removal, not even where the gateway cannot be told any more.
	if err := l.Client.Delete(t.Context(), get(t, l, slug)); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: slug})
	gone(t, l, &corev1.Namespace{}, types.NamespacedName{Name: naming.Namespace(slug)})
}

// A gateway in front of somebody else's manager is made anew beside it when that goes
// to another node; a Secret it cannot do without is called by its name.
func TestAnAttachedGatewayFollowsItsManager(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "wandering"
	attachTheirs(t, l, slug)
	namespace := naming.Namespace(slug)
	first := gatewayPodOf(t, l, slug)

	elsewhere := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"}}
	moved := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "their-wazuh-moved", Labels: map[string]string{naming.LabelName: "my-own-wazuh"}},
		Spec:       corev1.PodSpec{NodeName: "elsewhere", Containers: []corev1.Container{{Name: "wazuh", Image: "example.com/wazuh"}}},
	}
	if err := l.Client.Create(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), elsewhere) })
	if err := l.Client.Create(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	theirs := &appsv1.StatefulSet{}
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "their-wazuh"}, theirs); err != nil {
		t.Fatal(err)
	}
	change(t, l, theirs, func() { theirs.Spec.Replicas = new(int32) })
	moved.Status.Phase, moved.Status.PodIP = corev1.PodRunning, "10.244.77.7"
	moved.Status.PodIPs = []corev1.PodIP{{IP: moved.Status.PodIP}}
	moved.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
	if err := l.Client.Status().Update(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway's pod is made anew", func(context.Context) (bool, error) {
		return gatewayPodOf(t, l, slug).UID != first.UID, nil
	})

	if err := l.Client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "their-authd"}}); err != nil {
		t.Fatal(err)
	}
	reports(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, v1alpha1.ReasonGatewayUnreachable,
		"Secret "+namespace+"/their-authd, which spec.manager.attach.enrollmentPasswordSecret names, does not exist")
}

// gatewayPodOf is the newest pod of a tenant's own gateway.
func gatewayPodOf(t *testing.T, l *lab.Lab, slug string) corev1.Pod {
	t.Helper()
	var newest corev1.Pod
	eventually(t, "the gateway of tenant "+slug+" has a pod", func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		if err := l.Client.List(ctx, &pods, client.InNamespace(naming.Namespace(slug)), client.MatchingLabels(naming.GatewayPodLabels())); err != nil {
			return false, err
		}
		for _, pod := range pods.Items {
			if pod.DeletionTimestamp == nil {
				newest = pod
				return true, nil
			}
		}
		return false, nil
	})
	return newest
}
