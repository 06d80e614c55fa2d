package certmanager_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/certmanager"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/probe"
	"github.com/soctalk/soctalk-ingress/internal/standin/node"
)

const (
	domain = "soc.mssp.example.com"
	frozen = "frozen.example.net"
	// patience bounds every wait; on a quiet machine they take some seconds.
	patience = 3 * time.Minute
)

// world is an installation with the real cert-manager, Pebble and BIND.
type world struct {
	*testing.T
	lab    *lab.Lab
	bind   *named.Server
	pebble *certmanager.Pebble
	web    *certmanager.Web
	mssp   *ca.Authority // the MSSP's own
}

// pause is how long cert-manager waits after a first failure, twice as long after
// the next; its own default is an hour.
const pause = 4 * time.Second

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	plane := controlplanetest.Binary(t)
	program := controlplanetest.Program(t, controlplane.CertManager)
	w.bind = named.Start(t, named.Options{Zones: []named.Zone{{Name: domain}, {Name: frozen, Frozen: true}}})
	// A short path: sockets are made below it.
	dir, err := os.MkdirTemp("", "certs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if out, err := exec.Command("go", "build", "-o", dir, "../../cmd/wazuhsim", "../../cmd/soctalk-ingress").CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v: %s", err, out)
	}
	if w.web, err = certmanager.StartWeb(w.bind.Address()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.web.Stop)
	w.pebble, err = certmanager.StartPebble(t.Context(), certmanager.PebbleOptions{
		Binary: program, Dir: dir, NameServer: w.bind.Address(), HTTPPort: w.web.Port, Blocked: []string{"blocked." + domain},
		Profiles: map[string]time.Duration{"default": 90 * 24 * time.Hour, "short": shortLife},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pebble.Stop)
	w.lab, err = lab.Start(t.Context(), lab.Options{
		Binary: plane, Simulator: filepath.Join(dir, "wazuhsim"), Dir: dir, Poll: time.Second, KeyReload: 200 * time.Millisecond,
		Images: map[string]node.Image{certmanager.SolverImage: {Path: program, Args: []string{certmanager.SolverCommand}}},
		Before: func(ctx context.Context, l *lab.Lab) error { return certmanager.Install(ctx, l.Client) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.lab.Stop)
	controllers, err := certmanager.Start(certmanager.Options{
		Binary: program, Kubeconfig: w.lab.Plane.Kubeconfig(), Dir: dir, NameServer: w.bind.Address(), WebProxy: w.web.Proxy, Pause: pause,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { certmanager.Stop(controllers) })
	t.Cleanup(func() { w.keepLogs(dir) })
	w.makeIssuers()
	return w
}

// keepLogs shows the end of what cert-manager and the operator said about a failure.
func (w *world) keepLogs(dir string) {
	if !w.Failed() {
		return
	}
	for _, name := range []string{"cert-manager.log", "operator.log", "pebble.log"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		w.Logf("the end of %s:\n%s", name, text[max(0, len(text)-6000):])
	}
}

// dns01 is how cert-manager proves names in BIND's zones.
func (w *world) dns01() *certmanager.DNS01 {
	return &certmanager.DNS01{Server: w.bind.Address(), KeyName: named.KeyName, Secret: w.bind.Secret()}
}

// makeIssuers: only "pebble" looks for its records itself, which takes a minute, as
// it does out there; the others let Pebble do it.
func (w *world) makeIssuers() {
	w.Helper()
	for _, issuer := range []certmanager.ACMEIssuer{
		{Name: "pebble", Profile: "default", DNS01: w.dns01()},
		{Name: "pebble-quick", Profile: "default", DNS01: w.dns01(), Wait: time.Second},
		{Name: "pebble-short", Profile: "short", DNS01: w.dns01(), Wait: time.Second},
		{Name: "pebble-http", Profile: "default", HTTP01: &certmanager.HTTP01{Class: ingressClass}},
	} {
		if err := w.pebble.CreateACMEIssuer(w.Context(), w.lab.Client, issuer); err != nil {
			w.Fatal(err)
		}
	}
	var err error
	if w.mssp, err = ca.New("Example MSSP Root", time.Now()); err != nil {
		w.Fatal(err)
	}
	if err := certmanager.CreateCAIssuer(w.Context(), w.lab.Client, "mssp-ca", w.mssp.Pair); err != nil {
		w.Fatal(err)
	}
}

// roots are what an agent is told to trust.
func roots(authorities ...[]byte) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, authority := range authorities {
		pool.AppendCertsFromPEM(authority)
	}
	return pool
}

// acme is a Region's choice of Pebble, which agents must be told to trust.
func (w *world) acme(issuer string) v1alpha1.CertificatesSpec {
	return v1alpha1.CertificatesSpec{
		Strategy: v1alpha1.CertificateACME, IssuerRef: &v1alpha1.IssuerRef{Name: issuer}, CABundle: string(w.pebble.Root),
	}
}

func (w *world) createRegion(name, domain string, certificates v1alpha1.CertificatesSpec) {
	w.Helper()
	w.createRegionOf(name, v1alpha1.RegionSpec{
		Domain: domain, DefaultMode: v1alpha1.ModeLoadBalancer, Certificates: certificates,
		DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone}, Quarantine: &metav1.Duration{},
	})
}

func (w *world) createRegionOf(name string, spec v1alpha1.RegionSpec) {
	w.Helper()
	region := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
	if err := w.lab.Client.Create(w.Context(), region); err != nil {
		w.Fatal(err)
	}
}

func (w *world) createTenant(slug, region, hostname string) {
	w.Helper()
	tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: slug}, Spec: v1alpha1.TenantSpec{Region: region}}
	tenant.Spec.WazuhIngress.Hostname = hostname
	if err := w.lab.Client.Create(w.Context(), tenant); err != nil {
		w.Fatal(err)
	}
}

// choose changes how a Region's tenants get their certificate.
func (w *world) choose(region string, certificates v1alpha1.CertificatesSpec) {
	w.Helper()
	var live v1alpha1.Region
	if err := w.lab.Client.Get(w.Context(), types.NamespacedName{Name: region}, &live); err != nil {
		w.Fatal(err)
	}
	before := live.DeepCopy()
	live.Spec.Certificates = certificates
	if err := w.lab.Client.Patch(w.Context(), &live, client.MergeFrom(before)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tenant(slug string) *v1alpha1.Tenant {
	w.Helper()
	tenant, err := w.read(slug)
	if err != nil {
		w.Fatal(err)
	}
	return tenant
}

// read is for those who wait: a busy API server may fail to answer once.
func (w *world) read(slug string) (*v1alpha1.Tenant, error) {
	var tenant v1alpha1.Tenant
	err := w.lab.Client.Get(w.Context(), types.NamespacedName{Name: slug}, &tenant)
	return &tenant, err
}

func (w *world) eventually(what string, check func(ctx context.Context) (bool, error)) {
	w.Helper()
	if err := lab.Until(w.Context(), patience, what, check); err != nil {
		w.Fatal(err)
	}
}

// becomes waits for a tenant's condition.
func (w *world) becomes(slug, condition string, status metav1.ConditionStatus, reason string) (message string) {
	w.Helper()
	w.eventually(fmt.Sprintf("tenant %s: %s=%s, %s", slug, condition, status, reason), func(context.Context) (bool, error) {
		tenant, err := w.read(slug)
		if err != nil {
			return false, err
		}
		now := meta.FindStatusCondition(tenant.Status.Conditions, condition)
		if now == nil {
			return false, fmt.Errorf("no condition %s yet", condition)
		}
		if message = now.Message; now.Status == status && now.Reason == reason {
			return true, nil
		}
		return false, fmt.Errorf("it is %s, %s: %s", now.Status, now.Reason, now.Message)
	})
	return message
}

func (w *world) becomesReady(slug string) {
	w.Helper()
	w.becomes(slug, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// address is where agents enroll with a tenant.
func (w *world) address(slug string) string {
	w.Helper()
	return net.JoinHostPort(w.tenant(slug).Status.Address, "1515")
}

// meets looks at the enrollment port from outside, as an agent.
func (w *world) meets(slug string) probe.Served {
	w.Helper()
	var served probe.Served
	w.eventually("an agent meets a certificate of "+slug, func(ctx context.Context) (bool, error) {
		var err error
		served, err = probe.Certificate(ctx, nil, w.address(slug))
		return err == nil, err
	})
	return served
}

// servedIsHeld waits until the operator says that the port serves what is in the
// Secret, and returns the serial.
func (w *world) servedIsHeld(slug string, is func(*v1alpha1.CertificateStatus) bool) string {
	w.Helper()
	var serial string
	w.eventually("tenant "+slug+" serves what its Secret holds", func(context.Context) (bool, error) {
		tenant, err := w.read(slug)
		if err != nil {
			return false, err
		}
		certificate := tenant.Status.Certificate
		if certificate == nil || certificate.Served == nil {
			return false, fmt.Errorf("the status knows of no served certificate: %+v", certificate)
		}
		serial = certificate.Serial
		if certificate.Served.Serial == certificate.Serial && certificate.NotServedSince == nil && is(certificate) {
			return true, nil
		}
		return false, fmt.Errorf("the Secret has %s by %s, the port %s", certificate.Serial, certificate.Issuer, certificate.Served.Serial)
	})
	return serial
}

func whichever(*v1alpha1.CertificateStatus) bool { return true }

func (w *world) tlsSecret(namespace, name string) map[string][]byte {
	w.Helper()
	held, err := w.readSecret(namespace, name)
	if err != nil {
		w.Fatal(err)
	}
	return held
}

func (w *world) readSecret(namespace, name string) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	err := w.lab.Client.Get(w.Context(), types.NamespacedName{Namespace: namespace, Name: name}, secret)
	return secret.Data, err
}
