package gateway_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

func agent(name string) wazuh.EnrollRequest {
	return wazuh.EnrollRequest{Name: name, Version: wazuh.DefaultVersion}
}

// An agent shows the tenant's secret, the manager its own, and neither learns
// the other's.
func TestAnAgentEnrolls(t *testing.T) {
	s := newSite(t, basic())
	key := s.want("", tenantSecret, agent("web-01"), "127.0.0.7")
	if key.ID != "001" || key.Name != "web-01" || key.IP != wazuh.AnyAddress {
		t.Errorf("got key %v", key)
	}
	r := s.wantReason("web-01", policy.ReasonEnrolled)
	if r.ID != "001" || r.Source != "127.0.0.7" || r.Credential != policy.CredentialSecret || r.Version != wazuh.DefaultVersion || r.Outcome != audit.Enrolled {
		t.Errorf("got record %+v", r)
	}
	s.want(wazuh.ReasonInvalidPassword, wrongSecret, agent("web-02"))
	s.wantReason("web-02", policy.ReasonUnknownSecret)
	s.want(wazuh.ReasonInvalidPassword, internalSecret, agent("web-03"))
	s.want(wazuh.ReasonDuplicateName("web-01"), tenantSecret, agent("web-01"))
	if r := s.wantReason("web-01", policy.ReasonManagerRefused); r.Detail != wazuh.ReasonDuplicateName("web-01") {
		t.Errorf("got record %+v", r)
	}
}

// Whatever is asked, the gateway answers with the very bytes authd would have.
func TestAnswersAreAuthds(t *testing.T) {
	s := newSite(t, basic())
	behind := func(line, secret string) string { return strings.ReplaceAll(line, "$", secret) }
	for _, line := range []string{
		"OSSEC PASS: $x OSSEC A:'a1'\n", "OSSEC PASS: $OSSEC A:'a1'\n", "OSSEC PASS: $\n", "OSSEC PASS: \n", "OSSEC PASS:  OSSEC A:'a1'\n",
		"OSSEC A:'a1'\n", "\n", "GET / HTTP/1.1\r\n", "OSSEC PASS: $  OSSEC A:'a1'\n", "OSSEC PASS: $ OSSEC A:'a1\n",
		"OSSEC PASS: $ OSSEC A:'x'\n", "OSSEC PASS: $ OSSEC A:'.a1'\n", "OSSEC PASS: $ OSSEC A:'a1' V:'v9.0.0'\n",
		"OSSEC PASS: $ OSSEC A:'a1' V:'v4\n", "OSSEC PASS: $ OSSEC A:'a1' G:'nowhere'\n", "OSSEC PASS: $ OSSEC A:'a1' G:'a b'\n",
		"OSSEC PASS: $ OSSEC A:'a1' IP:'nowhere'\n", "OSSEC PASS: $ OSSEC A:'a1' K:'12\n", "OSSEC PASS: $ OSSEC A:'wazuh-manager'\n",
		"OSSEC PASS: $\x00 OSSEC A:'a1'\n", "OSSEC PASS: $ \x00OSSEC A:'a1'\n",
	} {
		bare := talk(t, s.manager.Addresses().Enroll, behind(line, internalSecret))
		through := talk(t, s.gateway.Addresses().Enrollment, behind(line, tenantSecret))
		if diff := cmp.Diff(bare, through); diff != "" {
			t.Errorf("%q (-authd +gateway):\n%s", line, diff)
		}
	}
}

// What the agent says of itself reaches the manager; what only pretends to be a
// field does not.
func TestFieldsAreKept(t *testing.T) {
	s := newSite(t, basic())
	answer := talk(t, s.gateway.Addresses().Enrollment, "OSSEC PASS: "+tenantSecret+" OSSEC A:'web-01' V:'v4.3.0' G:'web' IP:'10.1.2.3' trailing OSSEC A:'web-02'\n")
	if len(answer) != 1 || !strings.HasPrefix(answer[0], "OSSEC K:'001 web-01 10.1.2.3 ") {
		t.Fatalf("got %q; want one record with a key for 10.1.2.3", answer)
	}
	s.inGroup("web-01", "web")
}

// IP:'src' would make authd register the gateway for everybody.
func TestSourceAddressIsDroppedOrSubstituted(t *testing.T) {
	p := basic()
	s := newSite(t, p)
	wish := wazuh.EnrollRequest{Name: "web-01", IP: wazuh.SourceIP}
	if key := s.want("", tenantSecret, wish, "127.0.0.8"); key.IP != wazuh.AnyAddress {
		t.Errorf("registered as %q, want any", key.IP)
	}
	if r := s.last("web-01"); r.Detail == "" {
		t.Error("the audit does not say that the wish was dropped")
	}
	p.Generation, p.SourceIP = 2, policy.SourceSubstitute
	s.push(p)
	for i, source := range []string{"127.0.0.8", "127.0.0.9"} {
		wish.Name = fmt.Sprintf("db-%02d", i)
		if key := s.want("", tenantSecret, wish, source); key.IP != source {
			t.Errorf("registered as %q, want %q", key.IP, source)
		}
	}
}

func withTokens(tokens ...policy.Token) *policy.Policy {
	p := basic()
	p.Tokens = tokens
	return p
}

// A token forces its group, whatever the agent asks for.
func TestATokenForcesItsGroup(t *testing.T) {
	s := newSite(t, withTokens(policy.Token{
		Name: "order-7", Secret: digest(tokenSecret), Group: "berlin", Names: "ber-*",
		Sources: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24")}, Expires: time.Now().Add(time.Hour),
	}))
	r := agent("ber-01")
	r.Groups = "web"
	s.want("", tokenSecret, r, "127.0.1.1")
	s.inGroup("ber-01", "berlin")
	record := s.wantReason("ber-01", policy.ReasonEnrolled)
	if record.Token != "order-7" || record.Credential != policy.CredentialToken || record.Groups != "berlin" {
		t.Errorf("got record %+v", record)
	}
	s.want(wazuh.ReasonInvalidPassword, tokenSecret, agent("muc-01"), "127.0.1.1")
	s.wantReason("muc-01", policy.ReasonTokenName)
	s.want(wazuh.ReasonInvalidPassword, tokenSecret, agent("ber-02"), "127.0.2.1")
	s.wantReason("ber-02", policy.ReasonTokenSource)
	s.clock.advance(2 * time.Hour)
	s.want(wazuh.ReasonInvalidPassword, tokenSecret, agent("ber-03"), "127.0.1.1")
	s.wantReason("ber-03", policy.ReasonTokenExpired)
	s.want("", tenantSecret, agent("muc-01"), "127.0.2.1")
}

// A token for three agents is good for three: with ten at a time, over a
// restart, and after enrollments the manager refused.
func TestATokenIsUsedUp(t *testing.T) {
	s := newSite(t, withTokens(policy.Token{Name: "three", Secret: digest(tokenSecret), MaxUses: 3}))
	s.want("", tokenSecret, agent("first"))
	s.want(wazuh.ReasonDuplicateName("first"), tokenSecret, agent("first"))
	s.restart()
	var wait sync.WaitGroup
	answers := make([]string, 10)
	for i := range answers {
		wait.Go(func() { _, answers[i] = s.enroll(tokenSecret, agent(fmt.Sprintf("more-%d", i))) })
	}
	wait.Wait()
	counts := map[string]int{}
	for _, a := range answers {
		counts[a]++
	}
	if diff := cmp.Diff(map[string]int{"": 2, wazuh.ReasonInvalidPassword: 8}, counts); diff != "" {
		t.Error(diff)
	}
	s.restart()
	s.want(wazuh.ReasonInvalidPassword, tokenSecret, agent("late"))
	s.wantReason("late", policy.ReasonTokenUsedUp)
	if uses := s.gateway.State().Policy.Tokens[0].Uses; uses != 3 {
		t.Errorf("the state tells of %d uses, want 3", uses)
	}
}

// With the race of 4.14 open wide, a thousand agents that come at once all get
// their own row, under their own name, in their own group.
func TestAThousandAtOnce(t *testing.T) {
	p := basic()
	p.Limits = policy.Limits{Queue: policy.Duration(5 * time.Minute), Total: policy.Duration(6 * time.Minute)}
	s := newSite(t, p)
	must(t, s.manager.SetFault(manager.FaultRace, true))
	agents := 1000
	if testing.Short() {
		agents = 100
	}
	var wait sync.WaitGroup
	keys := make([]wazuh.Key, agents)
	errs := make([]error, agents)
	for i := range agents {
		wait.Go(func() {
			r := agent(fmt.Sprintf("host-%04d", i))
			r.Groups = []string{"berlin", "web"}[i%2]
			// Half of them behind one address.
			keys[i], errs[i] = s.tryEnroll(tenantSecret, r, fmt.Sprintf("127.0.3.%d", 1+(i%2)*(i%200)))
		})
	}
	wait.Wait()
	// authd writes the row after its answer, so the last agent's may be still to come.
	groups := map[string][]string{}
	s.eventually("a row for every agent", func() bool {
		groups = s.groups()
		return len(groups) == agents
	})
	ids := map[string]bool{}
	for i := range agents {
		name := fmt.Sprintf("host-%04d", i)
		if errs[i] != nil {
			t.Fatalf("%s: %v", name, errs[i])
		}
		if keys[i].Name != name || ids[keys[i].ID] {
			t.Fatalf("%s got the key of %s with id %s", name, keys[i].Name, keys[i].ID)
		}
		ids[keys[i].ID] = true
		if diff := cmp.Diff([]string{[]string{"berlin", "web"}[i%2]}, groups[name]); diff != "" {
			t.Fatalf("%s has the wrong row:\n%s", name, diff)
		}
	}
	if down := s.metric(attempts(audit.Enrolled, policy.ReasonEnrolled)); down != fmt.Sprint(agents) {
		t.Errorf("the metrics count %s enrollments, want %d", down, agents)
	}
}

// The simulated race is real: without the gateway the same load loses rows.
func TestTheRaceIsOpen(t *testing.T) {
	s := newSite(t, basic())
	must(t, s.manager.SetFault(manager.FaultRace, true))
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			r := agent(fmt.Sprintf("host-%02d", i))
			r.Password = wazuh.NewSecret(internalSecret)
			if _, err := wazuh.Enroll(context.Background(), wazuh.EnrollOptions{Address: s.manager.Addresses().Enroll, Request: r}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if rows := len(s.groups()); rows == 50 {
		t.Error("nothing was lost; the test above proves nothing")
	}
}
