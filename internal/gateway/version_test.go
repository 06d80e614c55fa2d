package gateway_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// later is a policy of the version after ours, with a field we do not know.
func later(generation, needs int) string {
	secret, err := digest(tenantSecret).MarshalText()
	if err != nil {
		panic(err) // a digest always encodes
	}
	return fmt.Sprintf(`{"version":%d,"needs":%d,"generation":%d,"secret":%q,"greeting":{"words":["hello"]}}`, policy.Version+1, needs, generation, secret)
}

// An operator that was upgraded writes for gateways that were not: they serve by what
// they know where it says that this is safe, and keep the rest for whoever follows.
func TestALaterPolicyThatIsSafe(t *testing.T) {
	s := newSite(t, basic())
	text := later(5, policy.Version)
	if _, err := s.gateway.Offer([]byte(text)); err != nil {
		t.Fatal(err)
	}
	s.want("", tenantSecret, agent("web-01"))
	s.want(wazuh.ReasonInvalidPassword, wrongSecret, agent("web-02"))
	if state := s.gateway.State().Policy; state.Generation != 5 || state.Fingerprint != policy.FingerprintOf([]byte(text)) || state.Problem != "" {
		t.Errorf("the operator is told %+v, and would push it again", state)
	}
	s.restart()
	s.want("", tenantSecret, agent("web-03"))
	kept, err := os.ReadFile(s.path("state/policy.json"))
	if err != nil || string(kept) != text {
		t.Errorf("on disk is %s, %v; the next gateway would miss what this one does not know", kept, err)
	}
}

// One that would be laxer with half of its policy goes on with the one it has, and
// tells who pushes why.
func TestALaterPolicyThatNeedsMore(t *testing.T) {
	s := newSite(t, basic())
	s.swap("policy", map[string][]byte{"policy.json": []byte(later(8, policy.Version+1))})
	s.eventually("a complaint", func() bool { return s.metric(`soctalk_gateway_reload_failures_total{file="policy.json"}`) == "1" })
	client := s.admin()
	push := &policy.Policy{Version: policy.Version + 1, Needs: policy.Version + 1, Generation: 9, Secret: digest(wrongSecret)}
	_, err := client.PutPolicy(t.Context(), push)
	var refused *admin.Refused
	if !errors.As(err, &refused) || !strings.Contains(refused.Why, "needs a gateway that knows version 2, and this one knows 1") {
		t.Errorf("the push ended with %v", err)
	}
	s.want("", tenantSecret, agent("web-01"))
	s.want(wazuh.ReasonInvalidPassword, wrongSecret, agent("web-02"))
	s.restart() // the mounted one is still the later one
	s.want("", tenantSecret, agent("web-03"))
}

// A gateway that was put back to a former version finds a policy on its disk that it
// must not take half of. It runs, for the agents' events need its pod, lets nobody in
// and says why, until it is shown a policy it can read.
func TestAPolicyOfTheVersionThatWasTakenBack(t *testing.T) {
	s := newSite(t, basic())
	must(t, s.gateway.Close())
	must(t, os.WriteFile(s.path("state/policy.json"), []byte(later(7, policy.Version+1)), 0o600))
	s.start()
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("web-01"))
	s.wantReason("web-01", policy.ReasonSuspended)
	if state := s.gateway.State().Policy; state.Generation != 7 || !strings.Contains(state.Problem, "update the gateway's image") {
		t.Errorf("the operator is told %+v", state)
	}
	again := basic()
	again.Generation = 8
	s.push(again)
	s.want("", tenantSecret, agent("web-01"))
	if state := s.gateway.State().Policy; state.Problem != "" {
		t.Errorf("it still complains: %s", state.Problem)
	}
	s.restart()
	s.want("", tenantSecret, agent("web-02"))

	// Nothing on disk, and the mounted one is too new: closed all the same, not gone.
	must(t, s.gateway.Close())
	must(t, os.Remove(s.path("state/policy.json")))
	s.swap("policy", map[string][]byte{"policy.json": []byte(later(9, policy.Version+1))})
	s.start()
	s.want(wazuh.ReasonInvalidPassword, tenantSecret, agent("web-03"))
	if state := s.gateway.State().Policy; state.Generation != 9 || state.Problem == "" {
		t.Errorf("the operator is told %+v", state)
	}
}
