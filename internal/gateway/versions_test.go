package gateway_test

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// A manager of 4.3 refuses in two texts and does not know an agent's version. Agents notice
// neither, and a token's group arrives although the agent tells its version.
func TestInFrontOf43(t *testing.T) {
	p := basic()
	p.Tokens = []policy.Token{{Name: "berlin", Secret: digest(tokenSecret), Group: "berlin"}}
	s := newSiteOf(t, "v4.3.11", p, func(s *site) { s.config.OmitAgentVersion = true })
	s.upManager()
	s.want("", tokenSecret, wazuh.EnrollRequest{Name: "web-01", Version: "v4.3.10"})
	s.inGroup("web-01", "berlin")
	got := talk(t, s.gateway.Addresses().Enrollment, "OSSEC PASS: "+tenantSecret+" OSSEC A:'web-01' V:'v4.3.10'\n")
	if len(got) != 1 || got[0] != "ERROR: Duplicate agent name: web-01. Unable to add agent" {
		t.Errorf("a refusal came as %q", got)
	}
	s.wantReason("web-01", policy.ReasonManagerRefused)
}

// authd of Wazuh 5 speaks TLS 1.3 only; agents that do not have the gateway.
func TestInFrontOfWazuh5(t *testing.T) {
	s := newSiteOf(t, "v5.0.0", basic())
	s.upManager()
	s.want("", tenantSecret, wazuh.EnrollRequest{Name: "web-01", Version: "v4.14.7"})
	s.want("Agent version must be lower or equal to manager version", tenantSecret, wazuh.EnrollRequest{Name: "web-02", Version: "v5.1.0"})
}

// upManager waits until the gateway has found the manager in order.
func (s *site) upManager() {
	s.Helper()
	s.eventually("a manager in order", func() bool {
		state, err := s.admin().State(s.Context())
		return err == nil && state.Manager.Up
	})
}
