package lab_test

import (
	"context"
	"io"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/cli"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// letIn: working with tenants opens no tenant's namespace; the third role opens one.
func letIn(t *testing.T, l *lab.Lab, jane *caller) {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	for _, what := range []string{"GET " + here + "/agents", "GET " + here + "/secret", "GET " + here + "/onboarding"} {
		jane.refused(what, nil, http.StatusForbidden, "", "forbidden")
	}
	if err := l.Bind(t.Context(), "jane", lab.RoleAccess, naming.Namespace("browsed")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the role counts", func(context.Context) (bool, error) {
		code, _ := jane.send("GET "+here+"/secret", nil)
		return code == http.StatusOK, nil
	})
	// Another tenant stays closed.
	create(t, l, "not-janes", v1alpha1.TenantSpec{})
	jane.refused("POST /api/v1/tenants/not-janes/tokens", wire.TokenRequest{Name: "sneaked"}, http.StatusForbidden, "", "forbidden")
}

// tokenRevealed: a token's Secret has a name of its own, and revealing it is a right of
// its own, which the rights tell as it is.
func tokenRevealed(t *testing.T, l *lab.Lab, jane *caller) {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	namespace := naming.Namespace("browsed")
	right := func(action string) wire.Right {
		rights := want[wire.Rights](jane, "GET "+here+"/rights", nil, http.StatusOK).Rights
		return rights[slices.IndexFunc(rights, func(right wire.Right) bool { return right.Action == action })]
	}
	if own := right(wire.ActionReveal); !own.Allowed {
		t.Errorf("the tenant's secret: %+v", own)
	}
	if tokens := right(wire.ActionTokenReveal); tokens.Allowed || !slices.Contains(tokens.Missing, "get secrets in namespace "+namespace) {
		t.Errorf("a token's secret: %+v", tokens)
	}
	reveal := wire.RevealRequest{Why: "the office in Berlin", Token: "berlin"}
	jane.refused("POST "+here+"/secret/reveal", reveal, http.StatusForbidden, "", "forbidden")
	meta := metav1.ObjectMeta{Name: "jane-reveals-tokens", Namespace: namespace}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "update"}}}}
	binding := &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "jane", Namespace: naming.DefaultSystemNamespace}}}
	for _, object := range []client.Object{role, binding} {
		if err := l.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the right counts", func(context.Context) (bool, error) {
		code, _ := jane.send("POST "+here+"/secret/reveal", reveal)
		return code == http.StatusOK, nil
	})
}

// Who may only look sees that, and which right is missing for the rest.
func TestTheConsoleLetsNobodyDoMore(t *testing.T) {
	t.Parallel()
	l := installation(t)
	url, _ := serveConsole(t, l)
	create(t, l, "watched", v1alpha1.TenantSpec{})
	becomes(t, l, "watched", v1alpha1.ConditionReady, "True", v1alpha1.ReasonReady)
	viktor := at(t, l, url, "viktor", lab.RoleViewer)
	if page := want[wire.Tenant](viktor, "GET /api/v1/tenants/watched", nil, http.StatusOK); page.State != wire.StateReady || len(page.Hops) != len(v1alpha1.HopConditions()) {
		t.Errorf("what a viewer sees: %+v", page)
	}
	rights := map[string]wire.Right{}
	for _, path := range []string{"/api/v1/rights", "/api/v1/tenants/watched/rights"} {
		for _, right := range want[wire.Rights](viktor, "GET "+path, nil, http.StatusOK).Rights {
			rights[right.Action] = right
		}
	}
	const here = "/api/v1/tenants/watched"
	for action, request := range map[string]struct {
		what string
		body any
	}{
		wire.ActionCreate:       {"POST /api/v1/tenants", wire.CreateRequest{Slug: "sneaked"}},
		wire.ActionSuspend:      {"POST " + here + "/suspend", wire.WhyRequest{Why: "w"}},
		wire.ActionOffboard:     {"POST " + here + "/offboard", wire.OffboardRequest{Why: "w", Confirm: "watched"}},
		wire.ActionAgents:       {"GET " + here + "/agents", nil},
		wire.ActionRevoke:       {"POST " + here + "/agents/revoke", wire.RevokeRequest{Why: "w", IDs: []string{"001"}}},
		wire.ActionSecret:       {"GET " + here + "/secret", nil},
		wire.ActionReveal:       {"POST " + here + "/secret/reveal", wire.RevealRequest{Why: "w"}},
		wire.ActionTokenReveal:  {"POST " + here + "/secret/reveal", wire.RevealRequest{Why: "w", Token: "berlin"}},
		wire.ActionRotate:       {"POST " + here + "/secret/rotate", wire.RotateRequest{}},
		wire.ActionTokenMake:    {"POST " + here + "/tokens", wire.TokenRequest{Name: "sneaked"}},
		wire.ActionHandoverMake: {"POST " + here + "/handovers", wire.HandoverRequest{Why: "w"}},
		wire.ActionOnboarding:   {"GET " + here + "/onboarding", nil},
	} {
		if right := rights[action]; right.Allowed || len(right.Missing) == 0 {
			t.Errorf("%s: the rights say %+v", action, right)
		}
		viktor.refused(request.what, request.body, http.StatusForbidden, "", "forbidden")
	}
	for _, action := range []string{wire.ActionTenants, wire.ActionTenant, wire.ActionRegions, wire.ActionReports, wire.ActionEvents, wire.ActionTokens, wire.ActionRevocations, wire.ActionHandovers} {
		if !rights[action].Allowed {
			t.Errorf("%s: a viewer may not: %v", action, rights[action].Missing)
		}
	}
	if get(t, l, "watched").Spec.Suspended {
		t.Error("a viewer suspended a tenant")
	}
	// What is lacking for somebody's own manager has the names he gave it.
	create(t, l, "lent", v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Attach: &v1alpha1.ManagerAttach{
		Selector: map[string]string{naming.LabelName: "my-own-wazuh"}, APICredentialsSecret: "their-user", APICASecret: "their-ca",
	}}})
	for _, right := range want[wire.Rights](viktor, "GET /api/v1/tenants/lent/rights", nil, http.StatusOK).Rights {
		if lacking := strings.Join(right.Missing, ", "); right.Action == wire.ActionAgents &&
			(!strings.Contains(lacking, `get secrets "their-user" in namespace tenant-lent`) || !strings.Contains(lacking, `get secrets "their-ca"`) || strings.Contains(lacking, naming.SecretAPI)) {
			t.Errorf("for the agents of an attached manager is missing: %s", lacking)
		}
	}
	// Somebody with no right at all gets in, and sees nothing.
	nobody := at(t, l, url, "nobody")
	nobody.refused("GET /api/v1/tenants", nil, http.StatusForbidden, "", "tenants.ingress.soctalk.io")
	told := nobody.listen("")
	eventually(t, "the stream says what it cannot tell", func(context.Context) (bool, error) { return told("blind tenants", ""), nil })
	signedInAgain(t, l, url)
	stranger := newCaller(t, url)
	stranger.refused("POST /api/v1/session", wire.SignInRequest{Token: "eyJhbGciOiJub25lIn0.e30."}, http.StatusUnauthorized, "token", "does not accept")
	stranger.refused("GET /api/v1/tenants", nil, http.StatusUnauthorized, "", "sign in")
}

// signedInAgain: who signs in anew in a browser leaves no session behind, and a token that
// was taken away ends the session, with the stream.
func signedInAgain(t *testing.T, l *lab.Lab, url string) {
	t.Helper()
	otto := at(t, l, url, "otto", lab.RoleViewer)
	address, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	before := otto.http.Jar.Cookies(address)
	token, err := l.PersonToken(t.Context(), "otto")
	if err != nil {
		t.Fatal(err)
	}
	want[wire.Session](otto, "POST /api/v1/session", wire.SignInRequest{Token: token}, http.StatusOK)
	left := newCaller(t, url)
	left.http.Jar.SetCookies(address, before)
	left.refused("GET /api/v1/session", nil, http.StatusUnauthorized, "", "sign in")
	want[wire.Session](otto, "GET /api/v1/session", nil, http.StatusOK)
	if name := "console-" + address.Port(); len(before) != 1 || before[0].Name != name {
		t.Errorf("cookies: %v, want one called %s", before, name)
	}
	if err := l.Client.Delete(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "otto", Namespace: naming.DefaultSystemNamespace}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the session ends with the token", func(context.Context) (bool, error) {
		code, _ := otto.send("GET /api/v1/tenants", nil)
		return code == http.StatusUnauthorized, nil
	})
	otto.refused("GET /api/v1/session", nil, http.StatusUnauthorized, "", "sign in")
}

// The program that people start is the one that was tried.
func TestConsoleServeWantsAWayToSpeakTLS(t *testing.T) {
	for _, arguments := range [][]string{{}, {"--insecure"}, {"--insecure", "--address", "0.0.0.0:0"}, {"--behind-proxy", "--insecure"}, {"--behind-proxy", "--handover-url", "http://x"}} {
		code := cli.Main(t.Context(), append([]string{"console", "serve"}, arguments...), cli.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard})
		if code != 2 {
			t.Errorf("console serve %v ended with %d", arguments, code)
		}
	}
}
