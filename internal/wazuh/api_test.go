package wazuh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scriptedAPI answers requests one after the other and keeps what it was asked.
type scriptedAPI struct {
	t       *testing.T
	answers []answer
	asked   []string
}

type answer struct {
	status int
	body   string
}

func (s *scriptedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.asked = append(s.asked, who+" "+r.Method+" "+r.URL.Path)
	if len(s.answers) == 0 {
		s.t.Errorf("unexpected %s %s", r.Method, r.URL)
		return
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	w.WriteHeader(a.status)
	fmt.Fprint(w, a.body)
}

func startAPI(t *testing.T, answers ...answer) (*API, *scriptedAPI) {
	t.Helper()
	s := &scriptedAPI{t: t, answers: answers}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	api, err := NewAPI(APIOptions{
		URL: server.URL, User: "probe", Password: NewSecret("pw"), HTTP: server.Client(),
		Pause: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return api, s
}

const (
	loggedIn     = `{"data":{"token":"t"},"error":0}`
	unauthorized = `{"title":"Unauthorized","detail":"Token expired"}`
	summaryBody  = `{"data":{"connection":{"active":2,"total":3},"configuration":{"total":3}},"error":0}`
)

func TestAPIKeepsItsToken(t *testing.T) {
	api, s := startAPI(t, answer{200, loggedIn}, answer{200, summaryBody}, answer{401, unauthorized}, answer{200, loggedIn}, answer{200, summaryBody})
	for range 2 {
		got, err := api.AgentsSummary(t.Context())
		if diff := cmp.Diff(Summary{Active: 2, Total: 3}, got); diff != "" || err != nil {
			t.Fatalf("(-want +got):\n%s%v", diff, err)
		}
	}
	want := []string{
		"Basic POST /security/user/authenticate", "Bearer GET /agents/summary/status",
		"Bearer GET /agents/summary/status", "Basic POST /security/user/authenticate", "Bearer GET /agents/summary/status",
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A manager before 4.4 knows the login as a GET only, and counts agents in data itself.
func TestAPIOf43(t *testing.T) {
	no := answer{405, `{"title":"Method Not Allowed"}`}
	flat := answer{200, `{"data":{"active":2,"disconnected":0,"never_connected":1,"pending":0,"total":3},"error":0}`}
	api, s := startAPI(t, no, answer{200, loggedIn}, flat, answer{401, unauthorized}, answer{200, loggedIn}, flat)
	for range 2 {
		got, err := api.AgentsSummary(t.Context())
		if diff := cmp.Diff(Summary{Active: 2, NeverConnected: 1, Total: 3}, got); diff != "" || err != nil {
			t.Fatalf("(-want +got):\n%s%v", diff, err)
		}
	}
	want := []string{
		"Basic POST /security/user/authenticate", "Basic GET /security/user/authenticate", "Bearer GET /agents/summary/status",
		"Bearer GET /agents/summary/status", "Basic GET /security/user/authenticate", "Bearer GET /agents/summary/status",
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The manager was updated since, to one that knows POST only.
	api, s = startAPI(t, no, answer{200, loggedIn}, flat, answer{401, unauthorized}, no, answer{200, loggedIn}, flat)
	for range 2 {
		if _, err := api.AgentsSummary(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.asked[len(s.asked)-2]; got != "Basic POST /security/user/authenticate" {
		t.Errorf("logged in by %s", got)
	}
	api, _ = startAPI(t, no, no) // it is no login at all
	if _, err := api.AgentsSummary(t.Context()); err == nil {
		t.Error("a login nobody offers succeeded")
	}
}

// A token that is refused although it is new is an error, not a loop.
func TestAPIRefreshesOnce(t *testing.T) {
	api, _ := startAPI(t, answer{200, loggedIn}, answer{401, unauthorized}, answer{200, loggedIn}, answer{401, unauthorized})
	_, err := api.AgentsSummary(t.Context())
	var p *Problem
	if !errors.As(err, &p) || p.Status != 401 || p.Detail != "Token expired" {
		t.Errorf("got %v", err)
	}
}

func TestAPIBadLogin(t *testing.T) {
	api, _ := startAPI(t, answer{401, `{"title":"Unauthorized","detail":"Invalid credentials"}`})
	_, err := api.ManagerInfo(t.Context())
	if err == nil || !strings.Contains(err.Error(), `log in to the manager API as "probe"`) || !strings.Contains(err.Error(), "Invalid credentials") {
		t.Errorf("got %v", err)
	}
}

func TestAPIRetries(t *testing.T) {
	ok := answer{200, `{"data":{"affected_items":[{"version":"v4.14.7"}]},"error":0}`}
	for what, first := range map[string]answer{
		"429":  {429, `{"title":"Too Many Requests","error":6001}`},
		"1017": {500, `{"title":"Internal","error":1017}`},
		"1726": {200, `{"data":{"failed_items":[{"error":{"code":1726},"id":["007"]}]},"error":1}`},
	} {
		api, _ := startAPI(t, answer{200, loggedIn}, first, ok)
		if info, err := api.ManagerInfo(t.Context()); err != nil || info.Version != "v4.14.7" {
			t.Errorf("%s: %v %v", what, info, err)
		}
	}
	api, s := startAPI(t, answer{200, loggedIn}, answer{500, "<html>oops"})
	if _, err := api.ManagerInfo(t.Context()); err == nil || len(s.asked) != 2 {
		t.Errorf("another 500: asked %v, got %v", s.asked, err)
	}
}

// A Wazuh 5 is asked for its name in its cluster once, and under that name ever after.
func TestAPIFindsTheNodeOfWazuh5(t *testing.T) {
	gone := answer{404, `{"title":"Not Found","detail":"Nothing matches the given URI"}`}
	named := answer{200, `{"data":{"affected_items":[{"node":"node01","cluster":"wazuh","type":"master"}]},"error":0}`}
	info := answer{200, `{"data":{"affected_items":[{"version":"v5.0.0"}]},"error":0}`}
	api, s := startAPI(t, answer{200, loggedIn}, gone, named, info, info)
	for range 2 {
		if got, err := api.ManagerInfo(t.Context()); err != nil || got.Version != "v5.0.0" {
			t.Errorf("got %v, %v", got, err)
		}
	}
	want := []string{
		"Basic POST /security/user/authenticate", "Bearer GET /manager/info", "Bearer GET /cluster/local/info",
		"Bearer GET /cluster/node01/info", "Bearer GET /cluster/node01/info",
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	api, _ = startAPI(t, answer{200, loggedIn}, gone, gone)
	if _, err := api.ManagerInfo(t.Context()); err == nil || !strings.Contains(err.Error(), "GET /cluster/local/info: 404") {
		t.Errorf("neither a Wazuh 4 nor a 5: %v", err)
	}
}

// A manager that cannot ask its agents to leave is no reason not to restart it.
func TestAPIHasNoReconnect(t *testing.T) {
	api, _ := startAPI(t, answer{200, loggedIn}, answer{404, `{"title":"Not Found"}`})
	if asked, err := api.Reconnect(t.Context()); asked != 0 || err != nil {
		t.Errorf("asked %d, %v", asked, err)
	}
	api, _ = startAPI(t, answer{200, loggedIn}, answer{403, `{"title":"Permission Denied","error":4000}`})
	if _, err := api.Reconnect(t.Context()); !HasCode(err, CodeDenied) {
		t.Errorf("who may not ask: %v", err)
	}
}

func TestDeleteAgents(t *testing.T) {
	const body = `{"data":{"affected_items":["007"],"failed_items":[
		{"error":{"code":1701,"message":"Agent does not exist"},"id":["009"]},
		{"error":{"code":1731,"message":"Agent is not eligible"},"id":["010"]}]},"message":"Some agents were not deleted","error":2}`
	var query url.Values
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			fmt.Fprint(w, loggedIn)
			return
		}
		query = r.URL.Query()
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	api, _ := NewAPI(APIOptions{URL: server.URL, HTTP: server.Client()})
	gone, err := api.DeleteAgents(t.Context(), "007", "009", "010")
	if diff := cmp.Diff([]string{"007", "009"}, gone); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
	if !HasCode(err, CodeFilteredOut) || HasCode(err, CodeNoAgent) {
		t.Errorf("got error %v", err)
	}
	want := url.Values{"agents_list": {"007,009,010"}, "status": {"all"}, "older_than": {"0s"}, "purge": {"true"}}
	if diff := cmp.Diff(want, query); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	for _, id := range []string{"all", "000", "", "7", "007,008"} {
		if _, err := api.DeleteAgents(t.Context(), id); err == nil {
			t.Errorf("deleted %q", id)
		}
	}
}

func TestNewAPIRefuses(t *testing.T) {
	for _, u := range []string{"", "manager:55000", "ftp://manager", "https://user:pw@manager:55000"} {
		if _, err := NewAPI(APIOptions{URL: u}); err == nil {
			t.Errorf("accepted %q", u)
		} else if strings.Contains(err.Error(), "user:pw") {
			t.Errorf("error shows the password: %v", err)
		}
	}
}

func TestAPIBoundsAnswers(t *testing.T) {
	api, _ := startAPI(t, answer{200, loggedIn}, answer{200, strings.Repeat(" ", maxAPIResponse+1)})
	if _, err := api.ManagerInfo(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}
