package lab_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const theirPassword = "authd-of-somebody-else-0123456789"

// selfSigned is the kind of certificate authd's own installation makes: signed by
// itself, long valid, and without a name anybody asks for.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "wazuh"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// attachTheirs makes a tenant of a manager somebody else runs, which has a password
// and a certificate of its own, and puts the gateway in front of it.
func attachTheirs(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	attachTheirsIn(t, l, slug, "")
}

func attachTheirsIn(t *testing.T, l *lab.Lab, slug, region string) {
	t.Helper()
	// A manager of ours first: namespace and credentials of the API are its.
	create(t, l, slug, v1alpha1.TenantSpec{Region: region, Enrollment: v1alpha1.EnrollmentDirect})
	becomesReady(t, l, slug)
	cert, private := selfSigned(t)
	for name, data := range map[string]map[string][]byte{
		"their-authd":    {naming.KeyEnrollment: []byte(theirPassword + "\n")},
		"their-tls":      {naming.KeyTLSCert: cert, naming.KeyTLSKey: private},
		"their-authd-ca": {naming.KeyTLSCA: cert},
	} {
		object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace(slug), Name: name}, Data: data}
		if err := l.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) {
		spec.Enrollment = v1alpha1.EnrollmentGateway
		spec.Manager.Attach = &v1alpha1.ManagerAttach{
			Selector:             map[string]string{naming.LabelName: "my-own-wazuh"},
			APICredentialsSecret: naming.SecretAPI, APICASecret: naming.SecretAPITLS,
			EnrollmentPasswordSecret: "their-authd", EnrollmentCASecret: "their-authd-ca",
		}
	})
	gone(t, l, newStatefulSet(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: naming.Manager})
	ownManagerWith(t, l.Client, slug, map[string]any{
		"enrollment":   map[string]any{"create": false, "mode": "direct", "secretName": "their-authd"},
		"wazuhIngress": map[string]any{"hostname": slug + "." + domain, "tls": map[string]any{"secretName": "their-tls"}},
	})
	becomesReady(t, l, slug)
}

func changeSpec(t *testing.T, l *lab.Lab, slug string, how func(*v1alpha1.TenantSpec)) {
	t.Helper()
	tenant := get(t, l, slug)
	change(t, l, tenant, func() { how(&tenant.Spec) })
}

// In front of a manager somebody else runs, agents show the tenant's secret and
// the gateway shows authd's, which serves nobody else at the tenant's address.
func TestTheGatewayInFrontOfSomebodyElsesManager(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "theirs"
	attachTheirs(t, l, slug)
	old := enrollmentSecret(t, l, slug)
	fresh, err := enroll(t, l, slug, "theirs-web-01", old)
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, l, slug, fresh)
	sends(t, l, slug, session, "theirs-first")
	_, err = enroll(t, l, slug, "theirs-around", wazuh.NewSecret(theirPassword))
	isRefused(t, "authd's own password", err)

	before := managerOf(t, l, slug)
	askRotation(t, l, slug, "turn overlap=0s")
	rotationReaches(t, l, slug, "turn overlap=0s", v1alpha1.RotationDone)
	if takes(t, l, slug, "theirs-late", old) || !takes(t, l, slug, "theirs-new", enrollmentSecret(t, l, slug)) {
		t.Error("the old secret is accepted, or the new one refused")
	}

	startHosts(t, l, slug, "theirs-thief")
	succeed(t, l, "token", "create", slug, "once", "--max-uses", "1", "--wait", "--timeout", "90s")
	once := tokenSecret(t, l, slug, "once")
	if _, err := enroll(t, l, slug, "theirs-once", once); err != nil {
		t.Fatal(err)
	}
	succeed(t, l, "agents", "revoke", slug, "theirs-thief", "--why", "stolen", "--yes", "--wait", "--timeout", "90s")
	gatewayStartsAnew(t, l, slug, func() error {
		_, err := enroll(t, l, slug, "theirs-knock", wazuh.NewSecret("nobody-has-this-secret"))
		return err
	})
	_, err = enroll(t, l, slug, "theirs-twice", once)
	isRefused(t, "a token that was used before the gateway was restarted", err)
	_, err = enroll(t, l, slug, "theirs-thief", enrollmentSecret(t, l, slug))
	isRefused(t, "a revoked agent", err)
	if !takes(t, l, slug, "theirs-after", enrollmentSecret(t, l, slug)) {
		t.Error("the secret is refused after the gateway's restart")
	}
	sends(t, l, slug, session, "theirs-last")
	if after := managerOf(t, l, slug); after.PID != before.PID {
		t.Error("the manager was restarted")
	}
}

// A live tenant goes to direct and back: no session is cut, and each mode takes its
// own secret only.
func TestAnAttachedManagerChangesItsMode(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "switched"
	attachTheirs(t, l, slug)
	sessions := works(t, l, slug, 3)
	staysQuiet(t, l, slug)
	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) { spec.Enrollment = v1alpha1.EnrollmentDirect })
	becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonEnrollmentDirect)
	eventually(t, "the operator's endpoints are gone", func(ctx context.Context) (bool, error) {
		ours, err := endpointsOfOurs(ctx, l, slug)
		return len(ours) == 0, err
	})
	eventually(t, "the events port is served by the selector", func(context.Context) (bool, error) {
		err := ping(t, l, slug, "127.0.0.1")
		return err == nil, err
	})
	changeSpec(t, l, slug, func(spec *v1alpha1.TenantSpec) { spec.Enrollment = v1alpha1.EnrollmentGateway })
	becomesReady(t, l, slug)
	if !takes(t, l, slug, "switched-back", enrollmentSecret(t, l, slug)) || takes(t, l, slug, "switched-around", wazuh.NewSecret(theirPassword)) {
		t.Error("behind the gateway again, the tenant's secret is refused, or authd's accepted")
	}
	if alive := stillConnected(sessions); alive != len(sessions) {
		t.Errorf("%d of %d sessions survived", alive, len(sessions))
	}

	suspend(t, l, slug, true)
	eventually(t, "nobody gets in", func(ctx context.Context) (bool, error) {
		ours, err := endpointsOfOurs(ctx, l, slug)
		return len(ours) == 0 && ping(t, l, slug, "127.0.0.1") != nil, err
	})
	suspend(t, l, slug, false)
	becomesReady(t, l, slug)
	if !takes(t, l, slug, "switched-resumed", enrollmentSecret(t, l, slug)) {
		t.Error("after the suspension the secret is refused")
	}
	// Offboarding sees the secret refused at the gateway, and leaves the manager in a
	// namespace that is not ours.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.Namespace(slug)}}
	patch := []byte(`{"metadata":{"annotations":{"` + naming.AnnotationCreatedBy + `":null}}}`)
	if err := l.Client.Patch(t.Context(), namespace, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), namespace) })
	before := managerOf(t, l, slug)
	if err := l.Client.Delete(t.Context(), get(t, l, slug)); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: slug})
	if ours, err := endpointsOfOurs(t.Context(), l, slug); err != nil || len(ours) > 0 {
		t.Errorf("%d of the operator's endpoints are left (%v)", len(ours), err)
	}
	gateway := types.NamespacedName{Namespace: namespace.Name, Name: naming.ServiceGateway}
	gone(t, l, &appsv1.Deployment{}, gateway)
	gone(t, l, &corev1.PersistentVolumeClaim{}, gateway)
	if after := managerOf(t, l, slug); after.PID != before.PID {
		t.Error("the manager was restarted")
	}
}

func endpointsOfOurs(ctx context.Context, l *lab.Lab, slug string) ([]discoveryv1.EndpointSlice, error) {
	var list discoveryv1.EndpointSliceList
	err := l.Client.List(ctx, &list, client.InNamespace(naming.Namespace(slug)), client.MatchingLabels{discoveryv1.LabelManagedBy: naming.Product})
	return list.Items, err
}

// sends has an event arrive at the manager.
func sends(t *testing.T, l *lab.Lab, slug string, session *wazuh.Session, marker string) {
	t.Helper()
	event := wazuh.Event{Queue: wazuh.QueueLocalFile, Location: "/var/log/auth.log", Text: canary(marker)}
	if err := session.SendEvent(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event "+marker, func(ctx context.Context) (bool, error) {
		found, err := hits(ctx, l, slug, marker)
		return found == 1, err
	})
}

// gatewayStartsAnew deletes the gateway's pod and waits until the next one answers
// those who knock without its secret.
func gatewayStartsAnew(t *testing.T, l *lab.Lab, slug string, knock func() error) {
	t.Helper()
	namespace := naming.Namespace(slug)
	before := l.Standin.GatewayAlone(namespace)
	if before == 0 {
		t.Fatal("no gateway runs")
	}
	err := l.Client.DeleteAllOf(t.Context(), &corev1.Pod{}, client.InNamespace(namespace), client.MatchingLabels{naming.LabelComponent: "gateway"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "another gateway runs", func(context.Context) (bool, error) {
		now := l.Standin.GatewayAlone(namespace)
		if now == 0 || now == before {
			return false, fmt.Errorf("its process is %d", now)
		}
		return true, nil
	})
	eventually(t, "the enrollment port is served", func(ctx context.Context) (bool, error) {
		var list discoveryv1.EndpointSliceList
		err := l.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: naming.ServiceAgents})
		for _, slice := range list.Items {
			for _, port := range slice.Ports {
				if port.Name != nil && *port.Name == naming.PortEnrollment && len(slice.Endpoints) == 1 && *slice.Endpoints[0].Conditions.Ready {
					return true, err
				}
			}
		}
		return false, err
	})
	becomesReady(t, l, slug)
	// Slices may name the pod of before for a moment longer; an answer is the next one's.
	eventually(t, "the next gateway answers", func(context.Context) (bool, error) {
		err := knock()
		var refused *wazuh.Refused
		if errors.As(err, &refused) {
			return true, nil
		}
		return false, err
	})
}
