package certmanager_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/certmanager"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
)

// behindFront makes an issuer of its own that asks Pebble through a front.
func (w *world) behindFront(name string) *certmanager.Front {
	w.Helper()
	front, err := w.pebble.StartFront(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(front.Stop)
	issuer := certmanager.ACMEIssuer{Name: name, Directory: front.Directory, DNS01: w.dns01(), Wait: time.Second}
	if err := w.pebble.CreateACMEIssuer(w.Context(), w.lab.Client, issuer); err != nil {
		w.Fatal(err)
	}
	w.issuerBecomesReady(name)
	return front
}

// issuerBecomesReady waits until cert-manager has registered an account.
func (w *world) issuerBecomesReady(name string) {
	w.Helper()
	issuer := &unstructured.Unstructured{}
	issuer.SetGroupVersionKind(schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "ClusterIssuer"})
	w.eventually("ClusterIssuer "+name+" is ready", func(ctx context.Context) (bool, error) {
		if err := w.lab.Client.Get(ctx, types.NamespacedName{Name: name}, issuer); err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(issuer.Object, "status", "conditions")
		for _, item := range conditions {
			if condition, ok := item.(map[string]any); ok && condition["type"] == "Ready" {
				if condition["status"] == "True" {
					return true, nil
				}
				return false, fmt.Errorf("it says %v", condition["message"])
			}
		}
		return false, errors.New("it says nothing yet")
	})
}

// conditionSays is for messages that come later than their reason.
func (w *world) conditionSays(slug, reason, words string) func(context.Context) (bool, error) {
	return func(context.Context) (bool, error) {
		tenant, err := w.read(slug)
		if err != nil {
			return false, err
		}
		now := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionCertificateReady)
		if now == nil {
			return false, errors.New("no condition yet")
		}
		if now.Reason == reason && strings.Contains(now.Message, words) {
			return true, nil
		}
		return false, fmt.Errorf("it is %s: %s", now.Reason, now.Message)
	}
}

// says checks that a condition's message has all of some words in it.
func (w *world) says(message string, words ...string) {
	w.Helper()
	for _, word := range words {
		if !strings.Contains(message, word) {
			w.Errorf("the condition says %q, want %q in it", message, word)
		}
	}
}

// Too many certificates this week. The tenant says so in the authority's words, until
// when, and when cert-manager asks next; then the limit ends, and nobody does anything.
func rateLimit(w *world) {
	front := w.behindFront("limited")
	front.Fail(certmanager.FaultRateLimited, 30*time.Second)
	w.createRegion("limited", "limited."+domain, w.acme("limited"))
	w.createTenant("patient", "limited", "")
	// The order fails a moment before the Certificate knows when it is to try again.
	w.eventually("the tenant says when cert-manager asks again", w.conditionSays("patient", v1alpha1.ReasonACMERateLimited, "cert-manager's last attempt was at "))
	message := w.becomes("patient", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonACMERateLimited)
	ends := front.Ends()
	w.says(message, `too many certificates (50) already issued for "mssp.example.com" in the last 168h0m0s`,
		"its limit ends at "+ends.UTC().Format("2006-01-02 15:04")+" UTC", "nothing needs to be done")
	w.becomesReady("patient")
	if early := time.Until(ends); early > 0 {
		w.Errorf("there was a certificate %s before the limit's end", early)
	}
	w.Logf("refusals before the limit's end: %d; a certificate %s after it; the tenant had said: %s", front.Refused(), time.Since(ends).Round(time.Second), message)
}

// The account was closed. What the message says to do is done, and it helps.
func accountClosed(w *world) {
	front := w.behindFront("closed-account")
	front.Fail(certmanager.FaultAccountClosed, 0)
	w.createRegion("outcast", "outcast."+domain, w.acme("closed-account"))
	w.createTenant("outcast", "outcast", "")
	message := w.becomes("outcast", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonCertificateIssuanceFailed)
	w.says(message, `Account is not valid, has status "deactivated"`, "delete the Secret of the issuer's spec.acme.privateKeySecretRef")
	account := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: certmanager.Namespace, Name: certmanager.AccountSecret("closed-account")}}
	if err := w.lab.Client.Delete(w.Context(), account); err != nil {
		w.Fatal(err)
	}
	w.becomesReady("outcast")
}

// The authority keeps books of its own, and the issuer names no account in them.
func accountWanted(w *world) {
	const id, key = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	books, err := certmanager.StartPebble(w.Context(), certmanager.PebbleOptions{
		Binary: controlplanetest.Program(w.T, controlplane.CertManager), Dir: w.TempDir(), NameServer: w.bind.Address(),
		Profiles: map[string]time.Duration{"default": 90 * 24 * time.Hour}, Accounts: map[string]string{id: key},
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(books.Stop)
	for name, account := range map[string]*certmanager.ExternalAccount{"nobody": nil, "somebody": {KeyID: id, Key: key}} {
		if err := books.CreateACMEIssuer(w.Context(), w.lab.Client, certmanager.ACMEIssuer{Name: name, DNS01: w.dns01(), Wait: time.Second, Account: account}); err != nil {
			w.Fatal(err)
		}
	}
	asked := v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateACME, IssuerRef: &v1alpha1.IssuerRef{Name: "nobody"}, CABundle: string(books.Root)}
	w.createRegion("books", "books."+domain, asked)
	w.createTenant("reader", "books", "")
	message := w.becomes("reader", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonIssuerNotReady)
	w.says(message, `ClusterIssuer "nobody" is not ready`, "externalAccountRequired", "spec.acme.externalAccountBinding")
	asked.IssuerRef = &v1alpha1.IssuerRef{Name: "somebody"}
	w.choose("books", asked)
	w.becomesReady("reader")
}

// The zone's CAA record names other authorities.
func otherAuthorities(w *world) {
	front := w.behindFront("other")
	front.Fail(certmanager.FaultCAA, 0)
	w.createRegion("other", "other."+domain, w.acme("other"))
	w.createTenant("loyal", "other", "")
	message := w.becomes("loyal", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonCertificateIssuanceFailed)
	w.says(message, "CAA record for mssp.example.com prevents issuance", "a CAA record of the zone names other authorities", "makes the next by itself")
	front.Recover()
	w.becomesReady("loyal")
}

// The authority is away for a while. cert-manager writes that into its log alone; the
// tenant says at least who has not answered, and goes on by itself.
func authorityDown(w *world) {
	front := w.behindFront("away")
	front.Fail(certmanager.FaultDown, 0)
	w.createRegion("away", "away."+domain, w.acme("away"))
	w.createTenant("stayer", "away", "")
	w.eventually("the tenant says that the ACME server has not answered", w.conditionSays("stayer", v1alpha1.ReasonCertificateMissing, "the ACME server has not taken cert-manager's order"))
	front.Recover()
	w.becomesReady("stayer")
}
