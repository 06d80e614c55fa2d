package lab_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/record"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

var endpointKind = schema.GroupVersionKind{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpoint"}

// region makes a Region that the test's end removes.
func region(t *testing.T, l *lab.Lab, name string, spec v1alpha1.RegionSpec) {
	t.Helper()
	spec.Quarantine = &metav1.Duration{}
	made := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if err := l.Client.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), made) })
}

// reports waits until a tenant's condition has a reason, and its message some words.
func reports(t *testing.T, l *lab.Lab, slug, condition, reason string, words ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("tenant %s: %s is %s, with %q", slug, condition, reason, words), func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		if err := l.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
			return false, err
		}
		for _, now := range tenant.Status.Conditions {
			if now.Type != condition {
				continue
			}
			missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(now.Message, word) })
			if now.Reason == reason && !missing {
				return true, nil
			}
			return false, fmt.Errorf("it is %s: %s", now.Reason, now.Message)
		}
		return false, fmt.Errorf("no condition %s yet", condition)
	})
}

// answers waits until BIND answers so.
func answers(t *testing.T, server *named.Server, name, kind string, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s %s is %v", name, kind, want), func(context.Context) (bool, error) {
		if got := server.Lookup(name, kind); !slices.Equal(got, want) {
			return false, fmt.Errorf("BIND says %v", got)
		}
		return true, nil
	})
}

// withEndpoints installs external-dns's kind, as its own repository has it. An
// operator finds out at its start.
func withEndpoints(t *testing.T, l *lab.Lab) {
	t.Helper()
	module, err := controlplane.ModuleFolder(t.Context(), controlplane.ExternalDNS, "sigs.k8s.io/external-dns")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module, "config/crd/standard/dnsendpoints.externaldns.k8s.io.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	kind := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &kind.Object); err != nil {
		t.Fatal(err)
	}
	if err := l.Client.Create(t.Context(), kind); err != nil {
		t.Fatal(err)
	}
	eventually(t, "DNSEndpoints are served", func(ctx context.Context) (bool, error) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(endpointKind)
		err := l.Client.List(ctx, list)
		return err == nil, err
	})
	restartOperator(t, l)
}

func restartOperator(t *testing.T, l *lab.Lab) {
	t.Helper()
	if err := l.StopOperator(); err != nil {
		t.Fatal(err)
	}
	if err := l.StartOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// startExternalDNS runs external-dns's own plan, registry and provider on the
// DNSEndpoints of the operator's namespace; the function it returns ends it.
func startExternalDNS(t *testing.T, l *lab.Lab, binary string, server *named.Server, zone, owner string) (stop func()) {
	t.Helper()
	return runExternalDNS(t, binary, server, zone, "--kubeconfig", l.Plane.Kubeconfig(), "--namespace", naming.DefaultSystemNamespace,
		"--interval", "500ms", "--txt-owner-id", owner)
}

// runExternalDNS runs it in front of BIND.
func runExternalDNS(t *testing.T, binary string, server *named.Server, zone string, arguments ...string) (stop func()) {
	t.Helper()
	command := exec.Command(binary, append(arguments, "--rfc2136-host", "127.0.0.1", "--rfc2136-port", strconv.Itoa(int(server.Port())),
		"--rfc2136-zone", zone, "--rfc2136-tsig-keyname", named.KeyName)...)
	command.Env = append(os.Environ(), "EXTERNAL_DNS_RFC2136_TSIG_SECRET="+server.Secret())
	log, err := os.Create(filepath.Join(t.TempDir(), "external-dns.log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			text, _ := os.ReadFile(log.Name())
			t.Errorf("external-dns ended badly: %v\n%s", err, text)
		}
		_ = log.Close()
	}
	t.Cleanup(stop)
	return stop
}

// A tenant's name comes and goes through external-dns's own code and a real BIND:
// with the kind missing, a record of a person's in the way, external-dns away at
// the end, and BIND away in between.
func TestNamesThroughExternalDNS(t *testing.T) {
	l := installation(t)
	binary := controlplanetest.Program(t, controlplane.ExternalDNS)
	const zone, name = "isles.example.com", "skye.isles.example.com"
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: zone, Records: []string{"skye 60 IN A 192.0.2.99"}}}})
	region(t, l, "isles", v1alpha1.RegionSpec{Domain: zone, DNS: v1alpha1.DNSSpec{
		Mode: v1alpha1.DNSExternalDNS, ExternalDNS: &v1alpha1.ExternalDNSSpec{Source: v1alpha1.SourceEndpoint},
		OwnerID: "eu-1", Server: server.Address(), TTL: 60,
	}})
	create(t, l, "skye", v1alpha1.TenantSpec{Region: "isles"})
	reports(t, l, "skye", v1alpha1.ConditionReady, v1alpha1.ReasonKindNotInstalled, "DNSEndpoint", "restart the operator")
	withEndpoints(t, l)
	reports(t, l, "skye", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordWrong, "192.0.2.99", "127.0.0.1")
	server.Change(zone, nil, []string{name})
	reports(t, l, "skye", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonWaitingForRecord, "has not read DNSEndpoint")
	stop := startExternalDNS(t, l, binary, server, zone, "eu-1")
	becomesReady(t, l, "skye")
	status := get(t, l, "skye").Status
	answers(t, server, name, "A", status.Address)
	if marks := server.Lookup("a-"+name, "TXT"); len(marks) != 1 || !strings.Contains(marks[0], "external-dns/resource=crd/soctalk-system/tenant-skye") {
		t.Errorf("the mark says %q", marks)
	}
	if status.DNS.Zone != zone || !strings.Contains(status.DNS.Writer, "has read generation 1 of 1") {
		t.Errorf("status.dns is %+v", status.DNS)
	}
	server.Down()
	reports(t, l, "skye", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonDNSUnreachable, "connection refused")
	server.Up()
	becomesReady(t, l, "skye")
	stop()
	uid := string(get(t, l, "skye").UID)
	if err := l.Client.Delete(t.Context(), get(t, l, "skye")); err != nil {
		t.Fatal(err)
	}
	reports(t, l, "skye", v1alpha1.ConditionReady, v1alpha1.ReasonOffboarding, "external-dns has not removed it yet", status.Address)
	startExternalDNS(t, l, binary, server, zone, "eu-1")
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "skye"})
	evidence := fmt.Sprintf("%s is gone: %s no longer has it", name, server.Address())
	if steps := reportOf(t, l, "skye", uid).Steps; !slices.ContainsFunc(steps, func(step report.Step) bool { return strings.Contains(step.Evidence, evidence) }) {
		t.Errorf("no step has the evidence %q: %+v", evidence, steps)
	}
	answers(t, server, name, "A")
	answers(t, server, "a-"+name, "TXT")
}

// direct is a Region whose names the operator writes itself.
func direct(server *named.Server, zone, owner, secret string) v1alpha1.RegionSpec {
	return v1alpha1.RegionSpec{Domain: zone, DNS: v1alpha1.DNSSpec{
		Mode: v1alpha1.DNSDirect, OwnerID: owner, Server: server.Address(), TTL: 60,
		RFC2136: &v1alpha1.RFC2136Spec{Server: server.Address(), Zone: zone, TSIG: v1alpha1.TSIGSpec{
			KeyName: named.KeyName, Algorithm: "hmac-sha256", SecretRef: v1alpha1.SecretKeyRef{Name: secret, Key: naming.KeyTSIG},
		}},
	}}
}

func tsigSecret(t *testing.T, l *lab.Lab, name, value string) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultSystemNamespace, Name: name},
		StringData: map[string]string{naming.KeyTSIG: value},
	}
	if err := l.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), secret) })
	return secret
}

// The operator writes names itself: with no key, with a wrong one, with the right
// one; a hostname changes, another installation's record is in the way, and all of
// it goes with the tenant while the other installation's stays.
func TestNamesByUpdates(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const zone, name = "reefs.example.com", "coral.reefs.example.com"
	other := record.Owner{ID: "us-1", Resource: "tenant/atoll"}
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: zone, Records: []string{
		"* 60 IN A 192.0.2.250",
		"atoll 60 IN A 192.0.2.99",
		fmt.Sprintf("a-atoll 60 IN TXT %q", other.Text()),
	}}}})
	region(t, l, "reefs", direct(server, zone, "eu-1", "reefs-key"))
	create(t, l, "coral", v1alpha1.TenantSpec{Region: "reefs"})
	reports(t, l, "coral", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonDNSUpdateRefused, "reefs-key", naming.KeyTSIG)
	secret := tsigSecret(t, l, "reefs-key", "bm90LXRoZS1zZWNyZXQtYXQtYWxsLW5vdC1hdC1hbGw=")
	reports(t, l, "coral", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonDNSUpdateRefused, "BADSIG")
	change(t, l, secret, func() { secret.StringData = map[string]string{naming.KeyTSIG: server.Secret()} })
	becomesReady(t, l, "coral")
	address := get(t, l, "coral").Status.Address
	answers(t, server, name, "A", address)
	answers(t, server, "a-"+name, "TXT", record.Owner{ID: "eu-1", Resource: "tenant/coral"}.Text())

	tenant := get(t, l, "coral")
	change(t, l, tenant, func() { tenant.Spec.WazuhIngress.Hostname = "atoll." + zone })
	reports(t, l, "coral", v1alpha1.ConditionDNSPublished, v1alpha1.ReasonRecordOwnedByOther, "us-1", "192.0.2.99")
	tenant = get(t, l, "coral")
	change(t, l, tenant, func() { tenant.Spec.WazuhIngress.Hostname = "lagoon." + zone })
	becomesReady(t, l, "coral")
	answers(t, server, "lagoon."+zone, "A", address)
	answers(t, server, name, "A", "192.0.2.250") // the wildcard again
	answers(t, server, "a-"+name, "TXT")

	// While the tenant is suspended its name stays, so that nobody else's wildcard
	// answers for it, and agents find the way back by themselves.
	succeed(t, l, "tenant", "suspend", "coral", "--why", "test", "--wait", "--timeout", "90s")
	becomes(t, l, "coral", v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonOK)
	answers(t, server, "lagoon."+zone, "A", address)
	answers(t, server, "a-lagoon."+zone, "TXT", record.Owner{ID: "eu-1", Resource: "tenant/coral"}.Text())
	succeed(t, l, "tenant", "resume", "coral", "--wait", "--timeout", "90s")
	answers(t, server, "lagoon."+zone, "A", address)

	if err := l.Client.Delete(t.Context(), get(t, l, "coral")); err != nil {
		t.Fatal(err)
	}
	gone(t, l, &v1alpha1.Tenant{}, types.NamespacedName{Name: "coral"})
	answers(t, server, "lagoon."+zone, "A", "192.0.2.250")
	answers(t, server, "a-lagoon."+zone, "TXT")
	answers(t, server, "atoll."+zone, "A", "192.0.2.99")
	answers(t, server, "a-atoll."+zone, "TXT", other.Text())
}

func change(t *testing.T, l *lab.Lab, object client.Object, edit func()) {
	t.Helper()
	before, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", object)
	}
	edit()
	if err := l.Client.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}
