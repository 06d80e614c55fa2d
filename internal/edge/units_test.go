package edge

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// The guide's machine, really booted: systemd starts both units as a user without
// any right, with the account's token. Its agents stay while the edge is restarted
// and while HAProxy is upgraded from Debian 12's to Debian 13's and reloaded; a
// killed HAProxy comes back by itself; a stop ends them.
func TestTheUnitsOnAMachine(t *testing.T) {
	disk := machineDisk(t)
	plane, admin, _ := apiServer(t)
	manager := newEcho(t, "127.10.0.1", "m")
	address := ownAddress(t)
	m := boot(t, disk, machineFiles(t, admin, plane.Config(), address))
	m.soon("systemd takes orders", func() bool { _, err := m.try("systemctl", "list-jobs"); return err == nil })
	m.run("systemd-sysusers")
	m.run("systemctl", "enable", "--now", "soctalk-edge-haproxy", "soctalk-edge")
	m.active()
	m.powerless("soctalk-edge")
	m.powerless("soctalk-edge-haproxy")
	for n := range 2 {
		route := routeObject(fmt.Sprintf("t%d", n), "eu", n, manager.address())
		route.Spec.Ports[0].Limits = v1alpha1.RouteLimits{Sessions: 5000, Rate: 500_000}
		if err := admin.Create(t.Context(), route); err != nil {
			t.Fatal(err)
		}
	}
	m.soon("the machine's edge says that it carries both routes", func() bool { return carriers(t, admin) == 2 })
	s := &site{T: t, address: address} // where the machine listens
	agents := hold(t, s, 0, 50)
	load := startCalling(t, 4, s.port(1, 0))
	proxy, edge := m.mainProcess("soctalk-edge-haproxy"), m.mainProcess("soctalk-edge")
	first, before := m.worker()

	m.run("systemctl", "restart", "soctalk-edge")
	m.active()
	if m.mainProcess("soctalk-edge") == edge || m.mainProcess("soctalk-edge-haproxy") != proxy {
		t.Error("a restart of the edge is to restart the edge, and nothing else")
	}
	m.upgrade(disk)
	m.run("systemctl", "reload", "soctalk-edge-haproxy")
	m.active()
	second, after := m.worker()
	if first == second || before == after || m.mainProcess("soctalk-edge-haproxy") != proxy {
		t.Errorf("reloaded from HAProxy %s to %s, worker %s to %s, in process %s, which was %s", first, second, before, after, m.mainProcess("soctalk-edge-haproxy"), proxy)
	}
	load.end()
	for i, agent := range agents {
		if !answers(t, agent) {
			t.Errorf("agent %d was cut", i)
		}
	}
	t.Logf("HAProxy %s to %s: %d agents held, %s", first, second, len(agents), load.told())

	m.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "soctalk-edge-haproxy")
	for i, agent := range agents {
		if !ended(t, agent) {
			t.Fatalf("agent %d outlives HAProxy's death", i)
		}
	}
	m.soon("HAProxy is back and serves", func() bool {
		_, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001"))
		return err == nil && answer != "" && m.mainProcess("soctalk-edge-haproxy") != proxy
	})
	m.active()
	m.powerless("soctalk-edge-haproxy")
	agent := hold(t, s, 0, 1)[0]
	m.run("systemctl", "stop", "soctalk-edge-haproxy")
	if !ended(t, agent) {
		t.Error("an agent outlives HAProxy's stop")
	}
	if state, _ := m.try("systemctl", "is-failed", "soctalk-edge-haproxy"); state != "inactive" {
		t.Errorf("after a stop the unit is %q", state)
	}
}

// machineFiles are what the guide has a person install, with a token for the
// account of deploy/systemd.
func machineFiles(t *testing.T, admin client.Client, api *rest.Config, address string) map[string]string {
	t.Helper()
	const folder = "../../deploy/systemd"
	program := filepath.Join(t.TempDir(), "soctalk-ingress")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/soctalk-ingress")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v: %s", err, out)
	}
	server := strings.Replace(read(t, folder, "kubeconfig"), "https://kubernetes.soc.mssp.example.com:6443", api.Host, 1)
	arguments := fmt.Sprintf("EDGE_ARGS=--region eu --kubeconfig /etc/soctalk-edge/kubeconfig --name machine --address %s --ports %d-%d --check 2s\n",
		netip.MustParseAddr(address), firstPort, lastPort)
	return map[string]string{
		"usr/local/bin/soctalk-ingress":                   read(t, program),
		"etc/systemd/system/soctalk-edge.service":         read(t, folder, "soctalk-edge.service"),
		"etc/systemd/system/soctalk-edge-haproxy.service": read(t, folder, "soctalk-edge-haproxy.service"),
		"usr/lib/sysusers.d/soctalk-edge.conf":            read(t, folder, "soctalk-edge.sysusers"),
		"etc/soctalk-edge/edge.env":                       arguments,
		"etc/soctalk-edge/kubeconfig":                     server,
		"etc/soctalk-edge/token":                          machineAccount(t, admin, api, read(t, folder, "account.yaml")),
		"etc/soctalk-edge/ca.crt":                         string(api.CAData),
	}
}

// documents are the objects of some YAML.
func documents(t *testing.T, text string) (objects []*unstructured.Unstructured) {
	t.Helper()
	for document := range strings.SplitSeq(text, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	return objects
}

// machineAccount applies account.yaml and returns the token the cluster puts into
// its Secret. With it Routes can be read, and Secrets cannot.
func machineAccount(t *testing.T, admin client.Client, api *rest.Config, accounts string) (token string) {
	t.Helper()
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	namespace.SetName("soctalk-system")
	objects := []*unstructured.Unstructured{namespace}
	leases := read(t, "../../charts/soctalk-ingress/files/edge", "leases.yaml") // as the operator's chart installs it
	objects = append(objects, documents(t, leases+"---\n"+accounts)...)
	secret := &unstructured.Unstructured{}
	for _, object := range objects {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatalf("account.yaml: %v", err)
		}
		if object.GetKind() == "Secret" {
			secret = object
		}
	}
	(&site{T: t}).eventually("the Secret has a token", func() bool {
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
			return false
		}
		encoded, _, _ := unstructured.NestedString(secret.Object, "data", "token")
		text, err := base64.StdEncoding.DecodeString(encoded)
		token = string(text)
		return err == nil && token != ""
	})
	account, err := client.New(&rest.Config{Host: api.Host, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: api.CAData}},
		client.Options{Scheme: admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	if err := account.List(t.Context(), &v1alpha1.RouteList{}); err != nil {
		t.Errorf("the account may not read Routes: %v", err)
	}
	secrets := &unstructured.UnstructuredList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := account.List(t.Context(), secrets); !apierrors.IsForbidden(err) {
		t.Errorf("the account may read Secrets: %v", err)
	}
	return token
}
