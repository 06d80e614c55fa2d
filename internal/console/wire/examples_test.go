package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) *time.Time {
	at := noon.Add(-d)
	return &at
}

func later(d time.Duration) *time.Time { return ago(-d) }

func number(n int32) *int32 { return &n }

// examples is one of each answer and request, with nothing left out that a page must show.
func examples(t *testing.T) map[string]any {
	ready := wire.TenantRow{
		Slug: "acme", DisplayName: "Acme GmbH", Region: "eu", Mode: "loadbalancer", Hostname: "acme.soc.example.com", Address: "198.51.100.11",
		Ports: []wire.Port{{Name: "events", Port: 1514}, {Name: "enrollment", Port: 1515}},
		State: wire.StateReady, Reason: "Ready", Message: "agents come in at acme.soc.example.com (198.51.100.11)", Since: ago(72 * time.Hour),
		Agents:          &wire.Counts{Total: 12, Active: 9, Disconnected: 2, NeverConnected: 1},
		CertificateEnds: later(60 * 24 * time.Hour), Created: noon.Add(-90 * 24 * time.Hour),
	}
	broken := wire.TenantRow{
		Slug: "beta", Region: "eu", Mode: "edge-haproxy", Hostname: "acme.soc.example.com", Ports: []wire.Port{}, State: wire.StateBroken,
		Reason: "HostnameTaken", Message: `spec.wazuhIngress.hostname: "acme.soc.example.com" belongs to tenant "acme"; choose another hostname`,
		Since: ago(10 * time.Minute), Hop: "ClaimsHeld", Created: noon.Add(-15 * time.Minute),
	}
	agent := wire.Agent{
		ID: "007", Name: "laptop-7", Groups: []string{"default", "berlin"}, Version: "v4.14.7", OS: "Debian GNU/Linux 12", State: "active", Status: "active",
		LastKeepAlive: ago(8 * time.Second), Registered: ago(time.Hour), IP: "10.1.2.3", RegisterIP: "any", SeenFrom: "203.0.113.7", SeenAt: ago(8 * time.Second),
		Enrollment: &roster.EnrollmentView{At: noon.Add(-time.Hour), Credential: "token", Token: "berlin", Source: "203.0.113.7"},
	}
	fresh := wire.Agent{
		ID: "008", Name: "web-01", State: "enrolled", Status: "never_connected", Registered: ago(20 * time.Second),
		Enrollment: &roster.EnrollmentView{At: noon.Add(-20 * time.Second), Credential: "secret", Source: "203.0.113.8"},
	}
	entry := wire.Entry{By: "jane@mssp.example.com", At: noon.Add(-48 * time.Hour), Why: "first agents, ticket 4711"}
	return map[string]any{
		"About": wire.About{Product: "soctalk-ingress", Version: "v0.2.0", SignIn: wire.SignIn{
			Token: true, OIDC: true, Provider: "Acme ID", ProviderSignOut: "https://id.mssp.example.com/end_session?client_id=console&post_logout_redirect_uri=https%3A%2F%2Fconsole.mssp.example.com%2F",
			Problem: &wire.Problem{Error: "Acme ID says access_denied: the person refused", Next: "you, or the provider, refused; its administrator decides who may use the console"},
		}},
		"SignInRequest": wire.SignInRequest{Token: "the token"},
		"Session": wire.Session{
			User: "jane@mssp.example.com", Groups: []string{"mssp-operators", "system:authenticated"}, Cluster: "https://10.0.0.1:6443",
			Now: noon, Ends: noon.Add(8 * time.Hour), IdleEnds: noon.Add(30 * time.Minute),
		},
		"Problem": wire.Problem{
			Error: `tenant "beta": spec.wazuhIngress.hostname: "acme.soc.example.com" is refused`, Field: "spec.wazuhIngress.hostname",
			Next: `it belongs to tenant "acme"; choose another hostname`,
			More: []wire.Problem{{Error: `spec.manager.deploy.version: "latest" is refused`, Field: "spec.manager.deploy.version", Next: "write a version such as 4.14.7"}},
		},
		"Rights": wire.Rights{Rights: []wire.Right{
			{Action: wire.ActionTenant, Allowed: true},
			{Action: wire.ActionRevoke, Missing: []string{"create revocations.ingress.soctalk.io in namespace tenant-acme"}},
		}},
		"Change":         wire.Change{Kind: "tokens", Tenant: "acme", Name: "berlin"},
		"Blind":          wire.Blind{Kind: "handovers", Missing: "watch handovers.ingress.soctalk.io in all namespaces"},
		"Accepted":       wire.Accepted{Message: `tenant "acme" is being suspended`},
		"WhyRequest":     wire.WhyRequest{Why: "invoice 2026-117 unpaid"},
		"Tenants":        wire.Tenants{Now: noon, Tenants: []wire.TenantRow{broken, ready}},
		"Tenant":         tenantExample(ready),
		"TenantRemoving": removingExample(ready),
		"CreateRequest": wire.CreateRequest{
			Slug: "gamma", DisplayName: "Gamma Ltd", Region: "eu", Mode: "edge-haproxy", Hostname: "gamma.soc.example.com", AllowedNetworks: []string{"203.0.113.0/24"},
			EdgePorts: "15140/15141", Version: "4.14.7", Wazuh5Agents: "closed", DryRun: true,
		},
		"Created": wire.Created{
			Slug: "gamma", DryRun: true, YAML: "apiVersion: ingress.soctalk.io/v1alpha1\nkind: Tenant\nmetadata:\n  name: gamma\nspec:\n  displayName: Gamma Ltd\n",
			Would: &wire.Placement{Region: "eu", Mode: "edge-haproxy", Hostname: "gamma.soc.example.com", Namespace: "tenant-gamma", Strategy: "built-in-ca"},
		},
		"OffboardRequest": wire.OffboardRequest{Why: "contract ended, ticket 4712", Confirm: "acme"},
		"Report": wire.Report{
			Name: "acme-6f0f0d6e", Tenant: "acme", Finished: noon, By: entry.By, Why: "contract ended, ticket 4712", Registrations: number(12),
			KeyID: strings.Repeat("ab", 32), Text: "tenant acme was removed\n",
		},
		"Events": wire.Events{Events: []wire.Event{
			{Type: "Warning", Reason: "CertificateExpired", Note: "the certificate ended an hour ago", At: noon, Count: 3, First: ago(time.Hour), By: "soctalk-ingress"},
			{Type: "Normal", Reason: "SecretRevealed", Note: "secret wazuh-authd-secret was revealed by jane@mssp.example.com: first agents, ticket 4711", At: noon.Add(-48 * time.Hour), Count: 1},
		}},
		"Regions": wire.Regions{Regions: []wire.Region{
			{
				Name: "eu", Domain: "soc.example.com", Default: true, DefaultMode: "loadbalancer", Tenants: 2, Certificates: "built-in-ca", DNS: "direct",
				Ready: true, Reason: "Ready", Message: "2 tenants",
				Edge: &wire.Edge{
					Addresses: []string{"198.51.100.10"}, First: 15140, Last: 25139, Ports: &wire.EdgeCounts{Used: 2, Resting: 2, Free: 9996},
					Held: []wire.HeldPort{{Port: 15140, Tenant: "beta"}, {Port: 15142, Tenant: "gone", RestsUntil: later(24 * time.Hour)}},
				},
			},
			{Name: "us", Domain: "us.example.com", DefaultMode: "loadbalancer", Certificates: "acme", DNS: "none", Reason: "KindNotInstalled", Message: "cert-manager is not installed"},
		}},
		"Onboarding":    onboardingExample(t),
		"Agents":        wire.Agents{Asked: noon, Agents: []wire.Agent{agent, fresh}, Notes: []string{"where agents come from is not shown: list the edges' pods in soctalk-system: forbidden"}},
		"RevokeRequest": wire.RevokeRequest{IDs: []string{"007"}, Sources: []string{"203.0.113.7/32"}, Why: "laptop stolen, ticket 4711", DryRun: true},
		"Revoked": wire.Revoked{Agents: []wire.Agent{agent, fresh}, Results: []wire.RevokeResult{
			{ID: "007", Name: "laptop-7", Revocation: "laptop-7-007"}, {ID: "008", Name: "web-01", Revocation: "web-01-008", Already: true},
		}},
		"Revocations": wire.Revocations{Revocations: []wire.Revocation{
			{
				Name: "laptop-7-007", AgentID: "007", AgentName: "laptop-7", Step: "Done", Ready: true, Ended: true, Reason: "Revoked", Message: "the agent is gone and its host is refused",
				Evidence: []string{"the gateway refuses the host", "the registration is deleted"}, Sources: []string{"203.0.113.7/32"}, Why: "laptop stolen, ticket 4711",
				By: entry.By, Created: noon.Add(-time.Hour), Refused: 4, LastTry: ago(time.Minute),
			},
			{Name: "web-01-008", AgentID: "008", AgentName: "web-01", Step: "Deny", Reason: "Revoking", Message: "the gateway is told", Evidence: []string{}, Sources: []string{}, Created: noon},
		}},
		"Secret": wire.Secret{
			Name: "wazuh-authd-secret", State: "revealed", Since: noon.Add(-72 * time.Hour), Revealed: &entry,
			Rotation: &wire.Rotation{Step: "Overlap", Started: noon.Add(-time.Hour), OverlapUntil: later(23 * time.Hour), Message: "the old secret counts until its overlap ends"},
		},
		"RevealRequest":   wire.RevealRequest{Why: "first agents, ticket 4711", Token: "berlin"},
		"Revealed":        wire.Revealed{Secret: "EXAMPLE"},
		"RotateRequest":   wire.RotateRequest{Overlap: "24h"},
		"Tokens":          wire.Tokens{Tokens: []wire.Token{tokenExample()}},
		"Token":           tokenExample(),
		"TokenRequest":    wire.TokenRequest{Name: "berlin", Expires: "72h", MaxUses: 40, Group: "berlin", Names: "berlin-*", Sources: []string{"203.0.113.0/24"}},
		"Handovers":       wire.Handovers{URL: "https://onboard.mssp.example.com", Handovers: []wire.Handover{handoverExample("waiting"), handoverExample("opened")}},
		"HandoverRequest": wire.HandoverRequest{Expires: "24h", Why: entry.Why, Version: "4.14.7", Group: "berlin"},
		"Link":            wire.Link{Name: "h-1f2e3d4c5b6a", URL: "https://onboard.mssp.example.com/kit#acme.h-1f2e3d4c5b6a.EXAMPLE", Expires: noon.Add(24 * time.Hour)},
	}
}

func tenantExample(row wire.TenantRow) wire.Tenant {
	good := func(kind, means string) wire.Hop {
		return wire.Hop{Type: kind, Means: means, State: wire.HopGood, Reason: "OK", Message: "in place", Since: ago(72 * time.Hour)}
	}
	return wire.Tenant{
		Now: noon, TenantRow: row, Namespace: "tenant-acme",
		Hops: []wire.Hop{
			good("ClaimsHeld", "hostname and edge ports belong to this tenant"), good("SecretReady", "a sound enrollment secret exists"),
			good("CertificateReady", "the certificate for 1515 is in place"), good("AddressAssigned", "agents have an address to connect to"),
			{
				Type: "ManagerReachable", Means: "the manager's API answers the operator", State: wire.HopBad, Reason: "ManagerUnauthorized",
				Message: "the manager refuses the user in Secret tenant-acme/wazuh-api-credentials", Since: ago(time.Minute), Next: "The manager's API refuses the user. Correct it in the Secret.",
			},
			{Type: "EnrollmentGuarded", Means: "what answers on the enrollment port does as it is told", State: wire.HopWaiting},
			good("DNSPublished", "the zone's own servers answer with the tenant's address"),
		},
		Sides:   []wire.Hop{good("UpToDate", "the pods run the versions the operator and the Region ask for")},
		Manager: wire.Manager{Kind: "deployed", Version: "v4.14.7", Gateway: "0.2.0"}, Enrollment: wire.Enrollment{Mode: "gateway", Tokens: 1, Denied: 2},
		AllowedNetworks: []string{"203.0.113.0/24"},
		Certificate: &wire.Certificate{
			Strategy: "built-in-ca", Issuer: "CN=soctalk-ingress", Serial: "0a1b", Ends: *later(60 * 24 * time.Hour),
			ServedSerial: "0a1a", ServedEnds: later(time.Hour), NotServedSince: ago(time.Minute),
		},
		Suspension: &wire.Suspension{Since: noon.Add(-time.Hour), By: "jane@mssp.example.com", Why: "invoice 2026-117 unpaid", Sessions: number(0), Ended: ago(50 * time.Minute)},
		Spec:       "apiVersion: ingress.soctalk.io/v1alpha1\nkind: Tenant\nmetadata:\n  name: acme\nspec:\n  displayName: Acme GmbH\n",
		Loss:       []string{"the keys of 12 registered agents, 9 of them connected now", "namespace tenant-acme with the manager and all its data"},
	}
}

func removingExample(row wire.TenantRow) wire.Tenant {
	tenant := tenantExample(row)
	tenant.State, tenant.Reason, tenant.Message, tenant.Suspension = wire.StateRemoving, "Offboarding", "deleting 12 agents", nil
	tenant.Removal = &wire.Removal{
		Started: noon.Add(-time.Minute), By: "jane@mssp.example.com", Why: "contract ended, ticket 4712", Report: "acme-6f0f0d6e", Registrations: number(12),
		Steps: []wire.RemovalStep{
			{Step: "RotateSecret", State: wire.StepDone, At: ago(50 * time.Second), Evidence: "the secret was replaced"},
			{Step: "Deny", State: wire.StepDone, At: ago(40 * time.Second), Evidence: "the way in is closed", Abandoned: true},
			{Step: "DeleteRegistrations", State: wire.StepNow, Evidence: "deleting 12 agents"}, {Step: "Drain", State: wire.StepPending},
			{Step: "RemoveWayIn", State: wire.StepPending}, {Step: "RemoveObjects", State: wire.StepPending},
			{Step: "Quarantine", State: wire.StepPending}, {Step: "Report", State: wire.StepPending},
		},
	}
	return tenant
}

func tokenExample() wire.Token {
	return wire.Token{
		Name: "berlin", State: "Active", Reason: "OK", Message: "3 of 40 uses", Uses: 3, MaxUses: 40, Expires: later(72 * time.Hour), Group: "berlin",
		Names: "berlin-*", Sources: []string{"203.0.113.0/24"}, Created: noon.Add(-time.Hour), LastUse: ago(time.Minute),
	}
}

func handoverExample(state string) wire.Handover {
	held := wire.Handover{
		Tenant: "acme", Name: "h-1f2e3d4c5b6a", State: handover.State(state), CreatedBy: "jane@mssp.example.com", Why: "first agents, ticket 4711",
		Created: noon.Add(-time.Hour), Expires: noon.Add(23 * time.Hour),
	}
	if state == "opened" {
		held.Opened, held.From = ago(time.Minute), "203.0.113.7"
	}
	return held
}

func onboardingExample(t *testing.T) wire.Onboarding {
	text, err := os.ReadFile("../../onboard/testdata/sheet/loadbalancer-own-ca/in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var in onboard.Input
	if err := yaml.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	sheet, err := onboard.NewSheet(in)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Onboarding{Sheet: sheet, AuthorityPEM: in.AuthorityPEM}
}

// The examples are what the tests of the pages read.
func TestExamples(t *testing.T) {
	examples := examples(t)
	for name, example := range examples {
		golden.Compare(t, filepath.Join("testdata", name+".json"), asJSON(t, example))
		if holes := nulls(example); holes != nil {
			t.Errorf("%s: null where a list belongs: %v", name, holes)
		}
	}
	golden.Compare(t, filepath.Join("testdata", "routes.json"), asJSON(t, wire.Routes()))
	for _, route := range wire.Routes() {
		for _, name := range []string{route.Takes, route.Gives} {
			if _, ok := examples[name]; !ok && name != "" && !strings.Contains(name, "/") {
				t.Errorf("%s: there is no example of %s", route.Pattern, name)
			}
		}
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".json")
		if _, ok := examples[name]; !ok && name != "routes" {
			t.Errorf("testdata/%s is nobody's example; remove it", entry.Name())
		}
	}
}

// nulls finds lists that would be written as null.
func nulls(example any) []string {
	var decoded any
	text, _ := json.Marshal(example)
	_ = json.Unmarshal(text, &decoded)
	var found []string
	var walk func(at string, value any)
	walk = func(at string, value any) {
		switch value := value.(type) {
		case nil:
			found = append(found, at)
		case map[string]any:
			for key, inner := range value {
				walk(at+"."+key, inner)
			}
		case []any:
			for _, inner := range value {
				walk(at, inner)
			}
		}
	}
	walk(reflect.TypeOf(example).Name(), decoded)
	slices.Sort(found)
	return found
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
