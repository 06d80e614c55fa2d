package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// What the table promises is what is served, and the other way round.
func TestEveryRouteIsServed(t *testing.T) {
	served := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).handlers()
	for _, route := range wire.Routes() {
		if served[route.Pattern] == nil {
			t.Errorf("%s is in the table and nobody answers it", route.Pattern)
		}
		delete(served, route.Pattern)
	}
	for pattern := range served {
		t.Errorf("%s is answered and not in the table", pattern)
	}
}

// Every action of the table can be asked about.
func TestEveryActionHasRights(t *testing.T) {
	var known []string
	for _, action := range append(generalActions("soctalk-system"), tenantActions("acme", desk.Secrets{})...) {
		if len(action.needs) == 0 {
			t.Errorf("%s needs nothing", action.name)
		}
		known = append(known, action.name)
	}
	for _, route := range wire.Routes() {
		if route.Action != "" && !slices.Contains(known, route.Action) {
			t.Errorf("%s: nobody says what %s takes", route.Pattern, route.Action)
		}
	}
}

// Somebody's own manager has Secrets with names of his own, and a public authority none.
func TestRightsNameTheSecretsThatAreRead(t *testing.T) {
	attached := v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	attached.Spec.Manager.Attach = &v1alpha1.ManagerAttach{APICredentialsSecret: "their-user", APICASecret: "their-ca"}
	attached.Spec.WazuhIngress.TLS.SecretName = "their-certificate"
	public := v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{
		Domain: "soc.example.com", Default: true, DefaultMode: v1alpha1.ModeLoadBalancer, Certificates: v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateACME},
	}}
	private := *public.DeepCopy()
	private.Spec.Certificates.Strategy = v1alpha1.CertificateBuiltInCA
	for name, c := range map[string]struct {
		tenant        v1alpha1.Tenant
		region        v1alpha1.Region
		agents, sheet []string
	}{
		"the usual":          {v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, private, []string{naming.SecretAPI, naming.SecretAPITLS}, []string{naming.SecretTLS}},
		"a public authority": {v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, public, []string{naming.SecretAPI, naming.SecretAPITLS}, nil},
		"their own":          {attached, private, []string{"their-user", "their-ca"}, []string{"their-certificate"}},
		"one nobody may see": {v1alpha1.Tenant{}, v1alpha1.Region{}, []string{naming.SecretAPI, naming.SecretAPITLS}, []string{naming.SecretTLS}},
	} {
		actions := tenantActions("acme", desk.SecretsOf(c.tenant, []v1alpha1.Region{c.region}))
		for doing, want := range map[string][]string{wire.ActionAgents: c.agents, wire.ActionRevoke: c.agents, wire.ActionOnboarding: c.sheet, wire.ActionHandoverMake: c.sheet} {
			var got []string
			for _, n := range actions[slices.IndexFunc(actions, func(a action) bool { return a.name == doing })].needs {
				if n.resource == "secrets" && n.verb == "get" {
					got = append(got, n.name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s takes %v, want %v", name, doing, got, want)
			}
		}
	}
}

// The operator is where the chart was installed, and so is the key of its reports.
func TestReportsAreVerifiedWhereTheOperatorIs(t *testing.T) {
	options := testOptions(t, "https://127.0.0.1:1")
	options.System = "elsewhere"
	c := New(t.Context(), options)
	one, err := c.visitFor(func(config *rest.Config) { config.BearerToken = "persons" })
	if err != nil {
		t.Fatal(err)
	}
	if one.desk.System != "elsewhere" || c.options.Edges != "elsewhere" {
		t.Errorf("looks in %q for the key and in %q for edges", one.desk.System, c.options.Edges)
	}
	want := core("get", "configmaps", "elsewhere", naming.ReportKey)
	if !slices.ContainsFunc(generalActions(c.options.System), func(a action) bool { return a.name == wire.ActionReports && slices.Contains(a.needs, want) }) {
		t.Error("the right to read it is asked for somewhere else")
	}
}

// Nobody can type a command on a page.
func TestWhatToDoNextIsForAPage(t *testing.T) {
	for _, err := range []error{desk.NoTenant("acme"), apierrors.NewForbidden(schema.GroupResource{Resource: "tenants"}, "acme", errors.New("no")), &net.OpError{Op: "dial", Err: errors.New("refused")}} {
		_, problem := problemOf(err)
		if problem.Next == "" || strings.Contains(problem.Next, "soctalk-ingress") || strings.Contains(problem.Next, "--") || strings.Contains(problem.Next, "KUBECONFIG") {
			t.Errorf("%v: next is %q", err, problem.Next)
		}
	}
}

func testOptions(t *testing.T, server string) Options {
	t.Helper()
	return Options{
		Cluster: &rest.Config{Host: server}, Scheme: runtime.NewScheme(), Version: "test", Plain: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// call sends a request as a browser on the console's own page does.
func call(handler http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func TestNobodyIsAnswered(t *testing.T) {
	handler := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).Handler()
	for _, route := range wire.Routes() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		if path == "/api/v1/about" || path == "/api/v1/session" && method != http.MethodGet {
			continue
		}
		path = strings.NewReplacer("{slug}", "acme", "{name}", "x").Replace(path)
		got := call(handler, method, path, "{}", "Cookie", "console=guessed")
		if got.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a session: %d %s", method, path, got.Code, got.Body)
		}
		if got.Header().Get("Content-Security-Policy") != policy || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", method, path, got.Header())
		}
	}
}

// Another site cannot act in the name of who is signed in, and not sign anybody in.
func TestOtherSitesAreRefused(t *testing.T) {
	handler := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).Handler()
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
		if got := call(handler, http.MethodPost, "/api/v1/session", `{"token":"x"}`, headers...); got.Code != http.StatusForbidden {
			t.Errorf("%v: %d %s", headers, got.Code, got.Body)
		}
	}
	if got := call(handler, http.MethodPost, "/api/v1/session", `{"token":"x"}`, "Content-Type", "text/plain"); got.Code != http.StatusBadRequest {
		t.Errorf("a form's content type: %d %s", got.Code, got.Body)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	handler := New(t.Context(), testOptions(t, "https://127.0.0.1:1")).Handler()
	for body, want := range map[string]int{
		`{"token":""}`: http.StatusUnprocessableEntity, `{"token":" "}`: http.StatusUnprocessableEntity, `{"token":"a b"}`: http.StatusUnprocessableEntity,
		`{"token":"a\nb"}`: http.StatusUnprocessableEntity, `{"token":"x","admin":true}`: http.StatusBadRequest, `{`: http.StatusBadRequest, `{} {}`: http.StatusBadRequest, `{}}`: http.StatusBadRequest, `{"token":"a"}]`: http.StatusBadRequest,
	} {
		got := call(handler, http.MethodPost, "/api/v1/session", body)
		var problem wire.Problem
		if err := json.Unmarshal(got.Body.Bytes(), &problem); got.Code != want || err != nil || problem.Error == "" {
			t.Errorf("%s: %d %s, want %d", body, got.Code, got.Body, want)
		}
		if got.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: a cookie is set", body)
		}
	}
}

// What a message says decides nothing: an agent may be called "is forbidden".
func TestStatusesComeFromTheErrorAndNotItsWords(t *testing.T) {
	for status, err := range map[int]error{
		http.StatusForbidden:  &desk.Forbidden{Namespace: "tenant-acme", Err: errors.New("no")},
		http.StatusNotFound:   fault.New(fault.NotFound, errors.New(`no agent "is forbidden"`), ""),
		http.StatusBadGateway: errors.New(`agent "is forbidden" is busy`),
		http.StatusConflict:   fault.New(fault.Refused, errors.New(`tenant "a" has a token "is forbidden"`), ""),
	} {
		if got := statusOf(err); got != status {
			t.Errorf("%v: %d, want %d", err, got, status)
		}
	}
}

func TestTheCookie(t *testing.T) {
	c := New(t.Context(), Options{Cluster: &rest.Config{}, Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequest(http.MethodPost, "https://console.example.com/api/v1/session", nil)
	if text := c.cookie(r, "x").String(); text != "__Host-console=x; Path=/; Max-Age=28800; HttpOnly; Secure; SameSite=Strict" {
		t.Error(text)
	}
	// On loopback all ports have their cookies in common.
	c.options.Plain = true
	for host, want := range map[string]string{"127.0.0.1:8090": "console-8090", "[::1]:8091": "console-8091", "localhost": "console", "x:y;z": "console", "x:99999": "console"} {
		r.Host = host
		if got := c.cookieName(r); got != want {
			t.Errorf("at %s the cookie is called %q, want %q", host, got, want)
		}
	}
}

func readAll(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The console takes nobody's credentials but the person's.
func TestTheConsolesOwnCredentialsAreNotUsed(t *testing.T) {
	options := testOptions(t, "https://127.0.0.1:1")
	options.Cluster = &rest.Config{
		Host: "https://127.0.0.1:1", BearerToken: "own", BearerTokenFile: "/own", Username: "own", Password: "own",
		Impersonate: rest.ImpersonationConfig{UserName: "own"}, TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}
	one, err := New(t.Context(), options).visitFor(func(config *rest.Config) { config.BearerToken = "persons" })
	if err != nil {
		t.Fatal(err)
	}
	got := one.desk.Config
	if got.BearerToken != "persons" || got.BearerTokenFile != "" || got.Username != "" || got.Password != "" || got.Impersonate.UserName != "" {
		t.Errorf("acts with %v", got)
	}
}

func TestContextsOfStreams(t *testing.T) {
	one := &visit{}
	one.ctx, one.end = context.WithCancel(t.Context())
	for range maxStreams {
		if !one.enter(maxStreams) {
			t.Fatal("too few")
		}
	}
	if one.enter(maxStreams) {
		t.Error("streams have no limit")
	}
	one.leave()
	if !one.enter(maxStreams) {
		t.Error("a stream that ended still counts")
	}
}

// A cluster that hangs does not hold up who asks for ever, and he is told.
func TestRequestsHaveAnEnd(t *testing.T) {
	handler := bounded(open(func(_ http.ResponseWriter, r *http.Request) error {
		end, ok := r.Context().Deadline()
		if left := time.Until(end); !ok || left > patience {
			t.Errorf("a request may last %s", left)
		}
		return fmt.Errorf("get tenant: %w", context.DeadlineExceeded)
	}))
	got := call(handler, http.MethodGet, "/", "")
	if got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "in time") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// A panic is in the log with its place and without its words.
func TestAPanicSaysWhereAndNotWhat(t *testing.T) {
	var log strings.Builder
	options := testOptions(t, "https://127.0.0.1:1")
	options.Log = slog.New(slog.NewJSONHandler(&log, nil))
	handler := New(t.Context(), options).guarded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New("the secret words")) }))
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the connection goes on")
			}
		}()
		call(handler, http.MethodGet, "/", "")
	}()
	if !strings.Contains(log.String(), "TestAPanicSaysWhereAndNotWhat") || strings.Contains(log.String(), "the secret words") {
		t.Errorf("the log: %s", log.String())
	}
}
