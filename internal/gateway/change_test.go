package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// A rotation: both secrets during the overlap, then only the new one; nobody's
// connection is interrupted and authd is not restarted.
func TestARotationOverlaps(t *testing.T) {
	p := &policy.Policy{Generation: 1, Secret: digest(previousSecret)}
	s := newSite(t, p)
	s.want("", previousSecret, agent("before"))
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("early"))
	s.push(&policy.Policy{
		Generation: 2, Secret: digest(tenantSecret),
		Previous: &policy.Previous{Secret: digest(previousSecret), Until: s.clock.Now().Add(time.Hour)},
	})
	s.want("", previousSecret, agent("during-old"))
	s.want("", tenantSecret, agent("during-new"))
	if r := s.wantReason("during-old", policy.ReasonEnrolled); r.Credential != policy.CredentialPrevious {
		t.Errorf("got record %+v; hosts that still have the old secret must be told apart", r)
	}
	s.clock.advance(2 * time.Hour)
	s.want(wazuh.ReasonInvalidPassword, previousSecret, agent("after-old"))
	s.wantReason("after-old", policy.ReasonPreviousExpired)
	s.want("", tenantSecret, agent("after-new"))
}

// The probe's cheap question works: it proves a secret and makes nothing.
func TestTheProbeCreatesNothing(t *testing.T) {
	s := newSite(t, basic())
	s.want(wazuh.ReasonInvalidName("x"), tenantSecret, wazuh.EnrollRequest{Name: "x"})
	s.want(wazuh.ReasonInvalidPassword, wrongSecret, wazuh.EnrollRequest{Name: "x"})
	if n := len(s.groups()); n != 0 {
		t.Errorf("the manager knows %d agents, want none", n)
	}
}

// Who is on the deny list is told what a stranger is told; the audit knows why.
func TestTheDenied(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	p := basic()
	s := newSite(t, p)
	s.want("", tenantSecret, agent("web-01"))
	p.Generation = 2
	p.Deny = []policy.Ban{
		{ID: "revoke-1", Name: "web-01"}, {ID: "revoke-1", KeyHash: hash},
		{ID: "site-9", Source: netip.MustParsePrefix("127.0.7.0/24"), Until: s.clock.Now().Add(time.Hour)},
	}
	s.push(p)
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("WEB-01"))
	s.wantReason("WEB-01", policy.ReasonDeniedName)
	renamed := agent("web-01-new")
	renamed.KeyHash = strings.ToUpper(hash)
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, renamed)
	if r := s.wantReason("web-01-new", policy.ReasonDeniedKey); r.Ban != "revoke-1" {
		t.Errorf("the audit blames ban %q", r.Ban)
	}
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("guest"), "127.0.7.9")
	s.wantReason("guest", policy.ReasonDeniedSource)
	s.clock.advance(2 * time.Hour)
	s.want("", tenantSecret, agent("guest"), "127.0.7.9")

	p.Generation, p.Deny = 3, nil
	s.push(p)
	s.want(wazuh.ReasonDuplicateName("web-01"), tenantSecret, agent("web-01")) // the ban is lifted; authd has its own view
}

func TestSuspended(t *testing.T) {
	p := basic()
	p.Suspended = true
	s := newSite(t, p)
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("web-01"))
	s.wantReason("web-01", policy.ReasonSuspended)
}

// The highest generation wins: over the mounted file, which may be a minute
// behind, and over a restart.
func TestTheHighestGenerationWins(t *testing.T) {
	p := basic()
	s := newSite(t, p)
	deny := basic()
	deny.Generation, deny.Deny = 5, []policy.Ban{{ID: "b", Name: "web-01"}}
	s.push(deny)
	s.push(deny) // once more is no error
	p.Generation = 4
	s.swap("policy", map[string][]byte{"policy.json": encode(t, p)})
	s.restart()
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("web-01"))

	var outdated *admin.Outdated
	if _, err := s.admin().PutPolicy(t.Context(), p); !errors.As(err, &outdated) || outdated.Generation != 5 {
		t.Errorf("an older policy: got %v", err)
	}
	p.Generation = 5
	if _, err := s.admin().PutPolicy(t.Context(), p); !errors.As(err, &outdated) {
		t.Errorf("another policy of the same generation: got %v", err)
	}
	p.Generation = 6
	s.swap("policy", map[string][]byte{"policy.json": encode(t, p)})
	s.eventually("generation 6", func() bool { return s.gateway.State().Policy.Generation == 6 })
	s.want("", tenantSecret, agent("web-01"))
}

// A policy that cannot be used changes nothing, whichever way it comes.
func TestABrokenPolicyChangesNothing(t *testing.T) {
	s := newSite(t, basic())
	s.swap("policy", map[string][]byte{"policy.json": []byte(`{"generation": 9, "suspendet": true}`)})
	s.eventually("a complaint", func() bool { return s.metric(`soctalk_gateway_reload_failures_total{file="policy.json"}`) == "1" })
	_, err := s.admin().PutPolicy(t.Context(), &policy.Policy{Generation: 9, SourceIP: "guess"})
	if err == nil || !strings.Contains(err.Error(), `policy: sourceIP: "guess"`) {
		t.Errorf("got %v; want the field and its value", err)
	}
	s.want("", tenantSecret, agent("web-01"))
}

// stuckManager accepts connections and says nothing until it is told.
func stuckManager(t *testing.T) (address string, accepted chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	accepted = make(chan net.Conn, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for len(accepted) > 0 {
			_ = (<-accepted).Close()
		}
	})
	return l.Addr().String(), accepted
}

// An agent that waits in the queue when it is revoked does not get through, and
// PutPolicy returns only when the one before it is done.
func TestRevokedWhileWaiting(t *testing.T) {
	address, accepted := stuckManager(t)
	p := basic()
	p.Limits.UnprovenPerSource = 1 // whoever waits has shown a secret, and bars nobody's way
	s := newSite(t, p, func(s *site) { s.config.Manager = address })
	(<-accepted).Close() // the check at the start: once and again
	(<-accepted).Close()
	var wait sync.WaitGroup
	answers := map[string]error{}
	var mu sync.Mutex
	enroll := func(name string) {
		wait.Go(func() {
			_, err := s.tryEnroll(tenantSecret, agent(name))
			mu.Lock()
			defer mu.Unlock()
			answers[name] = err
		})
	}
	enroll("at-the-manager")
	first := <-accepted
	enroll("revoked")
	s.eventually("one waits", func() bool { return s.gateway.State().Waiting == 1 })
	p.Generation, p.Deny = 2, []policy.Ban{{ID: "b", Name: "revoked"}}
	pushed := make(chan struct{})
	go func() {
		defer close(pushed)
		s.push(p)
	}()
	s.eventually("the policy in force", func() bool { return s.gateway.State().Policy.Generation == 2 })
	select {
	case <-pushed:
		t.Error("the push returned while an enrollment judged before was at the manager")
	default:
	}
	_ = first.Close()
	(<-accepted).Close() // the second attempt for the first agent
	wait.Wait()
	<-pushed
	if err := answers["revoked"]; err == nil || !strings.Contains(err.Error(), wazuh.ReasonInvalidPassword) {
		t.Errorf("the revoked agent got %v", err)
	}
	s.wantReason("revoked", policy.ReasonDeniedName)
	s.wantReason("at-the-manager", policy.ReasonManagerDown)
}

// The queue is bounded, in length and in time.
func TestTheQueueIsBounded(t *testing.T) {
	address, accepted := stuckManager(t)
	p := basic()
	p.Limits = policy.Limits{Waiting: 1, Queue: policy.Duration(200 * time.Millisecond)}
	s := newSite(t, p, func(s *site) { s.config.Manager = address })
	held := <-accepted // the check at the start has the turn
	s.want(wazuh.ReasonInternalAdd("patient"), tenantSecret, agent("patient"))
	s.wantReason("patient", policy.ReasonQueueTimeout)
	p.Generation, p.Limits.Queue = 2, policy.Duration(time.Minute)
	s.push(p)
	var wait sync.WaitGroup
	wait.Go(func() { s.want(wazuh.ReasonInternalAdd("waiting"), tenantSecret, agent("waiting")) })
	s.eventually("one waits", func() bool { return s.gateway.State().Waiting == 1 })
	s.want(wazuh.ReasonInternalAdd("rejected"), tenantSecret, agent("rejected"))
	s.wantReason("rejected", policy.ReasonQueueFull)
	_ = held.Close()
	(<-accepted).Close() // the check's second attempt
	(<-accepted).Close() // who waited: once and again
	(<-accepted).Close()
	wait.Wait()
	s.wantReason("waiting", policy.ReasonManagerDown)
}

// authd is down, comes back, and was restarted with another password: the agent
// is told to come again, the operator what is wrong.
func TestTroubleWithTheManager(t *testing.T) {
	s := newSite(t, withTokens(policy.Token{Name: "one", Secret: digest(tokenSecret), MaxUses: 1}))
	down := s.config.Manager
	s.config.Manager = "127.0.0.1:1" // nobody is there
	s.restart()
	s.want(wazuh.ReasonInternalAdd("web-01"), tokenSecret, agent("web-01"))
	if r := s.wantReason("web-01", policy.ReasonManagerDown); r.Outcome != audit.Failed || r.Detail == "" {
		t.Errorf("got record %+v", r)
	}
	if state := s.gateway.State(); state.Manager.Up || state.Manager.Problem == "" || state.Policy.Tokens[0].Uses != 0 {
		t.Errorf("got state %+v; want a problem and the token's use given back", state)
	}
	s.config.Manager = down
	s.restart()
	s.swap("secrets", map[string][]byte{"authd.pass": []byte("another-internal-secret\n"), "token": []byte(adminToken)})
	last := ""
	s.eventually("the manager to refuse us", func() bool {
		last += "x"
		_, answer := s.enroll(tenantSecret, agent("web"+last))
		return answer == wazuh.ReasonInternalAdd("web"+last)
	})
	s.wantReason("web"+last, policy.ReasonManagerSecret)
}

// Confirm is asked about each new agent, and its verdict is counted.
func TestConfirm(t *testing.T) {
	asked := make(chan string, 1)
	s := newSite(t, basic(), func(s *site) {
		s.config.Confirm = func(_ context.Context, id, name string) error {
			asked <- id + " " + name
			return errors.New("no row")
		}
	})
	s.want("", tenantSecret, agent("web-01"))
	if got := <-asked; got != "001 web-01" {
		t.Errorf("asked about %q", got)
	}
	s.eventually("a count", func() bool { return s.metric("soctalk_gateway_unconfirmed_total") == "1" })
}

// A gateway that is stopped lets the enrollment under way finish.
func TestStoppingIsPolite(t *testing.T) {
	s := newSite(t, basic(), func(s *site) { s.config.Grace = time.Minute })
	conn := s.dial()
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	must(t, client.Handshake())
	closed := make(chan error, 1)
	go func() { closed <- s.gateway.Close() }()
	s.eventually("a closed port", func() bool {
		_, err := net.DialTimeout("tcp", s.gateway.Addresses().Enrollment, time.Second)
		return err != nil
	})
	_, err := fmt.Fprintf(client, "OSSEC PASS: %s OSSEC A:'late'\n", tenantSecret)
	must(t, err)
	answer := make([]byte, 300)
	n, err := client.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "OSSEC K:'001 late ") {
		t.Errorf("got %q, %v", answer[:n], err)
	}
	must(t, <-closed)
}

// The admin port wants its token, in full.
func TestTheAdminPortIsGuarded(t *testing.T) {
	s := newSite(t, basic())
	for _, token := range []string{"", "Bearer", "Bearer ", "Bearer wrong", adminToken, "Bearer " + adminToken + "x", "Basic " + adminToken} {
		r, err := http.NewRequest(http.MethodGet, "https://"+s.gateway.Addresses().Admin+"/v1/state", nil)
		must(t, err)
		r.Header.Set("Authorization", token)
		response, err := s.client.Do(r)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("Authorization %q: got %s", token, response.Status)
		}
	}
	if _, err := s.admin().State(t.Context()); err != nil {
		t.Error(err)
	}
	if response, err := s.client.Get("http://" + s.gateway.Addresses().Admin + "/v1/state"); err == nil {
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			t.Error("the admin port answers without TLS")
		}
	}
}
