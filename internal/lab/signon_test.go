package lab_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/signon"
)

var yes, no = new(true), new(false)

// hall is where people sign in: a provider, and consoles that send people there.
type hall struct {
	t         *testing.T
	lab       *lab.Lab
	provider  *identityProvider
	url       string // of the console that has a secret
	publicURL string // of the one that has none
	log       *logBook
	skew      atomic.Int64 // of the consoles' clock
	guests    int
	codes     []string
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{t: t, lab: installation(t), provider: newProvider(t), log: &logBook{}}
	h.url, h.publicURL = h.console(confidentialClient, h.provider.file("secret")), h.console(publicClient, "")
	h.provider.start(h.url, h.publicURL)
	return h
}

func (h *hall) now() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) }

// console serves one that is a client of the provider.
func (h *hall) console(client, secretFile string) string {
	h.t.Helper()
	at, err := h.lab.Console(h.t.Context(), h.log, func(home string, options *console.Options) (err error) {
		options.Now = h.now
		// Each person of the test has an address, so that all may come at once.
		options.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		options.SignOn, err = signon.New(signon.Config{
			Issuer: h.provider.issuer, ClientID: client, SecretFile: secretFile, AuthorityFile: h.provider.file("ca.crt"),
			Scopes: []string{"openid", "profile", "email", "offline_access"}, Name: "MSSP ID", Home: home, Now: h.now,
		})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}

// trust lets the API server take the provider's tokens, as the guide says.
func (h *hall) trust() {
	h.t.Helper()
	text, err := os.ReadFile("../../docs/guide/console.md")
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\napiVersion: apiserver.config.k8s.io/v1\n")
	example, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		h.t.Fatal("the guide has no AuthenticationConfiguration")
	}
	var configuration struct {
		Kind string           `json:"kind"`
		JWT  []map[string]any `json:"jwt"`
		API  string           `json:"apiVersion"`
	}
	if err := yaml.UnmarshalStrict([]byte("apiVersion: apiserver.config.k8s.io/v1\n"+example), &configuration); err != nil {
		h.t.Fatal(err)
	}
	issuer := configuration.JWT[0]["issuer"].(map[string]any)
	issuer["url"], issuer["certificateAuthority"] = h.provider.issuer, string(h.provider.caPEM)
	issuer["audiences"], issuer["audienceMatchPolicy"] = []string{confidentialClient, publicClient}, "MatchAny"
	written, err := yaml.Marshal(configuration)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.lab.Plane.SetAuthentication(string(written)); err != nil {
		h.t.Fatal(err)
	}
}

// guest is a browser with nobody in it yet.
func (h *hall) guest(console string) *guest {
	h.t.Helper()
	h.guests++
	b := newCaller(h.t, console)
	b.http.Transport = &stamped{from: fmt.Sprintf("198.51.100.%d", h.guests), next: h.provider.clients.Transport}
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &guest{caller: b, hall: h}
}

// stamped is a proxy that says whom it forwards for.
type stamped struct {
	from string
	next http.RoundTripper
}

func (s *stamped) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Forwarded-For", s.from)
	return s.next.RoundTrip(r)
}

// guest walks through the sign-in step by step.
type guest struct {
	*caller
	hall *hall
}

// goes to an address, posting a form if there is one, and returns where that leads.
func (g *guest) goes(target string, form url.Values) string {
	g.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	request, err := http.NewRequestWithContext(g.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := g.http.Do(request)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	if strings.HasPrefix(target, g.url+"/auth/") && (answer.Header.Get("Cache-Control") != "no-store" || answer.Header.Get("Referrer-Policy") != "no-referrer") {
		g.t.Errorf("%s: %v", strings.Split(target, "?")[0], answer.Header)
	}
	led, err := answer.Location()
	if err != nil {
		g.t.Fatalf("%s leads nowhere: %s", strings.Split(target, "?")[0], answer.Status)
	}
	return led.String()
}

// atTheDoor leaves the console, and returns the provider's form.
func (g *guest) atTheDoor(back string) (form string) {
	g.t.Helper()
	there := g.goes(g.url+"/auth/login?back="+url.QueryEscape(back), nil)
	asked, err := url.Parse(there)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(asked.Query().Get(name)) < 26 {
			g.t.Errorf("the provider is sent no %s: %s", name, there)
		}
	}
	if asked.Query().Get("code_challenge_method") != "S256" {
		g.t.Errorf("no PKCE: %s", there)
	}
	return g.goes(there, nil)
}

// says who he is, and returns the address the provider sends him back to.
func (g *guest) says(form, name string) string {
	g.t.Helper()
	id := form[strings.Index(form, "id=")+3:]
	on := g.goes(form, url.Values{"id": {id}, "username": {name}, "password": {name + "s-password"}, "answer": {"enter"}})
	back := g.goes(on, nil)
	if landed, err := url.Parse(back); err == nil {
		g.hall.codes = append(g.hall.codes, landed.Query().Get("code"))
	}
	return back
}

// signsIn goes all the way, and returns where he ends up.
func (g *guest) signsIn(name, back string) string {
	g.t.Helper()
	return g.goes(g.says(g.atTheDoor(back), name), nil)
}

// turnedAway wants nobody to be signed in, and the page to say why.
func (g *guest) turnedAway(says, next string) {
	g.t.Helper()
	g.refused("GET /api/v1/tenants", nil, http.StatusUnauthorized, "", "sign in")
	g.told(says, next)
}

func (g *guest) told(says, next string) {
	g.t.Helper()
	about := want[wire.About](g.caller, "GET /api/v1/about", nil, http.StatusOK)
	if problem := about.SignIn.Problem; problem == nil || !strings.Contains(problem.Error, says) || !strings.Contains(problem.Next, next) {
		g.t.Errorf("the page says %+v, want %q and %q", problem, says, next)
	}
}

// bind gives a role of the chart to somebody the provider names.
func (h *hall) bind(kind, name string, roles ...string) {
	h.t.Helper()
	// The roles come with somebody who is never used.
	if _, err := h.lab.PersonToken(h.t.Context(), "roles", roles...); err != nil {
		h.t.Fatal(err)
	}
	for _, role := range roles {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "signon-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: map[string]string{lab.RoleViewer: "soctalk-ingress-viewer", lab.RoleOperator: "soctalk-ingress-tenant-operator"}[role]},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}},
		}
		if err := h.lab.Client.Create(h.t.Context(), binding); err != nil {
			h.t.Fatal(err)
		}
	}
}

// People sign in at a provider the API server trusts, and everything goes wrong once.
func TestPeopleSignInAtAnIdentityProvider(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	h.bind(rbacv1.UserKind, "mssp:alice@mssp.example.com", lab.RoleViewer)
	h.bind(rbacv1.GroupKind, "mssp:operators", lab.RoleViewer, lab.RoleOperator)
	create(t, h.lab, "signed", v1alpha1.TenantSpec{})

	h.provider.set(behaviour{Down: yes})
	early := h.guest(h.url)
	early.goes(h.url+"/auth/login", nil)
	early.turnedAway("MSSP ID does not say how to sign in", "/.well-known/openid-configuration")
	h.provider.set(behaviour{Down: no})
	early.signsIn("alice", "/")
	early.turnedAway("the cluster's API server refuses its ID token: it answers 401 Unauthorized", "must name issuer "+h.provider.issuer+" with audience console")

	h.trust()
	eventually(t, "the API server trusts the provider", func(ctx context.Context) (bool, error) {
		text, err := h.metrics(ctx)
		return strings.Contains(text, `apiserver_authentication_config_controller_automatic_reloads_total{apiserver_id_hash="`) && strings.Contains(text, `status="success"`), err
	})
	h.rbacDecides()
	h.wrongOnTheWay()
	h.wrongAtTheProvider()
	h.renewed()
	public := h.guest(h.publicURL)
	public.signsIn("alice", "/")
	want[wire.Session](public.caller, "GET /api/v1/session", nil, http.StatusOK)
	t.Run("in a browser", h.inABrowser)
	h.nothingIsTold()
}
