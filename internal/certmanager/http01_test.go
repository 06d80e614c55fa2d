package certmanager_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/probe"
)

const ingressClass = "public"

// HTTP-01 at an edge, with the operator writing the names: the name comes first, then
// port 80 of the edge's address must lead to the ingress controller, then there is a
// certificate, a manager, and agents that are let in.
func http01(w *world) {
	edge := w.lab.EdgeSpec()
	w.startEdge("web", edge)
	w.createSecret("web-tsig", map[string][]byte{naming.KeyTSIG: []byte(w.bind.Secret())})
	w.createRegionOf("web", v1alpha1.RegionSpec{
		Domain: "web." + domain, DefaultMode: v1alpha1.ModeEdgeHAProxy, Edge: edge, Certificates: w.acme("pebble-http"), Quarantine: &metav1.Duration{},
		DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSDirect, OwnerID: "web", Server: w.bind.Address(), TTL: 60, RFC2136: &v1alpha1.RFC2136Spec{
			Server: w.bind.Address(), Zone: domain,
			TSIG: v1alpha1.TSIGSpec{KeyName: named.KeyName, Algorithm: "hmac-sha256", SecretRef: v1alpha1.SecretKeyRef{Name: "web-tsig", Key: naming.KeyTSIG}},
		}},
	})
	w.createTenant("walker", "web", "")
	// A tenant with an address of its own, where nobody can answer on port 80.
	w.createRegion("closed", "closed."+domain, w.acme("pebble-http"))
	w.createTenant("hermit", "closed", "")

	const host = "walker.web." + domain
	message := w.becomes("walker", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonHTTP01Unanswered)
	w.Logf("with nobody on port 80: %s", message)
	w.becomes("walker", v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonOK)
	if found := w.bind.Lookup(host, "A"); !slices.Equal(found, edge.Addresses) {
		w.Errorf("BIND answers %q for %s, want the edge's %q before there is a certificate", found, host, edge.Addresses)
	}
	if held, err := w.readSecret(naming.Namespace("walker"), naming.SecretTLS); err == nil {
		w.Errorf("there is a certificate, and nobody could have fetched its proof: %d keys", len(held))
	}
	w.eventually("the condition says where port 80 must lead", w.conditionSays("walker", v1alpha1.ReasonHTTP01Unanswered, "ingress controller answer on port 80 of "+edge.Addresses[0]))

	controller, err := w.lab.Standin.StartIngress(ingressClass, net.JoinHostPort(edge.Addresses[0], strconv.Itoa(w.web.Port)))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(controller.Stop)
	w.becomesReady("walker")
	tenant := w.tenant("walker")
	served, err := probe.Certificate(w.Context(), nil, net.JoinHostPort(tenant.Status.Address, strconv.Itoa(int(tenant.Status.EdgePorts.Enrollment))))
	if err != nil {
		w.Fatal(err)
	}
	if err := served.Verify(host, roots(w.pebble.Root)); err != nil {
		w.Error(err)
	}
	w.solversAreGone("walker")

	message = w.becomes("hermit", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonHTTP01Unanswered)
	w.says(message, "port 80 of hermit.closed."+domain, "answers on 1514/1515 only", "DNS-01")
	// It does what the message says.
	w.choose("closed", w.acme("pebble-quick"))
	w.becomesReady("hermit")
}

// A wildcard cannot be proven by HTTP-01, and the tenant says so.
func wildcardByHTTP01(w *world) {
	star := v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateWildcard, IssuerRef: &v1alpha1.IssuerRef{Name: "pebble-http"}, CABundle: string(w.pebble.Root)}
	w.createRegion("star", "star."+domain, star)
	w.createTenant("gazer", "star", "")
	message := w.becomes("gazer", v1alpha1.ConditionCertificateReady, metav1.ConditionFalse, v1alpha1.ReasonCertificateIssuanceFailed)
	w.says(message, "no configured challenge solvers", "a wildcard needs DNS-01")
	star.IssuerRef = &v1alpha1.IssuerRef{Name: "pebble-quick"}
	w.choose("star", star)
	w.becomesReady("gazer")
}

// startEdge runs an edge with the real HAProxy for a Region.
func (w *world) startEdge(region string, spec *v1alpha1.EdgeSpec) {
	w.Helper()
	edge, err := w.lab.StartEdge(w.Context(), "edge-1", region, spec)
	if errors.Is(err, lab.ErrNoHAProxy) && os.Getenv("CI") == "" {
		w.Skip(err)
	}
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := edge.Stop(); err != nil {
			w.Errorf("stop the edge: %v", err)
		}
	})
}

// createSecret is for what a person puts into the operator's namespace.
func (w *world) createSecret(name string, data map[string][]byte) {
	w.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultSystemNamespace, Name: name}, Data: data}
	if err := w.lab.Client.Create(w.Context(), secret); err != nil {
		w.Fatal(err)
	}
}

// solversAreGone: what cert-manager put into the tenant's namespace for the proof
// does not stay there.
func (w *world) solversAreGone(slug string) {
	w.Helper()
	w.eventually("cert-manager's solver is gone from "+slug, func(ctx context.Context) (bool, error) {
		var ingresses networkingv1.IngressList
		if err := w.lab.Client.List(ctx, &ingresses, client.InNamespace(naming.Namespace(slug))); err != nil {
			return false, err
		}
		var pods corev1.PodList
		if err := w.lab.Client.List(ctx, &pods, client.InNamespace(naming.Namespace(slug)), client.HasLabels{"acme.cert-manager.io/http01-solver"}); err != nil {
			return false, err
		}
		if len(ingresses.Items)+len(pods.Items) == 0 {
			return true, nil
		}
		return false, fmt.Errorf("%d Ingresses, %d pods", len(ingresses.Items), len(pods.Items))
	})
}
