//go:build linux

package realnode_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/realnode"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

var (
	acmeAgent    = netip.MustParseAddr("203.0.113.17")
	harbourAgent = netip.MustParseAddr("203.0.113.27")
)

// helmUpgradeRefusesAWrongValue: the chart's schema names it, and nothing changes.
func helmUpgradeRefusesAWrongValue(t *testing.T, c *realnode.Cluster) {
	before := generations(t, c)
	wrong := strings.Replace(bothEdges, "ports: 15140-15239", "ports: 15140 to 15239", 1)
	out, err := helmUpgrade(t, c, wrong)
	if err == nil || !strings.Contains(err.Error(), "/edges/0/ports") || !strings.Contains(err.Error(), "15140 to 15239") {
		t.Errorf("want a refusal that names the field and its value: %v %s", err, out)
	}
	if after := generations(t, c); after != before {
		t.Errorf("something was changed nevertheless: before %s, after %s", before, after)
	}
}

// generations changes when something Helm has installed does.
func generations(t *testing.T, c *realnode.Cluster) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), "--namespace", naming.DefaultSystemNamespace, "get", "deployments,daemonsets",
		"-o", `jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}/{.metadata.generation} {end}`)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// aCustomerIsSuspended: who is connected is sent away and nobody gets in, until the
// same agents come back with the keys they have. One at an address of its own, one
// at the edges, and the neighbour of each notices nothing.
func aCustomerIsSuspended(t *testing.T, c *realnode.Cluster) {
	neighbours := []*wazuh.Session{
		sendsEventAs(t, machine{c, betaAgent}, "beta", "beta-calm-01"), sendsEventAs(t, machine{c, deltaAgent}, "delta", "delta-calm-01")}
	for slug, address := range map[string]netip.Addr{"acme": acmeAgent, "gamma": gammaAgent} {
		m := machine{c, address}
		key, err := m.enroll(t, slug, slug+"-late-01", enrollmentSecret(t, c, slug))
		if err != nil {
			t.Fatal(err)
		}
		held := m.connect(t, slug, key)
		began := time.Now()
		if _, err := product(t.Context(), c, "tenant", "suspend", slug, "--why", "unpaid", "--wait"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-held.Done():
		case <-time.After(patience):
			t.Errorf("an agent of %s stays connected", slug)
		}
		t.Logf("%s is suspended after %s", slug, time.Since(began).Round(time.Millisecond))
		d := doorOf(tenant(t, c, slug))
		if _, err := m.enroll(t, slug, slug+"-late-02", enrollmentSecret(t, c, slug)); err == nil {
			t.Errorf("an agent of %s enrolls, which is suspended", slug)
		}
		if err := ping(t.Context(), m, d.address, d.events); err == nil {
			t.Errorf("the manager of %s answers, which is suspended", slug)
		}
		began = time.Now()
		if _, err := product(t.Context(), c, "tenant", "resume", slug, "--wait"); err != nil {
			t.Fatal(err)
		}
		m.connect(t, slug, key)
		t.Logf("%s's agent is back %s after", slug, time.Since(began).Round(time.Millisecond))
	}
	for _, session := range neighbours {
		if err := session.KeepAlive(t.Context()); err != nil {
			t.Errorf("a neighbour noticed: %v", err)
		}
	}
}

// theOperatorComesBack: `helm uninstall` takes the operator and the edges away, and
// no tenant. Agents at an address of their own notice nothing; those at the edges
// are back with the next installation, at the same ports and with the same keys.
func theOperatorComesBack(t *testing.T, c *realnode.Cluster) {
	kept := sendsEventAs(t, machine{c, acmeAgent}, "acme", "acme-kept-01")
	gamma := machine{c, gammaAgent}
	key, err := gamma.enroll(t, "gamma", "gamma-kept-01", enrollmentSecret(t, c, "gamma"))
	if err != nil {
		t.Fatal(err)
	}
	before := doorOf(tenant(t, c, "gamma"))
	system := []string{"--namespace", naming.DefaultSystemNamespace}
	values, err := c.Helm(t.Context(), append([]string{"get", "values", naming.Product, "-o", "yaml"}, system...)...)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := c.Helm(t.Context(), append([]string{"uninstall", naming.Product, "--wait", "--timeout", "3m"}, system...)...); err != nil {
		t.Fatal(err, out)
	}
	if left := generations(t, c); left != "" {
		t.Errorf("left in the operator's namespace: %s", left)
	}
	for _, slug := range []string{"acme", "beta", "gamma", "delta"} {
		tenant(t, c, slug)
	}
	if err := kept.KeepAlive(t.Context()); err != nil {
		t.Errorf("an agent noticed that the operator was uninstalled: %v", err)
	}
	if out, err := c.Helm(t.Context(), append([]string{"install", naming.Product, "../../charts/soctalk-ingress", "--wait", "--timeout", "3m",
		"--values", file(t, "kept.yaml", values)}, system...)...); err != nil {
		t.Fatal(err, out)
	}
	for _, slug := range []string{"acme", "beta", "gamma", "delta"} {
		ready(t, c, slug)
	}
	if after := doorOf(tenant(t, c, "gamma")); after != before {
		t.Errorf("gamma's agents went to %v, and have to go to %v now", before, after)
	}
	gamma.connect(t, "gamma", key)
	if err := kept.KeepAlive(t.Context()); err != nil {
		t.Errorf("an agent noticed that the operator came back: %v", err)
	}
}

// harbour is a tenant that no operator looks after: authd itself answers, and an
// indexer runs beside the manager.
const harbour = `
tenant: {slug: harbour}
wazuhIngress: {hostname: harbour.soc.mssp.example.com}
loadBalancer: {preset: metallb, pool: agents}
certificate: {create: false}
enrollment: {mode: direct}
networkPolicy: {egress: {restricted: true}}
indexer:
  deploy: true
  resources: {requests: {cpu: 10m, memory: 32Mi}}
`

// aTenantOfHelmAlone: what the tenant chart's own page says, with the policies of an
// indexer, and of a manager that reaches nothing else.
func aTenantOfHelmAlone(t *testing.T, c *realnode.Cluster) {
	namespace := naming.Namespace("harbour")
	if err := c.Apply(t.Context(), harbourObjects(t, c, namespace)); err != nil {
		t.Fatal(err)
	}
	install := []string{"install", namespace, "../../charts/soctalk-tenant", "--namespace", namespace, "--wait", "--timeout", "3m", "--values", file(t, "harbour.yaml", harbour)}
	if out, err := c.Helm(t.Context(), install...); err != nil {
		t.Fatal(err, out)
	}
	key := harbourAgentEnrolls(t, c)
	arrives(t, c, harbourConnects(t, c, key), "harbour")

	indexer, err := c.Kubectl(t.Context(), "--namespace", namespace, "get", "pod", "wazuh-indexer-0", "-o", "jsonpath={.status.podIP}")
	if err != nil {
		t.Fatal(err)
	}
	own, stranger := managerOf("harbour"), place{"stranger", "probe", "probe"}
	for _, try := range []struct {
		from place
		host string
		port int32
		want string
	}{
		{own, "wazuh-indexer", 9200, opens}, // by name, through the Service
		{own, managerPod(t, c, "beta").Status.PodIP, 1514, silence},
		{stranger, managerPod(t, c, "beta").Status.PodIP, 1514, opens},
		{stranger, indexer, 9200, silence},
		{managerOf("beta"), indexer, 9200, silence},
		{stranger, managerPod(t, c, "harbour").Status.PodIP, 55000, silence},
	} {
		try.from.meets(t, c, try.want, try.host, try.port)
	}

	// Secrets and volume outlive the release.
	if out, err := c.Helm(t.Context(), "uninstall", namespace, "--namespace", namespace, "--wait", "--timeout", "3m"); err != nil {
		t.Fatal(err, out)
	}
	if out, err := c.Helm(t.Context(), install...); err != nil {
		t.Fatal(err, out)
	}
	harbourConnects(t, c, key)
}

// harbourObjects are what the chart expects to be there. The certificates are
// beta's: it is not names that are looked at here.
func harbourObjects(t *testing.T, c *realnode.Cluster, namespace string) string {
	t.Helper()
	objects := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"
	for _, name := range []string{naming.SecretTLS, "wazuh-indexer-tls"} {
		objects += fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData:\n", name, namespace)
		for _, key := range []string{naming.KeyTLSCert, naming.KeyTLSKey, naming.KeyTLSCA} {
			objects += fmt.Sprintf("  %s: %q\n", key, secret(t, c, "beta", naming.SecretTLS, key))
		}
	}
	return objects + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: wazuh-indexer-credentials, namespace: " + namespace + "}\n" +
		"stringData: {username: admin, password: an-Indexer-1, internal_users.yml: \"\"}\n"
}

// harbourDoor is the address Kubernetes has given to the tenant of Helm alone.
func harbourDoor(t *testing.T, c *realnode.Cluster) string {
	t.Helper()
	var address string
	eventually(t, "harbour has an address", func(ctx context.Context) (bool, error) {
		var err error
		address, err = c.Kubectl(ctx, "--namespace", naming.Namespace("harbour"), "get", "service", naming.Manager, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
		return address != "", err
	})
	return address
}

// harbourAgentEnrolls at authd itself, as an agent that verifies nobody.
func harbourAgentEnrolls(t *testing.T, c *realnode.Cluster) (key wazuh.Key) {
	t.Helper()
	m, address := machine{c, harbourAgent}, harbourDoor(t, c)
	with := enrollmentSecret(t, c, "harbour")
	eventually(t, "an agent enrolls at harbour's authd", func(ctx context.Context) (bool, error) {
		var err error
		key, err = wazuh.Enroll(ctx, wazuh.EnrollOptions{Address: net.JoinHostPort(address, "1515"), Timeout: 10 * time.Second,
			Request: wazuh.EnrollRequest{Password: with, Name: "harbour-web-01"}, Dial: m.dial(address)})
		return err == nil, err
	})
	return key
}

func harbourConnects(t *testing.T, c *realnode.Cluster, key wazuh.Key) *wazuh.Session {
	t.Helper()
	d := door{harbourDoor(t, c), naming.PortNumber(naming.PortEvents), naming.PortNumber(naming.PortEnrollment)}
	return machine{c, harbourAgent}.connectAt(t, d, "harbour", key)
}
