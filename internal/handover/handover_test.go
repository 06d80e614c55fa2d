package handover

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

func TestALinkKeepsItsTokenToItself(t *testing.T) {
	link, err := NewLink("acme", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	url := link.URL("https://onboard.example.com/")
	before, fragment, _ := strings.Cut(url, "#")
	if before != "https://onboard.example.com/kit" {
		t.Errorf("before the #: %s", before)
	}
	token := fragment[strings.LastIndex(fragment, ".")+1:]
	if len(token) != 43 {
		t.Errorf("the token has %d characters, want 43: 32 bytes", len(token))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if strings.Contains(fmt.Sprintf(verb, link), token) {
			t.Errorf("%s prints the token", verb)
		}
	}
	if text, err := json.Marshal(link); err != nil || bytes.Contains(text, []byte(token)) {
		t.Errorf("JSON has the token: %v", err)
	}
	parsed, err := ParseLink(fragment)
	if err != nil || !parsed.opens(link.Digest()) || parsed.Name != link.Name || parsed.Tenant != "acme" {
		t.Errorf("read back: %v, %v", parsed, err)
	}
	other, err := NewLink("acme", rand.Reader)
	if err != nil || other.opens(link.Digest()) || link.opens("") {
		t.Errorf("a foreign token opens: %v", err)
	}
	if _, err := NewLink("acme", bytes.NewReader(make([]byte, 10))); err == nil {
		t.Error("ten random bytes made a link")
	}
}

func FuzzParseLink(f *testing.F) {
	for _, seed := range []string{"acme.h-000000000000.AAAA", "", "..", "a.b", "a.b.c.d", "acme/../x.h.t"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, fragment string) {
		link, err := ParseLink(fragment)
		if err != nil {
			return
		}
		if link.Tenant+"."+link.Name+"."+link.token != fragment {
			t.Errorf("%q became %q", fragment, link.Tenant+"."+link.Name+"."+link.token)
		}
		if link.opens("") {
			t.Error("a token opens a link that does not exist")
		}
	})
}

func TestStateOf(t *testing.T) {
	now := time.Now()
	at := metav1.NewTime(now)
	held := func(expires time.Duration, revoked bool, opened *metav1.Time) *v1alpha1.Handover {
		return &v1alpha1.Handover{
			Spec:   v1alpha1.HandoverSpec{Expires: metav1.NewTime(now.Add(expires)), Revoked: revoked},
			Status: v1alpha1.HandoverStatus{OpenedAt: opened},
		}
	}
	for want, one := range map[State]*v1alpha1.Handover{
		StateWaiting: held(time.Second, false, nil), StateExpired: held(0, false, nil),
		StateRevoked: held(time.Second, true, nil), StateOpened: held(-time.Second, true, &at),
	} {
		if got := StateOf(one, now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What is not the page's own request reaches nothing behind the page.
func TestRequestsThatAreNotThePages(t *testing.T) {
	var log bytes.Buffer
	site := NewSite(Options{Client: nil, Log: slog.New(slog.NewJSONHandler(&log, nil))}) // a nil client panics when it is asked
	for name, change := range map[string]func(*http.Request){
		"a form":              func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"another site's page": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		if got := post(site, `{"link":"acme.h-000000000000.token-of-acme"}`, change); got.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "link", "another field": `{"link":"a.b.c","x":1}`, "half a link": `{"link":"acme.token-of-acme"}`,
		"a long one":            `{"link":"` + strings.Repeat("a", 2000) + `"}`,
		"a path":                `{"link":"../x.h-0.token-of-acme"}`,
		"a name with a capital": `{"link":"Acme.h-0.token-of-acme"}`,
	} {
		if got := post(site, body, func(r *http.Request) { r.RemoteAddr = "192.0.2." + fmt.Sprint(len(name)) + ":1" }); got.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, got.Code)
		}
	}
	if strings.Contains(log.String(), "token-of-acme") {
		t.Error("the log has a token")
	}
	for path, method := range map[string]string{"/kit/open": http.MethodGet, "/kit": http.MethodPost, "/": http.MethodGet, "/kit/x": http.MethodGet} {
		answer := httptest.NewRecorder()
		site.Handler().ServeHTTP(answer, httptest.NewRequest(method, path, nil))
		if answer.Code != http.StatusNotFound && answer.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", method, path, answer.Code)
		}
		if answer.Header().Get("Content-Security-Policy") == "" || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: an answer without its guards", method, path)
		}
	}
}

func post(site *Site, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/kit/open", strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	change(request)
	answer := httptest.NewRecorder()
	site.Handler().ServeHTTP(answer, request)
	return answer
}

func TestTheHundredthAttemptOfAMinuteWaits(t *testing.T) {
	site := NewSite(Options{Log: slog.New(slog.DiscardHandler)})
	var last *httptest.ResponseRecorder
	for range limits.Burst + 1 {
		last = post(site, "nothing", func(*http.Request) {})
	}
	if last.Code != http.StatusTooManyRequests || last.Header().Get("Retry-After") == "" {
		t.Errorf("%d, retry after %q", last.Code, last.Header().Get("Retry-After"))
	}
}
