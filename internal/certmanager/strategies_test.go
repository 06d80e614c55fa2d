package certmanager_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// shortLife is how long Pebble's certificates of profile "short" live. cert-manager
// renews them after two thirds of it.
const shortLife = 45 * time.Second

// The parts wait for others nearly all of their time, so all of them run at once,
// however few cores there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// One installation, because it takes half a minute to assemble; each part brings
// tenants of its own.
func TestCertificatesThroughCertManager(t *testing.T) {
	w := newWorld(t)
	// All at once, for cert-manager gives the record of a DNS-01 challenge a whole
	// minute after it has seen it.
	w.createRegion("own", domain, w.acme("pebble"))
	w.createRegion("short", "short."+domain, w.acme("pebble-short"))
	w.createRegion("moving", "moving."+domain, w.acme("pebble-quick"))
	w.createTenant("acme", "own", "")
	w.createTenant("brief", "short", "")
	w.createTenant("mover", "moving", "")
	w.createTenant("neighbour", "moving", "")
	for name, part := range map[string]func(*world){
		"OnePerTenant": onePerTenant, "Renewal": renewal, "FailingChallenge": failingChallenge,
		"RefusedName": refusedName, "MissingIssuer": missingIssuer, "Switch": switching, "Examples": examples,
		"HTTP01": http01, "WildcardByHTTP01": wildcardByHTTP01, "RateLimit": rateLimit, "AccountClosed": accountClosed, "AccountWanted": accountWanted,
		"OtherAuthorities": otherAuthorities, "AuthorityDown": authorityDown,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(&world{T: t, lab: w.lab, bind: w.bind, pebble: w.pebble, web: w.web, mssp: w.mssp})
		})
	}
}

// An agent that knows the tenant's hostname and Pebble's root, and nothing else,
// is satisfied with what the port shows.
func onePerTenant(w *world) {
	w.becomesReady("acme")
	served := w.meets("acme")
	host := "acme." + domain
	if err := served.Verify(host, roots(w.pebble.Root)); err != nil {
		w.Error(err)
	}
	if names := served.Names(); len(names) != 1 || names[0] != host {
		w.Errorf("it is for %q, want %q alone", names, host)
	}
	if serial := w.servedIsHeld("acme", whichever); serial != served.Serial() {
		w.Errorf("the status says that %s is served; an agent meets %s", serial, served.Serial())
	}
	w.expiryIsShown("acme", served)
	w.sheetHas("acme", w.pebble.Root)
	// A Region that does not say whom its agents trust leaves them with the system's
	// own authorities, and Pebble's is none of those; nor is a staging issuer's.
	silent := w.acme("pebble")
	silent.CABundle = ""
	w.choose("own", silent)
	message := w.becomes("acme", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonCertificateUntrusted)
	if !strings.Contains(message, "caBundle") || !strings.Contains(message, "Pebble") {
		w.Errorf("the condition says %q, want whom nobody trusts and what to do", message)
	}
	w.choose("own", w.acme("pebble"))
	w.becomesReady("acme")
	if left := w.bind.Lookup("_acme-challenge."+host, "TXT"); len(left) > 0 {
		w.Errorf("the challenge's record is still in the zone: %q", left)
	}
}

// A certificate that lives for seconds is renewed in time, and the port serves the
// new one.
func renewal(w *world) {
	w.becomesReady("brief")
	first := w.servedIsHeld("brief", whichever)
	began := time.Now()
	second := w.servedIsHeld("brief", func(c *v1alpha1.CertificateStatus) bool { return c.Serial != first })
	w.Logf("renewed and served %s after the first was seen", time.Since(began).Round(time.Second))
	served := w.meets("brief")
	if err := served.Verify("brief.short."+domain, roots(w.pebble.Root)); err != nil {
		w.Error(err)
	}
	if served.Serial() == first {
		w.Errorf("an agent still meets %s, the Secret has %s", first, second)
	}
}

// The zone refuses the record that would prove the name. The tenant says who
// refused, in the words of the one who did.
func failingChallenge(w *world) {
	w.createRegion("frozen", frozen, w.acme("pebble"))
	w.createTenant("icy", "frozen", "")
	message := w.becomes("icy", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonChallengeFailed)
	if !strings.Contains(message, "icy."+frozen) || !strings.Contains(message, "REFUSED") {
		w.Errorf("the condition says %q, want the name and the server's own word", message)
	}
}

// The ACME server will not issue for the name at all.
func refusedName(w *world) {
	w.createRegion("blocked", "blocked."+domain, w.acme("pebble"))
	w.createTenant("shut", "blocked", "")
	message := w.becomes("shut", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonCertificateIssuanceFailed)
	if !strings.Contains(message, "rejectedIdentifier") {
		w.Errorf("the condition says %q, want the ACME server's own reason", message)
	}
}

// A name that was mistyped is told as such; once the issuer is there, it goes on.
func missingIssuer(w *world) {
	w.createRegion("mistyped", "mistyped."+domain, w.acme("peeble"))
	w.createTenant("lost", "mistyped", "")
	message := w.becomes("lost", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonIssuerNotFound)
	if !strings.Contains(message, `ClusterIssuer "peeble" does not exist`) {
		w.Errorf("the condition says %q", message)
	}
	w.choose("mistyped", w.acme("pebble-quick"))
	w.becomesReady("lost")
}

// A live tenant goes through all ways to get a certificate, and back. Agents that
// come at any moment of it meet a certificate for the tenant's name.
func switching(w *world) {
	w.becomesReady("mover")
	w.becomesReady("neighbour")
	host := "mover.moving." + domain
	issuer := w.tenant("mover").Status.Certificate.Issuer

	agents := w.keepMeeting("mover", host)
	wildcard := v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateWildcard, IssuerRef: &v1alpha1.IssuerRef{Name: "pebble-quick"}, CABundle: string(w.pebble.Root)}
	w.choose("moving", wildcard)
	w.servedIsHeld("mover", func(c *v1alpha1.CertificateStatus) bool { return c.Serial == w.wildcardSerial() })
	if names := w.meets("mover").Names(); len(names) != 1 || names[0] != "*.moving."+domain {
		w.Errorf("with the wildcard, agents meet a certificate for %q", names)
	}
	w.servedIsHeld("neighbour", func(c *v1alpha1.CertificateStatus) bool { return c.Serial == w.wildcardSerial() })
	w.renewWildcard()
	w.nobodyElseReads()

	w.choose("moving", v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateInternalCA, IssuerRef: &v1alpha1.IssuerRef{Name: "mssp-ca"}})
	w.servedIsHeld("mover", func(c *v1alpha1.CertificateStatus) bool { return c.Issuer == "CN=Example MSSP Root" })
	if err := w.meets("mover").Verify(host, roots(w.mssp.CertPEM)); err != nil {
		w.Error(err)
	}
	if held := w.tlsSecret(naming.Namespace("mover"), naming.SecretTLS); !bytes.Equal(bytes.TrimSpace(held[naming.KeyTLSCA]), bytes.TrimSpace(w.mssp.CertPEM)) {
		w.Error("the authority for the onboarding kit is not the MSSP's")
	}
	w.sheetHas("mover", w.mssp.CertPEM)

	w.choose("moving", v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateBuiltInCA})
	w.servedIsHeld("mover", func(c *v1alpha1.CertificateStatus) bool { return c.Issuer == "CN=SocTalk Ingress CA" })

	w.choose("moving", w.acme("pebble-quick"))
	w.servedIsHeld("mover", func(c *v1alpha1.CertificateStatus) bool { return c.Issuer != "CN=SocTalk Ingress CA" })
	if err := w.meets("mover").Verify(host, roots(w.pebble.Root)); err != nil {
		w.Error(err)
	}
	w.becomesReady("mover")
	w.Logf("issued at first by %s, at last by %s", issuer, w.tenant("mover").Status.Certificate.Issuer)
	agents.end()
}

// What the guide shows, the API server accepts, cert-manager's kinds included.
func examples(w *world) {
	files, err := filepath.Glob("../../examples/certificates/*.yaml")
	if err != nil || len(files) < 3 {
		w.Fatalf("examples %q: %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.Fatal(err)
		}
		decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := decoder.Decode(object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				w.Fatal(err)
			}
			if object.GetName() == "mssp-ca" {
				object.SetName("mssp-ca-of-the-example") // the suite has one of that name
			}
			if err := w.lab.Client.Create(w.Context(), object, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
				w.Errorf("%s: %s %s: %v", filepath.Base(file), object.GetKind(), object.GetName(), err)
			}
		}
	}
}

// meetings are agents that come one after the other, for as long as something lasts.
type meetings struct {
	w      *world
	cancel context.CancelFunc
	done   sync.WaitGroup

	good    int
	bad     int
	serials []string // in the order in which they were met
	longest time.Duration
	wrong   error
	last    error // why the latest one that was not let in was not
}

const (
	// maxSilence is how long the port may be closed at a stretch. authd reads its
	// certificate only when it starts, and between its end and its start nobody
	// listens; a gateway in front of it has no such moment.
	maxSilence = 3 * time.Second
	// meetingPause leaves the two cores something to do the work with.
	meetingPause = 20 * time.Millisecond
)

// keepMeeting sends agents to a tenant's port, again and again. They show the
// right secret and a name that no agent can have, so they are refused for their
// name: all of the port was there, and no agent was made.
func (w *world) keepMeeting(slug, host string) *meetings {
	ctx, cancel := context.WithCancel(w.Context())
	m := &meetings{w: w, cancel: cancel}
	address := w.address(slug)
	secret := wazuh.NewSecret(strings.TrimSpace(string(w.tlsSecret(naming.Namespace(slug), naming.SecretEnrollment)[naming.KeyEnrollment])))
	m.done.Go(func() {
		last := time.Now()
		next := time.NewTicker(meetingPause)
		defer next.Stop()
		for ctx.Err() == nil {
			<-next.C
			leaf, err := meet(ctx, address, secret)
			if err != nil {
				m.bad, m.last = m.bad+1, err
				continue
			}
			m.good++
			m.longest, last = max(m.longest, time.Since(last)), time.Now()
			if serial := leaf.SerialNumber.Text(16); len(m.serials) == 0 || m.serials[len(m.serials)-1] != serial {
				m.serials = append(m.serials, serial)
			}
			if err := leaf.VerifyHostname(host); err != nil && m.wrong == nil {
				m.wrong = err
			}
		}
	})
	w.Cleanup(func() { cancel(); m.done.Wait() })
	return m
}

// meet returns what an agent was shown that got as far as its name.
func meet(ctx context.Context, address string, secret wazuh.Secret) (leaf *x509.Certificate, err error) {
	_, err = wazuh.Enroll(ctx, wazuh.EnrollOptions{
		Address: address, Timeout: 10 * time.Second,
		Request:     wazuh.EnrollRequest{Password: secret, Name: "x"},
		OnConnected: func(state tls.ConnectionState) { leaf = state.PeerCertificates[0] },
	})
	var refused *wazuh.Refused
	if errors.As(err, &refused) && refused.BadName() {
		return leaf, nil
	}
	return nil, fmt.Errorf("an agent was not told that its name is bad: %w", err)
}

func (m *meetings) end() {
	m.cancel()
	m.done.Wait()
	m.w.Logf("%d agents were let in, %d not; %d certificates one after the other, at most %s between two agents", m.good, m.bad, len(m.serials), m.longest.Round(time.Millisecond))
	if m.wrong != nil {
		m.w.Errorf("an agent met a certificate of somebody else: %v", m.wrong)
	}
	if m.longest > maxSilence {
		m.w.Errorf("the port was closed for %s at a stretch; at last: %v", m.longest, m.last)
	}
	if len(m.serials) < 5 {
		m.w.Errorf("agents met %d certificates, want one of each way: %q", len(m.serials), m.serials)
	}
}

func (w *world) wildcardSerial() string {
	held, err := w.readSecret(naming.DefaultSystemNamespace, naming.WildcardSecret("moving"))
	if err != nil {
		return ""
	}
	return serialOf(held[naming.KeyTLSCert])
}

// renewWildcard has cert-manager issue again, as "cmctl renew" does, and sees the
// copies follow.
func (w *world) renewWildcard() {
	w.Helper()
	before := w.wildcardSerial()
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"})
	key := types.NamespacedName{Namespace: naming.DefaultSystemNamespace, Name: naming.WildcardSecret("moving")}
	w.eventually("the wildcard's renewal is asked for", func(ctx context.Context) (bool, error) {
		if err := w.lab.Client.Get(ctx, key, certificate); err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(certificate.Object, "status", "conditions")
		conditions = append(conditions, map[string]interface{}{
			"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "renewed by a test",
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		})
		if err := unstructured.SetNestedSlice(certificate.Object, conditions, "status", "conditions"); err != nil {
			return false, err
		}
		err := w.lab.Client.Status().Update(ctx, certificate)
		return err == nil, err
	})
	w.eventually("the wildcard is renewed", func(context.Context) (bool, error) { return w.wildcardSerial() != before, nil })
	renewed := time.Now()
	for _, slug := range []string{"mover", "neighbour"} {
		w.eventually("the copy of "+slug+" follows", func(context.Context) (bool, error) {
			held, err := w.readSecret(naming.Namespace(slug), naming.SecretTLS)
			return err == nil && serialOf(held[naming.KeyTLSCert]) == w.wildcardSerial(), err
		})
	}
	w.Logf("both copies followed the renewed wildcard within %s", time.Since(renewed).Round(time.Millisecond))
	w.servedIsHeld("mover", func(c *v1alpha1.CertificateStatus) bool { return c.Serial == w.wildcardSerial() })
}

// nobodyElseReads: a tenant's own account reads no Secret of a neighbour, and not
// the source either.
func (w *world) nobodyElseReads() {
	w.Helper()
	config := rest.CopyConfig(w.lab.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + naming.Namespace("mover") + ":default",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + naming.Namespace("mover"), "system:authenticated"},
	}
	tenant, err := client.New(config, client.Options{})
	if err != nil {
		w.Fatal(err)
	}
	for namespace, name := range map[string]string{
		naming.DefaultSystemNamespace: naming.WildcardSecret("moving"), naming.Namespace("neighbour"): naming.SecretTLS,
	} {
		err := tenant.Get(w.Context(), types.NamespacedName{Namespace: namespace, Name: name}, &corev1.Secret{})
		if !apierrors.IsForbidden(err) {
			w.Errorf("a pod of mover may read Secret %s/%s: %v", namespace, name, err)
		}
	}
}
