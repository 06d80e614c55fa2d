package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// call makes a request as curl would, and returns status and body.
func (s *site) call(method, path, token string) (int, string) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, "https://"+s.m.Addresses().API+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if user, password, ok := strings.Cut(token, ":"); ok {
		req.SetBasicAuth(user, password)
	} else if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.client().Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

func (s *site) token() string {
	s.Helper()
	status, token := s.call("POST", "/security/user/authenticate?raw=true", "wazuh:wazuh")
	if status != 200 || strings.Count(token, ".") != 2 {
		s.Fatalf("login: %d %s", status, token)
	}
	return token
}

func TestAPIAuthentication(t *testing.T) {
	s := newSite(t)
	token := s.token()
	check := func(what string, wantStatus int, want, method, path, token string) {
		t.Helper()
		status, body := s.call(method, path, token)
		if status != wantStatus || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %s, want %d %s", what, status, body, wantStatus, want)
		}
	}
	check("login", 200, `"token":"`, "POST", "/security/user/authenticate", "wazuh:wazuh")
	check("bad login", 401, `{"detail":"Invalid credentials","title":"Unauthorized"}`, "POST", "/security/user/authenticate", "wazuh:no")
	check("no token", 401, "No authorization token provided", "GET", "/agents", "")
	check("bad token", 401, "Invalid token", "GET", "/agents", "x.y.z")
	check("good token", 200, `"id":"000"`, "GET", "/agents", token)
	s.clock.advance(15 * time.Minute)
	check("old token", 401, "Token expired", "GET", "/agents", token)
	for range maxLogins {
		s.call("POST", "/security/user/authenticate", "wazuh:no")
	}
	check("blocked", 403, `"error":6000`, "POST", "/security/user/authenticate", "wazuh:wazuh")
	s.clock.advance(loginBlock)
	check("unblocked", 200, `"token":"`, "POST", "/security/user/authenticate", "wazuh:wazuh")
}

func TestAPIRequestLimit(t *testing.T) {
	s := newSite(t)
	token := s.token()
	for range maxRequestsMinute - 1 {
		s.m.api.tooMany()
	}
	if status, body := s.call("GET", "/agents", token); status != 429 || !strings.Contains(body, `"error":6001`) {
		t.Errorf("got %d %s", status, body)
	}
	s.clock.advance(time.Minute)
	if status, _ := s.call("GET", "/agents", token); status != 200 {
		t.Errorf("a minute later: %d", status)
	}
}

// The defaults of DELETE spare every agent seen within seven days.
func TestAPIDelete(t *testing.T) {
	s := newSite(t)
	s.agent("web-01")
	s.agent("web-02")
	token := s.token()
	type answer struct {
		Data struct {
			Affected []string           `json:"affected_items"`
			Failed   []wazuh.FailedItem `json:"failed_items"`
		} `json:"data"`
		Message string `json:"message"`
		Error   int    `json:"error"`
	}
	for _, c := range []struct{ query, want string }{
		{"agents_list=001&status=all", "1 No agents were deleted: 1731 [001]"},
		{"agents_list=001,009,000&status=all&older_than=0s", "2 Some agents were not deleted: [001] 1701 [009] 1703 [000]"},
		{"agents_list=002&status=active&older_than=0s", "1 No agents were deleted: 1731 [002]"},
		{"agents_list=all&status=never_connected&older_than=0s", "0 All selected agents were deleted: [002]"},
	} {
		status, body := s.call("DELETE", "/agents?"+c.query, token)
		var a answer
		if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", c.query, status, body)
		}
		got := fmt.Sprintf("%d %s:", a.Error, a.Message)
		if len(a.Data.Affected) > 0 {
			got += fmt.Sprintf(" %v", a.Data.Affected)
		}
		for _, f := range a.Data.Failed {
			got += fmt.Sprintf(" %d %v", f.Error.Code, f.IDs)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.query, got, c.want)
		}
	}
	for _, query := range []string{"agents_list=001", "status=all", "agents_list=001&status=all&older_than=x"} {
		if status, body := s.call("DELETE", "/agents?"+query, token); status != 400 || !strings.Contains(body, "Bad Request") {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

func TestAPIClient(t *testing.T) {
	s := newSite(t)
	first, second := s.agent("web-01"), s.agent("web-02")
	s.keepAlive(s.connect(second))
	api := s.api()
	all, err := api.ListAgents(t.Context(), wazuh.AgentFilter{})
	if err != nil || len(all) != 2 || all[0].ID != first.ID || all[1].Status != wazuh.StatusActive || all[1].LastKeepAlive.IsZero() {
		t.Errorf("list: %+v %v", all, err)
	}
	active, err := api.ListAgents(t.Context(), wazuh.AgentFilter{Status: []string{"active"}, Name: "web-02"})
	if err != nil || len(active) != 1 {
		t.Errorf("active: %+v %v", active, err)
	}
	sum, err := api.AgentsSummary(t.Context())
	if diff := cmp.Diff(wazuh.Summary{Active: 1, NeverConnected: 1, Total: 2}, sum); diff != "" || err != nil {
		t.Errorf("summary (-want +got):\n%s%v", diff, err)
	}
	if info, err := api.ManagerInfo(t.Context()); err != nil || info.Version != wazuh.DefaultVersion {
		t.Errorf("info: %v %v", info, err)
	}
	if status, err := api.ManagerStatus(t.Context()); err != nil || len(status.NotRunning()) != 0 {
		t.Errorf("status: %v %v", status, err)
	}
	if gone, err := api.DeleteAllAgents(t.Context()); err != nil || len(gone) != 2 {
		t.Errorf("delete all: %v %v", gone, err)
	}
}

func TestAPIFaults(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	api := s.api()
	for _, f := range []Fault{FaultAPIDown, FaultAPINotReady, FaultAPIThrottled, FaultAPITokens, FaultDelete1726} {
		_ = s.m.SetFault(f, true)
		_, err := api.DeleteAgents(t.Context(), key.ID)
		if err == nil {
			t.Errorf("%s: deleted", f)
		}
		_ = s.m.SetFault(f, false)
	}
	if _, err := api.DeleteAgents(t.Context(), key.ID); err != nil {
		t.Errorf("without faults: %v", err)
	}
}

func TestAPIReconnect(t *testing.T) {
	s := newSite(t)
	session := s.connect(s.agent("web-01"))
	s.keepAlive(session)
	if status, body := s.call("PUT", "/agents/reconnect?agents_list=001,002", s.token()); status != 200 || !strings.Contains(body, `"affected_items":["001"]`) {
		t.Errorf("got %d %s", status, body)
	}
	<-session.Done()
	if !errors.Is(session.Err(), wazuh.ErrReconnect) {
		t.Errorf("session ended by %v", session.Err())
	}
}

// A restart of everything costs every session, and comes back.
func TestAPIRestart(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	session := s.connect(key)
	if status, _ := s.call("PUT", "/manager/restart", s.token()); status != 200 {
		t.Errorf("got %d", status)
	}
	<-session.Done()
	s.eventually("connected again", func() bool { _, err := s.dial(key); return err == nil })
}

// The key of an agent is its line of client.keys; a ghost, which has a key and no row, has none here.
func TestAPIAgentKey(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	api := s.api()
	got, err := api.AgentKey(t.Context(), key.ID)
	if err != nil || got.Hash() != key.Hash() {
		t.Errorf("got the key of %q, %v", got.Name, err)
	}
	s.m.store.mu.Lock()
	delete(s.m.store.rows, key.ID)
	s.m.store.mu.Unlock()
	if _, err := api.AgentKey(t.Context(), key.ID); !wazuh.HasCode(err, wazuh.CodeNoAgent) {
		t.Errorf("a ghost: %v", err)
	}
	if _, err := api.DeleteAgents(t.Context(), key.ID); err != nil {
		t.Errorf("deleting a ghost counts as gone, although its key stays: %v", err)
	}
	if _, err := api.AgentKey(t.Context(), "000"); err == nil {
		t.Error("asked for the manager's own key")
	}
}

// What remoted says of an id it does not know is all that shows a removed agent's session ending.
func TestAPIRefusedIDs(t *testing.T) {
	s := newSite(t)
	key := s.agent("web-01")
	api := s.api()
	at, err := api.RefusedIDs(t.Context())
	if err != nil || len(at) != 0 {
		t.Fatalf("refused at %v, %v", at, err)
	}
	for _, id := range []string{key.ID, "0" + key.ID} {
		unknown := key
		unknown.ID = id
		if id == key.ID {
			if _, err := api.DeleteAgents(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			s.clock.advance(time.Minute) // remoted reads client.keys again
		}
		_, err := wazuh.Dial(t.Context(), s.m.Addresses().Events, wazuh.SessionOptions{Key: unknown, Handshake: 5 * time.Second})
		if err == nil {
			t.Fatalf("agent %s was let in", id)
		}
	}
	at, err = api.RefusedIDs(t.Context())
	if err != nil || len(at) != 2 || !at[key.ID].Equal(s.m.store.now().UTC().Truncate(time.Second)) {
		t.Errorf("refused at %v, %v", at, err)
	}
}

// The number of connections counts everybody, and is of a moment ago.
func TestAPICountsConnections(t *testing.T) {
	s := newSite(t, func(s *site) { s.opts.StateInterval = 20 * time.Millisecond })
	api := s.api()
	session := s.connect(s.agent("web-01"))
	silent := s.rawDial()
	counts := func(want int) {
		t.Helper()
		s.eventually(fmt.Sprintf("%d connections", want), func() bool {
			got, err := api.TCPSessions(t.Context())
			return err == nil && got == want
		})
	}
	counts(2)
	if asked, err := api.Reconnect(t.Context()); err != nil || asked != 1 {
		t.Errorf("asked %d to reconnect, %v", asked, err)
	}
	<-session.Done()
	counts(1)
	if asked, err := api.Reconnect(t.Context()); err != nil || asked != 0 {
		t.Errorf("nobody connected: asked %d, %v", asked, err)
	}
	if err := api.RestartManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection outlived the restart")
	}
	counts(0)
}

// Wazuh 5 has removed everything under /manager: what a manager says of itself is under its name in
// its cluster of one, and it counts no connections.
func TestAPIOfWazuh5(t *testing.T) {
	s := newSite(t, version("v5.0.0"))
	api := s.api()
	if info, err := api.ManagerInfo(t.Context()); err != nil || info.Version != "v5.0.0" {
		t.Errorf("info %v, %v", info, err)
	}
	if status, err := api.ManagerStatus(t.Context()); err != nil || len(status.NotRunning()) != 0 || status["wazuh-manager-remoted"] != wazuh.DaemonRunning {
		t.Errorf("status %v, %v", status, err)
	}
	unknown := s.agent("web-01")
	unknown.ID = "0" + unknown.ID // a line in its log
	if _, err := wazuh.Dial(t.Context(), s.m.Addresses().Events, wazuh.SessionOptions{Key: unknown, Handshake: 5 * time.Second}); err == nil {
		t.Fatal("an unknown agent was let in")
	}
	if at, err := api.RefusedIDs(t.Context()); err != nil || len(at) != 1 {
		t.Errorf("refused at %v, %v", at, err)
	}
	summary, err := api.AgentsSummary(t.Context())
	if want := (wazuh.Summary{NeverConnected: 1, Total: 1}); err != nil || summary != want {
		t.Errorf("summary %+v, %v", summary, err)
	}
	if err := s.m.SetFault(FaultAPINoSummary, true); err != nil {
		t.Fatal(err)
	}
	if counted, err := api.AgentsSummary(t.Context()); err != nil || counted != summary {
		t.Errorf("without a summary %+v, %v; want %+v", counted, err, summary)
	}
	var problem *wazuh.Problem
	if _, err := api.TCPSessions(t.Context()); !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
		t.Errorf("counted connections: %v", err)
	}
	silent := s.rawDial()
	if err := api.RestartManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection outlived the restart")
	}
}
