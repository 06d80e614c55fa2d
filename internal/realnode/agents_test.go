//go:build linux

package realnode_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// patience bounds every wait.
const patience = 3 * time.Minute

func eventually(t *testing.T, what string, check func(context.Context) (bool, error)) {
	t.Helper()
	if err := realnode.Until(t.Context(), patience, what, check); err != nil {
		t.Fatal(err)
	}
}

func tenant(t *testing.T, c *realnode.Cluster, slug string) *v1alpha1.Tenant {
	t.Helper()
	var found v1alpha1.Tenant
	if err := c.Client.Get(t.Context(), types.NamespacedName{Name: slug}, &found); err != nil {
		t.Fatal(err)
	}
	return &found
}

// ready waits until a tenant is, and returns it.
func ready(t *testing.T, c *realnode.Cluster, slug string) *v1alpha1.Tenant {
	t.Helper()
	eventually(t, "tenant "+slug+" is ready", func(ctx context.Context) (bool, error) {
		var found v1alpha1.Tenant
		if err := c.Client.Get(ctx, types.NamespacedName{Name: slug}, &found); err != nil {
			return false, err
		}
		condition := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady)
		if condition == nil {
			return false, errors.New("no condition yet")
		}
		if condition.Status == metav1.ConditionTrue && condition.ObservedGeneration == found.Generation {
			return true, nil
		}
		return false, fmt.Errorf("%s: %s", condition.Reason, condition.Message)
	})
	return tenant(t, c, slug)
}

func secret(t *testing.T, c *realnode.Cluster, slug, name, key string) []byte {
	t.Helper()
	var held corev1.Secret
	if err := c.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, &held); err != nil {
		t.Fatal(err)
	}
	return held.Data[key]
}

func enrollmentSecret(t *testing.T, c *realnode.Cluster, slug string) wazuh.Secret {
	t.Helper()
	file := secret(t, c, slug, naming.SecretEnrollment, naming.KeyEnrollment)
	return wazuh.NewSecret(string(file[:len(file)-1]))
}

// door is where the agents of a tenant go.
type door struct {
	address            string
	events, enrollment int32
}

func doorOf(of *v1alpha1.Tenant) door {
	d := door{of.Status.Address, naming.PortNumber(naming.PortEvents), naming.PortNumber(naming.PortEnrollment)}
	if of.Status.EdgePorts != nil {
		d.events, d.enrollment = of.Status.EdgePorts.Events, of.Status.EdgePorts.Enrollment
	}
	return d
}

// machine is one of a customer's, in the internet.
type machine struct {
	c       *realnode.Cluster
	address netip.Addr
}

func (m machine) dial(to string) wazuh.DialFunc {
	dial := m.c.Internet.DialFrom(m.address)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return dial(ctx, network, net.JoinHostPort(to, port)) // no name server here knows the name
	}
}

// enroll asks for a key at one tenant's door with some secret, verifying the served
// certificate. It tries again after anything but an answer, as agents do.
func (m machine) enroll(t *testing.T, at, name string, with wazuh.Secret) (wazuh.Key, error) {
	t.Helper()
	of := tenant(t, m.c, at)
	d := doorOf(of)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret(t, m.c, at, naming.SecretTLS, naming.KeyTLSCA)) {
		t.Fatal("no authority in the tenant's TLS secret")
	}
	var got wazuh.Key
	var last error
	for range 5 {
		got, last = wazuh.Enroll(t.Context(), wazuh.EnrollOptions{
			Address: fmt.Sprintf("%s:%d", of.Status.Hostname, d.enrollment), CA: roots, Timeout: 10 * time.Second,
			Request: wazuh.EnrollRequest{Password: with, Name: name}, Dial: m.dial(d.address),
		})
		var refused *wazuh.Refused
		if last == nil || errors.As(last, &refused) {
			break
		}
	}
	return got, last
}

// connect opens the agent's session; a fresh key works once the manager has read it.
func (m machine) connect(t *testing.T, at string, key wazuh.Key) *wazuh.Session {
	t.Helper()
	return m.connectThrough(t, tenant(t, m.c, at).Status.Address, at, key)
}

// connectThrough is connect at an address that is not the first of the door's.
func (m machine) connectThrough(t *testing.T, address, at string, key wazuh.Key) *wazuh.Session {
	t.Helper()
	d := doorOf(tenant(t, m.c, at))
	d.address = address
	return m.connectAt(t, d, at, key)
}

// connectAt is connect at a door, whoever told where it is.
func (m machine) connectAt(t *testing.T, d door, at string, key wazuh.Key) *wazuh.Session {
	t.Helper()
	var session *wazuh.Session
	eventually(t, "agent "+key.Name+" connects at "+at, func(ctx context.Context) (bool, error) {
		var err error
		session, err = wazuh.Dial(ctx, fmt.Sprintf("%s:%d", d.address, d.events), wazuh.SessionOptions{Key: key, Handshake: 10 * time.Second, Dial: m.dial(d.address)})
		return err == nil, err
	})
	t.Cleanup(func() { _ = session.Shutdown(context.Background()) })
	if err := session.KeepAlive(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() { _ = session.Run(t.Context()) }() // as an agent does, until the test ends
	return session
}

// canary is an event that every manager has a rule for.
func canary(mark string) wazuh.Event {
	return wazuh.Event{Queue: wazuh.QueueLocalFile, Location: "/var/log/auth.log",
		Text: "Dec 29 10:00:01 web-01 sshd[4242]: Failed password for " + mark + " from 203.0.113.9 port 4711 ssh2"}
}

// alerts is what a tenant's manager has made of events.
func alerts(ctx context.Context, c *realnode.Cluster, slug string) (string, error) {
	return c.Kubectl(ctx, "--namespace", naming.Namespace(slug), "exec", naming.Manager+"-0", "--container", "wazuh-manager", "--",
		"cat", "/var/ossec/logs/alerts/alerts.json")
}

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}
