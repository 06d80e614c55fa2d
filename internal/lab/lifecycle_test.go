package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
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

// Idle means idle: over several turns of an unchanged tenant the operator reads
// and writes nothing at all.
func TestAnIdleOperatorWritesNothing(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "idle", v1alpha1.TenantSpec{})
	becomesReady(t, l, "idle")
	staysQuiet(t, l, "idle")
}

// staysQuiet watches several turns of a tenant nobody changes.
func staysQuiet(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	about := requestsAbout(t, l, slug)
	// Turns are counted by what each must do: read the enrollment secret. The last write
	// of the way up may still follow the status we saw: let some turns pass first.
	const before, counted = 4, 10
	var writes []string
	eventually(t, "fourteen turns", func(context.Context) (bool, error) {
		events, err := about.all()
		reads := 0
		writes = nil
		for _, event := range events {
			if event.Writes() && reads >= before {
				writes = append(writes, event.Verb+" "+event.RequestURI)
			}
			if event.Verb == "get" && event.ObjectRef.Name == naming.SecretEnrollment {
				reads++
			}
		}
		return reads >= before+counted, err
	})
	for _, write := range writes {
		t.Errorf("a write for a tenant nobody changed: %s", write)
	}
}

// auditEvent is the part of a recorded request the tests speak of.
type auditEvent struct {
	Verb, RequestURI, UserAgent string
	ObjectRef                   struct{ Resource, Namespace, Name string }
}

func (e auditEvent) Writes() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// requests are the operator's requests about one tenant, from the API server's audit
// log. It grows by megabytes a minute, so each look reads on where the last one ended.
type requests struct {
	slug string
	log  *os.File
	rest []byte // the beginning of a line
	seen []auditEvent
}

// requestsAbout begins with what is yet to come.
func requestsAbout(t *testing.T, l *lab.Lab, slug string) *requests {
	t.Helper()
	log, err := os.Open(l.Plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	return &requests{slug: slug, log: log}
}

func (r *requests) all() ([]auditEvent, error) {
	more, err := io.ReadAll(r.log)
	if err != nil {
		return nil, err
	}
	text := append(r.rest, more...)
	end := bytes.LastIndexByte(text, '\n') + 1
	r.rest = bytes.Clone(text[end:])
	for line := range bytes.Lines(text[:end]) {
		if !bytes.Contains(line, []byte(r.slug)) {
			continue
		}
		var event auditEvent
		// A first line may be the end of one.
		if json.Unmarshal(line, &event) == nil && strings.HasPrefix(event.UserAgent, lab.OperatorUserAgent) && strings.Contains(event.RequestURI, r.slug) {
			r.seen = append(r.seen, event)
		}
	}
	return r.seen, nil
}

// Somebody edits, or deletes, one of our objects: it is put right.
func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "drift", v1alpha1.TenantSpec{})
	becomesReady(t, l, "drift")
	namespace := naming.Namespace("drift")
	var service corev1.Service
	at := types.NamespacedName{Namespace: namespace, Name: naming.ServiceAgents}
	if err := l.Client.Get(t.Context(), at, &service); err != nil {
		t.Fatal(err)
	}
	change(t, l, &service, func() { service.Spec.Selector = map[string]string{"app": "somebody-elses"} })
	eventually(t, "the Service's selector is ours again", func(ctx context.Context) (bool, error) {
		err := l.Client.Get(ctx, at, &service)
		return service.Spec.Selector[naming.LabelComponent] == naming.PodComponent, err
	})
	uid := service.UID
	if err := l.Client.Delete(t.Context(), &service); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new Service", func(ctx context.Context) (bool, error) {
		err := l.Client.Get(ctx, at, &service)
		return err == nil && service.UID != uid, client.IgnoreNotFound(err)
	})
	becomesReady(t, l, "drift")
}

// A secret is generated once. Neither a restarted operator nor a changed spec
// makes another one; only its deletion does.
func TestTheSecretIsGeneratedOnce(t *testing.T) {
	l := installation(t)
	create(t, l, "once", v1alpha1.TenantSpec{})
	becomesReady(t, l, "once")
	first := enrollmentSecret(t, l, "once")
	if n := len(first.Reveal()); n != 64 {
		t.Errorf("the secret has %d characters, want 64", n)
	}
	if err := l.StopOperator(); err != nil {
		t.Fatal(err)
	}
	changeSpec(t, l, "once", func(spec *v1alpha1.TenantSpec) { spec.DisplayName = "changed while nobody looked" })
	if err := l.StartOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	becomesReady(t, l, "once")
	if !enrollmentSecret(t, l, "once").Equal(first) {
		t.Error("the enrollment secret changed")
	}
}

// Keys and certificate lie on the volume: a new pod serves the same agents.
func TestKeysSurviveThePod(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "lasting", v1alpha1.TenantSpec{})
	becomesReady(t, l, "lasting")
	got, err := enroll(t, l, "lasting", "lasting-web-01", enrollmentSecret(t, l, "lasting"))
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, l, "lasting", got)
	var pod corev1.Pod
	at := types.NamespacedName{Namespace: naming.Namespace("lasting"), Name: naming.Manager + "-0"}
	if err := l.Client.Get(t.Context(), at, &pod); err != nil {
		t.Fatal(err)
	}
	uid := pod.UID
	if err := l.Client.Delete(t.Context(), &pod); err != nil {
		t.Fatal(err)
	}
	select {
	case <-session.Done():
	case <-time.After(patience):
		t.Fatal("the session outlived its manager's pod")
	}
	eventually(t, "a new pod", func(ctx context.Context) (bool, error) {
		err := l.Client.Get(ctx, at, &pod)
		return err == nil && pod.UID != uid, client.IgnoreNotFound(err)
	})
	connect(t, l, "lasting", got)
	if _, err := enroll(t, l, "lasting", "lasting-web-02", enrollmentSecret(t, l, "lasting")); err != nil {
		t.Errorf("enroll at the new pod: %v", err)
	}
}

func suspend(t *testing.T, l *lab.Lab, slug string, suspended bool) {
	t.Helper()
	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) { spec.Suspended = suspended })
}

func gone(t *testing.T, l *lab.Lab, object client.Object, name types.NamespacedName) {
	t.Helper()
	eventually(t, name.String()+" is gone", func(ctx context.Context) (bool, error) {
		err := l.Client.Get(ctx, name, object)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

// switchFault plants a named fault in a tenant's manager, or removes it.
func switchFault(t *testing.T, l *lab.Lab, slug, fault string, on bool) {
	t.Helper()
	method := http.MethodPost
	if !on {
		method = http.MethodDelete
	}
	if err := control(t.Context(), l, method, slug, "/faults/"+fault, nil); err != nil {
		t.Fatal(err)
	}
}

// A certificate somebody else put into the named Secret is theirs: it is judged,
// and never replaced.
func TestASecretThatIsNotOursIsNotWritten(t *testing.T) {
	t.Parallel()
	l := installation(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.Namespace("own-cert"), Labels: map[string]string{naming.LabelTenant: "own-cert"}}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "theirs"}, Data: map[string][]byte{"tls.crt": []byte("not yet"), "tls.key": []byte("not yet")}}
	for _, object := range []client.Object{namespace, secret} {
		if err := l.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), namespace) })
	create(t, l, "own-cert", v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{TLS: v1alpha1.TLSSpec{SecretName: "theirs"}}})
	becomes(t, l, "own-cert", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonCertificateUnreadable)
	if got := key(t, l, "own-cert", "theirs", "tls.crt"); string(got) != "not yet" {
		t.Error("somebody else's Secret was overwritten")
	}
}

// A change that the API server refuses is told, and holds nothing else up.
func TestARefusedChangeHoldsNothingElseUp(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "resized", v1alpha1.TenantSpec{})
	becomesReady(t, l, "resized")
	changeSpec(t, l, "resized", func(spec *v1alpha1.TenantSpec) {
		spec.Manager.Deploy = &v1alpha1.ManagerDeploy{StorageSize: "99Gi"}
		spec.WazuhIngress.AllowedCIDRs = []string{"127.0.0.0/8"}
	})
	told := becomes(t, l, "resized", v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonObjectRejected)
	if !strings.Contains(told.Message, "StatefulSet wazuh-manager") || len(told.Message) > 700 {
		t.Errorf("the message has %d characters: %s", len(told.Message), told.Message)
	}
	var service corev1.Service
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace("resized"), Name: naming.ServiceAgents}, &service); err != nil {
		t.Fatal(err)
	}
	if len(service.Spec.LoadBalancerSourceRanges) != 1 {
		t.Error("the refused StatefulSet kept the Service from being changed")
	}
	told = becomes(t, l, "resized", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ReasonObjectRejected)
	if !strings.Contains(told.Message, "StatefulSet wazuh-manager") || !strings.Contains(told.Message, "this tenant's own spec asks for it") {
		t.Errorf("the pods are behind, and it is told so: %s", told.Message)
	}
	changeSpec(t, l, "resized", func(spec *v1alpha1.TenantSpec) { spec.Manager.Deploy = nil })
	becomes(t, l, "resized", v1alpha1.ConditionUpToDate, metav1.ConditionTrue, v1alpha1.ReasonOK)
}
