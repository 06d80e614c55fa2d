package lab_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// key reads one key of a Secret in a tenant's namespace.
func key(t *testing.T, l *lab.Lab, slug, name, key string) []byte {
	t.Helper()
	var held corev1.Secret
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, &held); err != nil {
		t.Fatal(err)
	}
	return held.Data[key]
}

// enrollmentSecret is the tenant's secret as an agent's authd.pass would give it.
func enrollmentSecret(t *testing.T, l *lab.Lab, slug string) wazuh.Secret {
	t.Helper()
	file := key(t, l, slug, naming.SecretEnrollment, naming.KeyEnrollment)
	return wazuh.NewSecret(string(file[:len(file)-1]))
}

// enroll asks for a key at one tenant's address with some secret, verifying the
// served certificate as an agent does that was told the authority.
func enroll(t *testing.T, l *lab.Lab, at, name string, secret wazuh.Secret) (wazuh.Key, error) {
	t.Helper()
	return enrollAs(t, l, at, wazuh.EnrollRequest{Password: secret, Name: name})
}

// enrollAs is enroll for a request of the test's own.
func enrollAs(t *testing.T, l *lab.Lab, at string, request wazuh.EnrollRequest) (wazuh.Key, error) {
	t.Helper()
	tenant := get(t, l, at)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(key(t, l, at, naming.SecretTLS, naming.KeyTLSCA)) {
		t.Fatal("no authority in the tenant's TLS secret")
	}
	return enrollPatiently(t, wazuh.EnrollOptions{
		Address: fmt.Sprintf("%s:%d", tenant.Status.Hostname, naming.PortNumber(naming.PortEnrollment)),
		Request: request,
		CA:      roots, Timeout: 30 * time.Second,
		Dial: dialPort(tenant.Status.Address),
	})
}

// enrollPatiently tries again after anything but a manager's answer, a few times,
// as agents do: the network in front of a fresh pod settles a moment after it.
func enrollPatiently(t *testing.T, options wazuh.EnrollOptions) (wazuh.Key, error) {
	t.Helper()
	var got wazuh.Key
	var last error
	for range 5 {
		got, last = wazuh.Enroll(t.Context(), options)
		var refused *wazuh.Refused
		if last == nil || errors.As(last, &refused) {
			return got, last
		}
	}
	return got, last
}

// connect opens an agent's session; a fresh key works once the manager has read it. The
// agent does not leave by itself, however long nobody says a word to it.
func connect(t *testing.T, l *lab.Lab, at string, key wazuh.Key) *wazuh.Session {
	t.Helper()
	address := fmt.Sprintf("%s:%d", get(t, l, at).Status.Address, naming.PortNumber(naming.PortEvents))
	var session *wazuh.Session
	eventually(t, "agent "+key.Name+" connects at "+at, func(ctx context.Context) (bool, error) {
		var err error
		session, err = wazuh.Dial(ctx, address, wazuh.SessionOptions{Key: key, Handshake: 5 * time.Second, Silence: time.Hour})
		return err == nil, err
	})
	t.Cleanup(func() { _ = session.Shutdown(context.Background()) })
	if err := session.KeepAlive(t.Context()); err != nil {
		t.Fatal(err)
	}
	return session
}

// managerAPI is a tenant's manager API, as the operator reaches it.
func managerAPI(t *testing.T, l *lab.Lab, slug string) *wazuh.API {
	t.Helper()
	read := func(name string) map[string][]byte {
		var held corev1.Secret
		if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, &held); err != nil {
			t.Fatal(err)
		}
		return held.Data
	}
	api, hangUp, err := managerapi.Open(managerapi.Options{
		Slug: slug, Credentials: read(naming.SecretAPI), Authority: read(naming.SecretAPITLS), Dial: l.Standin.DialContext, Timeout: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hangUp)
	return api
}

// control asks the simulated manager's control port.
func control(ctx context.Context, l *lab.Lab, method, slug, path string, answer any) error {
	manager, ok := l.Standin.Manager(naming.Namespace(slug))
	if !ok {
		return fmt.Errorf("no manager runs for %s", slug)
	}
	request, err := http.NewRequestWithContext(ctx, method, manager.Control+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// hits counts a text in a tenant's alerts.
func hits(ctx context.Context, l *lab.Lab, slug, text string) (int, error) {
	var answer struct {
		Hits struct {
			Total struct {
				Value int `json:"value"`
			} `json:"total"`
		} `json:"hits"`
	}
	err := control(ctx, l, http.MethodGet, slug, "/alerts?q="+text, &answer)
	return answer.Hits.Total.Value, err
}

func canary(marker string) string {
	return "Dec 29 10:00:01 web-01 sshd[4242]: Failed password for " + marker + " from 203.0.113.9 port 4711 ssh2"
}
