package issuance

import (
	"strings"
	"testing"
	"time"
)

// In cert-manager's words. The suite of internal/certmanager meets the real ones.
func TestJudge(t *testing.T) {
	issuer := Issuer{Kind: "ClusterIssuer", Name: "letsencrypt-prod"}
	at := time.Date(2026, 11, 25, 19, 31, 7, 0, time.UTC)
	for name, c := range map[string]struct {
		state State
		kind  Kind
		says  string
	}{
		"nothing known": {State{}, None, ""},
		"at work": {State{Issuer: issuer, Certificate: Step{State: "DoesNotExist", Message: "Issuing certificate as Secret does not exist"}},
			Working, "cert-manager says: Issuing certificate as Secret does not exist"},
		"no issuer": {State{
			Issuer:  Issuer{Kind: "ClusterIssuer", Name: "letsencrpyt-prod", Missing: true},
			Request: Step{State: "Pending", Message: `Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "letsencrpyt-prod" not found`},
		}, IssuerNotFound, `ClusterIssuer "letsencrpyt-prod" does not exist`},
		"issuer without account": {State{Issuer: Issuer{Kind: "ClusterIssuer", Name: "pebble", NotReady: `Failed to register ACME account: Get "https://127.0.0.1:1/dir": connection refused`}},
			IssuerNotReady, "Failed to register ACME account"},
		"limit": {State{Issuer: issuer, Order: Step{State: "errored",
			Message: "Failed to create Order: 429 urn:ietf:params:acme:error:rateLimited: too many certificates (50) already issued for \"example.com\""}},
			RateLimited, "too many certificates (50) already issued"},
		"limit with its end": {State{Issuer: issuer, Failures: 1, LastFailed: at, Order: Step{State: "errored",
			Message: "Failed to create Order: 429 urn:ietf:params:acme:error:rateLimited: too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-25 20:12:34 UTC: see https://letsencrypt.org/docs/rate-limits/#new-orders-per-account"}},
			RateLimited, "its limit ends at 2026-11-25 20:12 UTC; cert-manager's last attempt was at 19:31, and it makes the next by itself, with its defaults at 2026-11-25 20:31 UTC"},
		"third failure": {State{Issuer: issuer, Failures: 3, LastFailed: at, Order: Step{State: "invalid"}},
			Failed, "with its defaults at 2026-11-25 23:31 UTC"},
		"hundredth failure": {State{Issuer: issuer, Failures: 100, LastFailed: at, Order: Step{State: "invalid"}},
			Failed, "with its defaults at 2026-11-27 03:31 UTC"},
		"account to be had elsewhere": {State{Issuer: Issuer{Kind: "ClusterIssuer", Name: "zerossl", NotReady: "Failed to register ACME account: 400 urn:ietf:params:acme:error:externalAccountRequired: ACME server policy requires newAccount requests must include a value for the 'externalAccountBinding' field"}},
			IssuerNotReady, "spec.acme.externalAccountBinding"},
		"certification authority authorization": {State{Issuer: issuer, Order: Step{State: "errored", Message: "Failed to finalize Order: 403 urn:ietf:params:acme:error:caa: CAA record for example.com prevents issuance"}},
			Failed, "a CAA record of the zone names other authorities"},
		"wildcard by HTTP-01": {State{Issuer: issuer, Order: Step{State: "pending", Message: `Failed to determine a valid solver configuration for the set of domains on the Order: no configured challenge solvers can be used for this challenge`}},
			Failed, "a wildcard needs DNS-01"},
		"order not taken": {State{Issuer: issuer, Order: Step{Name: "wazuh-tls-1-9"}, Request: Step{State: "Pending", Message: `Waiting on certificate issuance from order tenant-acme/wazuh-tls-1-9: ""`}},
			Working, "the ACME server has not taken cert-manager's order wazuh-tls-1-9 yet"},
		"nobody answers on port 80": {State{Issuer: issuer, Order: Step{State: "pending"}, Challenges: []Step{{Name: "a.example.com", Type: HTTP01, State: "pending",
			Message: "Waiting for HTTP-01 challenge propagation: wrong status code '404', expected '200'"}}},
			Unanswered, "port 80 of a.example.com does not lead to cert-manager's solver: wrong status code '404'"},
		"HTTP-01 was accepted": {State{Issuer: issuer, Order: Step{State: "pending"}, Challenges: []Step{{Name: "a.example.com", Type: HTTP01, State: "processing"}}},
			None, ""},
		"challenge refused by the server": {State{Issuer: issuer, Order: Step{State: "pending"},
			Challenges: []Step{{Name: "acme.soc.mssp.example.com", State: "invalid", Message: "Error accepting authorization: acme: authorization error for acme.soc.mssp.example.com: 403 urn:ietf:params:acme:error:unauthorized: Correct value not found for DNS challenge"}}},
			Challenge, "challenge for acme.soc.mssp.example.com fails: Error accepting authorization"},
		"name server refuses the update": {State{Issuer: issuer, Challenges: []Step{{Name: "a.example.com", State: "pending", Message: "DNS update failed. Server replied: REFUSED"}}},
			Challenge, "Server replied: REFUSED"},
		"propagation takes its time": {State{Issuer: issuer, Challenges: []Step{{Name: "a.example.com", State: "pending", Message: "Waiting for DNS-01 challenge propagation: DNS record for \"a.example.com\" not yet propagated"}}},
			Working, "Waiting for DNS-01 challenge propagation"},
		"order failed": {State{Issuer: issuer, Order: Step{State: "invalid", Message: "Failed to finalize Order: 400 urn:ietf:params:acme:error:rejectedIdentifier"}},
			Failed, "the ACME order failed: Failed to finalize Order"},
		"request denied":     {State{Issuer: issuer, Request: Step{State: "Denied", Message: "not by our policy"}}, Failed, "ended as Denied: not by our policy"},
		"certificate failed": {State{Issuer: issuer, Certificate: Step{State: "Failed", Message: "The certificate request has failed to complete and will be retried"}}, Failed, "tries again later"},
	} {
		trouble := Judge(c.state)
		if trouble.Kind != c.kind || !strings.Contains(trouble.Message, c.says) {
			t.Errorf("%s: %+v, want %q with %q", name, trouble, c.kind, c.says)
		}
		if trouble.Serious() != (c.kind != None && c.kind != Working) {
			t.Errorf("%s: serious is %v", name, trouble.Serious())
		}
	}
}

func TestWordsAreKeptShort(t *testing.T) {
	trouble := Judge(State{Order: Step{State: "invalid", Message: strings.Repeat("every word\n", 200)}})
	if len(trouble.Message) > maxWords+40 || strings.Contains(trouble.Message, "\n") {
		t.Errorf("%d characters: %q", len(trouble.Message), trouble.Message)
	}
}
