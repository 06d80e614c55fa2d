package managerapi_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

func credentials() map[string][]byte {
	return map[string][]byte{naming.KeyAPIUsername: []byte("operator"), naming.KeyAPIPassword: []byte("letters")}
}

func attach(a v1alpha1.ManagerAttach) v1alpha1.ManagerSpec { return v1alpha1.ManagerSpec{Attach: &a} }

func TestSecretNames(t *testing.T) {
	for name, test := range map[string]struct {
		spec        v1alpha1.ManagerSpec
		user, trust string
	}{
		"deployed":          {v1alpha1.ManagerSpec{}, naming.SecretAPI, naming.SecretAPITLS},
		"attached":          {attach(v1alpha1.ManagerAttach{}), naming.SecretAPI, ""},
		"attached, its own": {attach(v1alpha1.ManagerAttach{APICredentialsSecret: "user", APICASecret: "ca"}), "user", "ca"},
	} {
		if user, trust := managerapi.SecretNames(test.spec); user != test.user || trust != test.trust {
			t.Errorf("%s: %q and %q, want %q and %q", name, user, trust, test.user, test.trust)
		}
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	junk := map[string][]byte{naming.KeyTLSCA: []byte("no certificate")}
	for name, test := range map[string]struct {
		options managerapi.Options
		missing bool
		want    string
	}{
		"no credentials": {managerapi.Options{Slug: "acme", Authority: junk}, true, "tenant-acme/" + naming.SecretAPI},
		"no authority":   {managerapi.Options{Slug: "acme", Credentials: credentials()}, true, "tenant-acme/" + naming.SecretAPITLS},
		"junk authority": {managerapi.Options{Slug: "acme", Credentials: credentials(), Authority: junk}, false, "no PEM certificate found"},
	} {
		_, _, err := managerapi.Open(test.options)
		var missing *managerapi.MissingSecret
		if err == nil || errors.As(err, &missing) != test.missing || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// Whoever is dialled must be this tenant's manager, unless the spec waives that.
func TestOpenJudgesWhoAnswers(t *testing.T) {
	// A certificate of its own authority, for example.com: another's manager.
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}
	authority := map[string][]byte{naming.KeyTLSCA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})}
	for name, test := range map[string]struct {
		spec    v1alpha1.ManagerSpec
		refused bool
	}{
		"another's name":    {v1alpha1.ManagerSpec{}, true},
		"unknown to us":     {attach(v1alpha1.ManagerAttach{}), true},
		"whoever it may be": {attach(v1alpha1.ManagerAttach{InsecureSkipAPIVerify: true}), false},
	} {
		api, closeAPI, err := managerapi.Open(managerapi.Options{
			Slug: "acme", Manager: test.spec, Credentials: credentials(), Authority: authority, Dial: dial, Timeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		_, err = api.ManagerInfo(t.Context())
		closeAPI()
		if err == nil || strings.Contains(err.Error(), "certificate") != test.refused {
			t.Errorf("%s: error %v, want refused for the certificate: %v", name, err, test.refused)
		}
	}
}

func TestPodReady(t *testing.T) {
	ready := corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}
	leaving := *ready.DeepCopy()
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	if !managerapi.PodReady(ready) || managerapi.PodReady(leaving) || managerapi.PodReady(corev1.Pod{}) {
		t.Error("only a ready pod that stays is ready")
	}
}
