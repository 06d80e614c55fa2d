package gateway_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// After a day with everything in it, none of the secrets and none of the keys is
// in the log, the metrics, the admin port's answers or the state folder.
func TestNothingLeaks(t *testing.T) {
	p := withTokens(policy.Token{Name: "order-7", Secret: digest(tokenSecret), MaxUses: 2})
	p.Previous = &policy.Previous{Secret: digest(previousSecret), Until: time.Now().Add(time.Hour)}
	s := newSite(t, p)
	var keys []wazuh.Key
	keys = append(keys, s.want("", tenantSecret, agent("a1")), s.want("", previousSecret, agent("a2")), s.want("", tokenSecret, agent("a3")))
	s.want(wazuh.ReasonInvalidPassword, wrongSecret, agent("a4"))
	s.want(wazuh.ReasonDuplicateName("a1"), tenantSecret, agent("a1"))
	for _, line := range []string{"OSSEC PASS: " + wrongSecret + "\n", wrongSecret + "\n", "OSSEC PASS: " + tenantSecret + " OSSEC B:'" + wrongSecret + "'\n"} {
		_ = talk(t, s.gateway.Addresses().Enrollment, line)
	}
	// Secrets where their digests belong.
	for i, text := range []string{
		`{"generation": 2, "secret": "` + tenantSecret + `"}`,
		`{"generation": 2, "tokens": [{"name": "t", "secret": "` + strings.Repeat(tokenSecret, 3)[:64] + `"}]}`,
		`{"generation": 2, "deny": [{"id": "x", "keyHash": "` + keys[0].Raw.Reveal() + `"}]}`,
	} {
		s.swap("policy", map[string][]byte{"policy.json": []byte(text)})
		s.eventually("a complaint", func() bool { return strings.Count(s.log.String(), "cannot be used") == i+1 })
		if _, err := s.gateway.Offer([]byte(text)); err == nil {
			t.Errorf("%s was accepted", text)
		} else {
			_, _ = s.log.Write([]byte(err.Error()))
		}
	}
	s.config.Manager = "127.0.0.1:1"
	s.restart()
	s.want(wazuh.ReasonInternalAdd("a5"), tokenSecret, agent("a5"))

	outputs := map[string]string{"log": s.log.String(), "metrics": s.metricsPage()}
	state, err := s.admin().State(t.Context())
	must(t, err)
	page, err := s.admin().Enrollments(t.Context(), 0)
	must(t, err)
	outputs["state"], outputs["enrollments"] = string(encode(t, state)), string(encode(t, page))
	must(t, filepath.WalkDir(s.path("state"), func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		outputs[name] = string(text)
		return err
	}))
	for where, text := range outputs {
		if text == "" {
			t.Errorf("%s is empty; nothing was looked at", where)
		}
		for _, secret := range []string{tenantSecret, previousSecret, tokenSecret, wrongSecret, internalSecret, adminToken} {
			if strings.Contains(text, secret) {
				t.Errorf("%s contains %q", where, secret)
			}
		}
		for _, key := range keys {
			if strings.Contains(text, key.Raw.Reveal()) {
				t.Errorf("%s contains the key of %s", where, key.Name)
			}
		}
		d := digest(tenantSecret)
		if strings.Contains(text, hex.EncodeToString(d[:])) && !strings.HasSuffix(where, "policy.json") {
			t.Errorf("%s contains the digest of the tenant's secret", where)
		}
	}
}

// Every line of the log is JSON, whatever a peer puts into its request.
func TestTheLogCannotBeForged(t *testing.T) {
	s := newSite(t, basic())
	_ = talk(t, s.gateway.Addresses().Enrollment, "OSSEC PASS: "+tenantSecret+" OSSEC A:'web-01' V:'v4\r{\"outcome\":\"enrolled\"}\x1b[31m' G:'web'\n")
	s.last("web-01")
	for line := range strings.Lines(s.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("not JSON: %q", line)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("a control character came through: %q", line)
		}
	}
}
