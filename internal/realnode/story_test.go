//go:build linux

package realnode_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// What an MSSP does, from `helm install` to the last customer's leaving, on nodes
// that are real. The parts follow one another in one cluster.
func TestAnInstallation(t *testing.T) {
	c := cluster(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *realnode.Cluster)
	}{
		{"the operator is installed", operatorIsInstalled},
		{"two tenants at two addresses", twoTenantsAtTwoAddresses},
		{"two tenants at one edge", twoTenantsAtOneEdge},
		{"a second edge", aSecondEdge},
		{"nothing reaches a manager but what its policies let in", theFirewall},
		{"the edge's program dies", theEdgesProgramDies},
		{"HAProxy dies", haproxyDies},
		{"the edge's pod goes", theEdgesPodGoes},
		{"the edges are replaced one after another", edgesAreReplaced},
		{"a wrong value stops at one edge", aWrongValueStopsAtOneEdge},
		{"a secret is rotated, an agent revoked, a certificate replaced", secretsChange},
		{"the manager's pod goes", theManagersPodGoes},
		{"the page for links", thePageForLinks},
		{"helm upgrade changes a value", helmUpgradeChangesAValue},
		{"helm upgrade refuses a wrong value", helmUpgradeRefusesAWrongValue},
		{"a customer is suspended and comes back", aCustomerIsSuspended},
		{"the operator is uninstalled and comes back", theOperatorComesBack},
		{"a tenant of Helm alone", aTenantOfHelmAlone},
		{"a customer leaves", aCustomerLeaves},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, c) })
	}
	if t.Failed() {
		evidence(t, c)
	}
}

// helmImage are the values that name the images.
var helmImage = []string{"--set", "image.repository=" + realnode.ProductRepository, "--set", "image.tag=" + realnode.ProductTag}

func operatorIsInstalled(t *testing.T, c *realnode.Cluster) {
	// Without edges the chart fits the strictest admission.
	admit(t, c, "restricted")
	out, err := c.Helm(t.Context(), append([]string{"install", naming.Product, "../../charts/soctalk-ingress",
		"--namespace", naming.DefaultSystemNamespace, "--create-namespace", "--wait", "--timeout", "3m"}, helmImage...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	// The lease is taken by a pod, with the rights of its own account.
	eventually(t, "the operator holds its lease", func(ctx context.Context) (bool, error) {
		holder, err := c.Kubectl(ctx, "--namespace", naming.DefaultSystemNamespace, "get", "leases", "-o", "jsonpath={.items[*].spec.holderIdentity}")
		return strings.HasPrefix(holder, naming.Product+"-"), err
	})
}

// admit sets what Pod Security lets into the operator's namespace.
func admit(t *testing.T, c *realnode.Cluster, level string) {
	t.Helper()
	if err := c.Apply(t.Context(), "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: "+naming.DefaultSystemNamespace+
		"\n  labels: {pod-security.kubernetes.io/enforce: "+level+"}\n"); err != nil {
		t.Fatal(err)
	}
}

const regionEU = `
apiVersion: ingress.soctalk.io/v1alpha1
kind: Region
metadata: {name: eu}
spec:
  domain: soc.mssp.example.com
  default: true
  loadBalancer: {preset: metallb, pool: agents}
  certificates: {strategy: built-in-ca}
  dns: {mode: none}
---
apiVersion: ingress.soctalk.io/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  displayName: Acme GmbH
  wazuhIngress: {allowedCIDRs: [203.0.113.0/24]}
---
apiVersion: ingress.soctalk.io/v1alpha1
kind: Tenant
metadata: {name: beta}
spec: {displayName: Beta AG}
`

func twoTenantsAtTwoAddresses(t *testing.T, c *realnode.Cluster) {
	if err := c.Apply(t.Context(), regionEU); err != nil {
		t.Fatal(err)
	}
	agents := map[string]netip.Addr{"acme": netip.MustParseAddr("203.0.113.11"), "beta": netip.MustParseAddr("203.0.113.12")}
	for slug, address := range agents {
		ready(t, c, slug)
		sendsEvent(t, machine{c, address}, slug)
	}
	separate(t, c, agents)
}

// sendsEvent has an agent enroll, connect and send an event, which arrives.
func sendsEvent(t *testing.T, m machine, slug string) *wazuh.Session {
	t.Helper()
	return sendsEventAs(t, m, slug, slug+"-web-01")
}

func sendsEventAs(t *testing.T, m machine, slug, name string) *wazuh.Session {
	t.Helper()
	key, err := m.enroll(t, slug, name, enrollmentSecret(t, m.c, slug))
	if err != nil {
		t.Fatal(err)
	}
	session := m.connect(t, slug, key)
	arrives(t, m.c, session, slug)
	return session
}

// arrives sends an event of a tenant's agent, which comes to its manager.
func arrives(t *testing.T, c *realnode.Cluster, session *wazuh.Session, slug string) {
	t.Helper()
	if err := session.SendEvent(t.Context(), canary("mark-of-"+slug)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event arrives at "+slug, func(ctx context.Context) (bool, error) {
		found, err := alerts(ctx, c, slug)
		return strings.Contains(found, "mark-of-"+slug), err
	})
}

// separate: nothing of one tenant is found at another, and no secret of one opens
// another's door.
func separate(t *testing.T, c *realnode.Cluster, agents map[string]netip.Addr) {
	t.Helper()
	for own, address := range agents {
		for other := range agents {
			if own == other {
				continue
			}
			if found, err := alerts(t.Context(), c, other); err != nil || strings.Contains(found, "mark-of-"+own) {
				t.Errorf("%s's event at %s (%v):\n%s", own, other, err, found)
			}
			_, err := machine{c, address}.enroll(t, other, "intruder", enrollmentSecret(t, c, own))
			var refused *wazuh.Refused
			if !errors.As(err, &refused) || !refused.WrongPassword() {
				t.Errorf("%s's secret at %s's door: %v", own, other, err)
			}
		}
	}
}

// helmUpgradeChangesAValue: the operator's pod is another one; edges and managers,
// and with them the agents, are left alone.
func helmUpgradeChangesAValue(t *testing.T, c *realnode.Cluster) {
	acme, delta := machine{c, netip.MustParseAddr("203.0.113.14")}, machine{c, netip.MustParseAddr("203.0.113.24")}
	held := []*wazuh.Session{sendsEventAs(t, acme, "acme", "acme-up-01"), sendsEventAs(t, delta, "delta", "delta-up-01")}
	edge, err := edgePod(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	upgrade(t, c, "", "--set", "log.level=debug")
	// The former pod may be there for a moment yet.
	eventually(t, "the new value is in force", func(ctx context.Context) (bool, error) {
		out, err := c.Kubectl(ctx, "--namespace", naming.DefaultSystemNamespace, "logs", "deployment/"+naming.Product, "--all-pods", "--tail", "-1")
		return strings.Contains(out, `"level":"DEBUG"`), err
	})
	for _, slug := range []string{"acme", "delta"} {
		ready(t, c, slug)
	}
	for _, session := range held {
		if err := session.KeepAlive(t.Context()); err != nil {
			t.Errorf("an agent noticed the upgrade: %v", err)
		}
	}
	if after, err := edgePod(t.Context(), c); err != nil || after.UID != edge.UID {
		t.Errorf("the edge's pod was replaced (%v)", err)
	}
}

// aCustomerLeaves: what was its own is gone, and the neighbour at the same edge
// notices nothing.
func aCustomerLeaves(t *testing.T, c *realnode.Cluster) {
	neighbour := sendsEventAs(t, machine{c, deltaAgent}, "delta", "delta-db-01")
	gamma, d := machine{c, gammaAgent}, doorOf(tenant(t, c, "gamma"))
	report := filepath.Join(t.TempDir(), "gamma.json")
	began := time.Now()
	out, err := product(t.Context(), c, "tenant", "offboard", "gamma", "--why", "moved away", "--yes", "--report", report)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("offboarded in %s:\n%s", time.Since(began).Round(time.Millisecond), out)
	if out, err := product(t.Context(), c, "report", "verify", report); err != nil {
		t.Error(err, out)
	}
	if out, err := c.Kubectl(t.Context(), "get", "namespace", naming.Namespace("gamma")); err == nil {
		t.Errorf("the namespace is still there: %s", out)
	}
	eventually(t, "gamma's port answers with a reset", func(ctx context.Context) (bool, error) {
		conn, err := gamma.dial(d.address)(ctx, "tcp", net.JoinHostPort(d.address, strconv.Itoa(int(d.enrollment))))
		if err != nil {
			return false, err
		}
		defer func() { _ = conn.Close() }()
		_, err = conn.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNRESET) {
			return false, err
		}
		return true, nil
	})
	if err := neighbour.KeepAlive(t.Context()); err != nil {
		t.Errorf("the neighbour's agent noticed: %v", err)
	}
}

// evidence is what one looks at when something does not come up.
func evidence(t *testing.T, c *realnode.Cluster) {
	for _, arguments := range [][]string{
		{"get", "pods", "--all-namespaces", "-o", "wide"},
		{"get", "services", "--all-namespaces"},
		{"get", "tenants,regions"},
		{"get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp"},
	} {
		out, err := c.Kubectl(context.Background(), arguments...)
		t.Logf("%v %v\n%s", arguments, err, out)
	}
	hold(t)
}
