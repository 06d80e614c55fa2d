package lab_test

import (
	"archive/zip"
	"bytes"
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// at the console with the lab's own URL.
func serveConsole(t *testing.T, l *lab.Lab) (string, *logBook) {
	t.Helper()
	log := &logBook{}
	url, err := l.Console(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	return url, log
}

// A customer's life at the console: created, onboarded, the first agent within
// seconds, revoked, and removed on the record.
func TestTheConsole(t *testing.T) {
	t.Parallel()
	l := installation(t)
	url, log := serveConsole(t, l)
	jane := at(t, l, url, "jane", lab.RoleViewer, lab.RoleOperator)
	told := jane.listen("")
	const here = "/api/v1/tenants/browsed"

	created(t, l, jane)
	soon(jane, "the tenant is ready", here, func(tenant wire.Tenant) bool { return tenant.State == wire.StateReady })
	eventually(t, "the stream tells of the tenant", func(context.Context) (bool, error) { return told("change tenants", "browsed"), nil })

	letIn(t, l, jane)
	secret := revealed(t, l, jane)
	agentsOfTheConsole(t, l, jane, secret)
	tokensAndLinks(t, l, jane)
	rotatedAndSuspended(t, jane)

	regions := want[wire.Regions](jane, "GET /api/v1/regions", nil, http.StatusOK)
	if len(regions.Regions) == 0 || regions.Regions[0].Edge == nil || regions.Regions[0].Edge.Ports == nil {
		t.Errorf("regions: %+v", regions)
	}
	events := want[wire.Events](jane, "GET "+here+"/events", nil, http.StatusOK)
	if !slices.ContainsFunc(events.Events, func(event wire.Event) bool {
		return event.Reason == v1alpha1.EventSecretRevealed && strings.Contains(event.Note, "system:serviceaccount:soctalk-system:jane: first agents")
	}) {
		t.Errorf("the events do not say who saw the secret: %+v", events)
	}

	offboarded(t, jane)
	want[wire.Session](jane, "GET /api/v1/session", nil, http.StatusOK)
	if code, text := jane.send("DELETE /api/v1/session", nil); code != http.StatusNoContent {
		t.Errorf("signing out: %d %s", code, text)
	}
	jane.refused("GET /api/v1/tenants", nil, http.StatusUnauthorized, "", "sign in")
	kept(t, l, jane, log, secret)
}

func created(t *testing.T, l *lab.Lab, jane *caller) {
	t.Helper()
	wish := wire.CreateRequest{Slug: "browsed", DisplayName: "Browsed Ltd", DryRun: true}
	preview := want[wire.Created](jane, "POST /api/v1/tenants", wish, http.StatusOK)
	if !strings.Contains(preview.YAML, "displayName: Browsed Ltd") || preview.Would == nil || preview.Would.Hostname != "browsed."+domain {
		t.Errorf("the preview: %+v", preview)
	}
	jane.refused("GET /api/v1/tenants/browsed", nil, http.StatusNotFound, "", `no tenant "browsed"`)
	for _, wrong := range []struct {
		request     wire.CreateRequest
		field, says string
	}{
		{wire.CreateRequest{Slug: "browsed", Region: "moon"}, "spec.region", "moon"},
		{wire.CreateRequest{Slug: "browsed", Mode: "carrier-pigeon"}, "spec.wazuhIngress.mode", "carrier-pigeon"},
		{wire.CreateRequest{Slug: "browsed", Mode: "edge-haproxy", EdgePorts: "1514"}, "spec.wazuhIngress.edgePorts", "EVENTS/ENROLLMENT"},
		{wire.CreateRequest{Slug: "browsed", AllowedNetworks: []string{"10.0.0.1"}}, "spec.wazuhIngress.allowedCIDRs[0]", "10.0.0.1"},
		{wire.CreateRequest{}, "metadata.name", "slug"},
	} {
		jane.refused("POST /api/v1/tenants", wrong.request, http.StatusUnprocessableEntity, wrong.field, wrong.says)
	}
	wish.DryRun = false
	removed(t, l, "browsed")
	want[wire.Created](jane, "POST /api/v1/tenants", wish, http.StatusCreated)
	jane.refused("POST /api/v1/tenants", wish, http.StatusConflict, "", "exists already")
}

// revealed shows the secret to one, once.
func revealed(t *testing.T, l *lab.Lab, jane *caller) wazuh.Secret {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	sheet := want[wire.Onboarding](jane, "GET "+here+"/onboarding", nil, http.StatusOK)
	if sheet.Sheet.Hostname != "browsed."+domain || !strings.Contains(sheet.AuthorityPEM, "BEGIN CERTIFICATE") {
		t.Errorf("the sheet: %+v", sheet.Sheet)
	}
	code, archive := jane.send("GET "+here+"/onboarding/bundle", nil)
	if _, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive))); code != http.StatusOK || err != nil {
		t.Errorf("the bundle: %d, %v", code, err)
	}
	if status := want[wire.Secret](jane, "GET "+here+"/secret", nil, http.StatusOK); status.State != "armed" {
		t.Errorf("a fresh secret: %+v", status)
	}
	jane.refused("POST "+here+"/secret/reveal", wire.RevealRequest{}, http.StatusUnprocessableEntity, "why", "say why")
	why := wire.RevealRequest{Why: "first agents, ticket 4711"}
	shown := want[wire.Revealed](jane, "POST "+here+"/secret/reveal", why, http.StatusOK)
	secret := enrollmentSecret(t, l, "browsed")
	if shown.Secret != secret.Reveal() {
		t.Error("another secret was revealed")
	}
	jane.refused("POST "+here+"/secret/reveal", why, http.StatusConflict, "", "system:serviceaccount:soctalk-system:jane")
	if status := want[wire.Secret](jane, "GET "+here+"/secret", nil, http.StatusOK); status.State != "revealed" || status.Revealed == nil || status.Revealed.Why != why.Why {
		t.Errorf("after the reveal: %+v", status)
	}
	want[wire.Accepted](jane, "POST "+here+"/secret/rearm", why, http.StatusAccepted)
	return secret
}

func agentsOfTheConsole(t *testing.T, l *lab.Lab, jane *caller, secret wazuh.Secret) {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	if none := want[wire.Agents](jane, "GET "+here+"/agents", nil, http.StatusOK); len(none.Agents) != 0 || len(none.Notes) != 0 {
		t.Errorf("agents before the first: %+v", none)
	}
	told := jane.listen("?agents=browsed")
	if _, err := enroll(t, l, "browsed", "browsed-web-01", secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream tells of the agent", func(context.Context) (bool, error) { return told("change agents", "browsed"), nil })
	seen := soon(jane, "the agent is there", here+"/agents", func(agents wire.Agents) bool { return len(agents.Agents) == 1 })
	if agent := seen.Agents[0]; agent.Name != "browsed-web-01" || agent.State != "enrolled" || agent.Enrollment == nil {
		t.Errorf("the agent: %+v, notes %v", agent, seen.Notes)
	}
	id := seen.Agents[0].ID
	for _, wrong := range []struct {
		request     wire.RevokeRequest
		status      int
		field, says string
	}{
		{wire.RevokeRequest{Why: "w"}, http.StatusUnprocessableEntity, "ids", "say which agents"},
		{wire.RevokeRequest{Why: "w", IDs: []string{"999"}}, http.StatusNotFound, "", "999"},
		{wire.RevokeRequest{Why: "w", Selector: "nmae=x"}, http.StatusUnprocessableEntity, "selector", "nmae"},
		{wire.RevokeRequest{IDs: []string{id}}, http.StatusUnprocessableEntity, "why", "say why"},
	} {
		jane.refused("POST "+here+"/agents/revoke", wrong.request, wrong.status, wrong.field, wrong.says)
	}
	would := want[wire.Revoked](jane, "POST "+here+"/agents/revoke", wire.RevokeRequest{Selector: "name=browsed-*", DryRun: true}, http.StatusOK)
	if len(would.Agents) != 1 || len(would.Results) != 0 {
		t.Errorf("a dry run: %+v", would)
	}
	if none := want[wire.Revocations](jane, "GET "+here+"/revocations", nil, http.StatusOK); len(none.Revocations) != 0 {
		t.Errorf("the dry run revoked: %+v", none)
	}
	done := want[wire.Revoked](jane, "POST "+here+"/agents/revoke", wire.RevokeRequest{IDs: []string{id}, Why: "laptop stolen"}, http.StatusOK)
	if len(done.Results) != 1 || done.Results[0].Error != "" || done.Results[0].Revocation == "" {
		t.Fatalf("revoking: %+v", done)
	}
	gone := soon(jane, "the revocation is done", here+"/revocations", func(all wire.Revocations) bool { return len(all.Revocations) == 1 && all.Revocations[0].Ended })
	if one := gone.Revocations[0]; !one.Ready || one.By != "system:serviceaccount:soctalk-system:jane" || one.Why != "laptop stolen" || len(one.Evidence) == 0 {
		t.Errorf("the revocation: %+v", one)
	}
	liftedByName(t, l, jane, done.Results[0])
}

// liftedByName: the ban that is named is lifted and no other, whatever an agent that
// enrolled calls itself.
func liftedByName(t *testing.T, l *lab.Lab, jane *caller, first wire.RevokeResult) {
	t.Helper()
	const here = "/api/v1/tenants/browsed/revocations"
	decoy := &v1alpha1.Revocation{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace("browsed"), Name: "decoy", Labels: map[string]string{naming.LabelTenant: "browsed"}},
		Spec:       v1alpha1.RevocationSpec{AgentID: "900", AgentName: first.Revocation, Why: "named after another's revocation"},
	}
	if err := l.Client.Create(t.Context(), decoy); err != nil {
		t.Fatal(err)
	}
	for _, called := range []string{"nobody", "900", first.ID, first.Name} {
		jane.refused("DELETE "+here+"/"+called, nil, http.StatusNotFound, "", "no revocation")
	}
	want[wire.Accepted](jane, "DELETE "+here+"/"+first.Revocation, nil, http.StatusAccepted)
	soon(jane, "the decoy is all that is left", here, func(all wire.Revocations) bool {
		return len(all.Revocations) == 1 && all.Revocations[0].Name == "decoy"
	})
	want[wire.Accepted](jane, "DELETE "+here+"/decoy", nil, http.StatusAccepted)
}

func tokensAndLinks(t *testing.T, l *lab.Lab, jane *caller) {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	jane.refused("POST "+here+"/tokens", wire.TokenRequest{Name: "berlin", Expires: "soon"}, http.StatusUnprocessableEntity, "expires", "72h")
	want[wire.Token](jane, "POST "+here+"/tokens", wire.TokenRequest{Name: "berlin", Expires: "72h", MaxUses: 4}, http.StatusCreated)
	jane.refused("POST "+here+"/tokens", wire.TokenRequest{Name: "berlin"}, http.StatusConflict, "", "already")
	soon(jane, "the token counts", here+"/tokens", func(all wire.Tokens) bool { return len(all.Tokens) == 1 && all.Tokens[0].State == "Active" })
	tokenRevealed(t, l, jane)
	want[wire.Accepted](jane, "POST "+here+"/tokens/berlin/revoke", nil, http.StatusAccepted)
	soon(jane, "the token is revoked", here+"/tokens", func(all wire.Tokens) bool { return all.Tokens[0].State == "Revoked" })
	want[wire.Accepted](jane, "DELETE "+here+"/tokens/berlin", nil, http.StatusAccepted)
	soon(jane, "the token is gone", here+"/tokens", func(all wire.Tokens) bool { return len(all.Tokens) == 0 })

	jane.refused("POST "+here+"/handovers", wire.HandoverRequest{Why: "w", Expires: "9000h"}, http.StatusUnprocessableEntity, "expires", "at most")
	link := want[wire.Link](jane, "POST "+here+"/handovers", wire.HandoverRequest{Why: "first agents", Expires: "1h"}, http.StatusCreated)
	if !strings.HasPrefix(link.URL, "https://onboard.mssp.example.com/kit#browsed."+link.Name+".") {
		t.Errorf("the link leads elsewhere: %s", link.Name)
	}
	want[wire.Accepted](jane, "DELETE "+here+"/handovers/"+link.Name, wire.WhyRequest{Why: "wrong address"}, http.StatusAccepted)
	all := want[wire.Handovers](jane, "GET "+here+"/handovers", nil, http.StatusOK)
	if len(all.Handovers) != 1 || all.Handovers[0].State != "revoked" || all.URL == "" {
		t.Errorf("links: %+v", all)
	}
}

func rotatedAndSuspended(t *testing.T, jane *caller) {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	jane.refused("POST "+here+"/secret/rotate", wire.RotateRequest{Overlap: "soon"}, http.StatusUnprocessableEntity, "overlap", "24h")
	want[wire.Accepted](jane, "POST "+here+"/secret/rotate", wire.RotateRequest{Overlap: "0"}, http.StatusAccepted)
	soon(jane, "the secret is rotated", here+"/secret", func(secret wire.Secret) bool {
		return secret.Rotation != nil && !secret.Rotation.Waiting && secret.Rotation.Step == "Done" && secret.State == "armed"
	})
	jane.refused("POST "+here+"/suspend", wire.WhyRequest{Why: "a\nb"}, http.StatusUnprocessableEntity, "why", "one line")
	want[wire.Accepted](jane, "POST "+here+"/suspend", wire.WhyRequest{Why: "invoice unpaid"}, http.StatusAccepted)
	soon(jane, "the tenant is suspended", here, func(tenant wire.Tenant) bool {
		return tenant.State == wire.StateSuspended && tenant.Suspension != nil && tenant.Suspension.Why == "invoice unpaid"
	})
	want[wire.Accepted](jane, "POST "+here+"/resume", nil, http.StatusAccepted)
	soon(jane, "the tenant is ready again", here, func(tenant wire.Tenant) bool { return tenant.State == wire.StateReady && tenant.Suspension == nil })
}

func offboarded(t *testing.T, jane *caller) {
	t.Helper()
	const here = "/api/v1/tenants/browsed"
	jane.refused("GET "+here+"/report", nil, http.StatusNotFound, "", "was not removed")
	jane.refused("POST "+here+"/offboard", wire.OffboardRequest{Why: "contract ended", Confirm: "browse"}, http.StatusUnprocessableEntity, "confirm", "browsed")
	page := want[wire.Tenant](jane, "GET "+here, nil, http.StatusOK)
	if page.Removal != nil || len(page.Loss) < 3 {
		t.Errorf("before the removal: %+v", page)
	}
	want[wire.Accepted](jane, "POST "+here+"/offboard", wire.OffboardRequest{Why: "contract ended", Confirm: "browsed"}, http.StatusAccepted)
	eventually(t, "the tenant is gone", func(context.Context) (bool, error) {
		code, _ := jane.send("GET "+here, nil)
		return code == http.StatusNotFound, nil
	})
	told := want[wire.Report](jane, "GET "+here+"/report", nil, http.StatusOK)
	if told.Tenant != "browsed" || told.Why != "contract ended" || told.By != "system:serviceaccount:soctalk-system:jane" || !strings.Contains(told.Text, "browsed") {
		t.Errorf("the report: %+v", told)
	}
	code, envelope := jane.send("GET /api/v1/reports/"+told.Name+"/envelope", nil)
	if _, err := report.ParseEnvelope(envelope); code != http.StatusOK || err != nil {
		t.Errorf("the signed file: %d, %v", code, err)
	}
}

// kept: the secret stands in the one answer of its reveal and nowhere else, and the API
// server knows the person, not the console.
func kept(t *testing.T, l *lab.Lab, jane *caller, log *logBook, secret wazuh.Secret) {
	t.Helper()
	jane.mu.Lock()
	answers := jane.answers.String()
	jane.mu.Unlock()
	audit, err := os.ReadFile(l.Plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range map[string]string{"an answer": answers, "the console's log": log.String(), "the API server's audit": string(audit)} {
		if strings.Contains(text, secret.Reveal()) {
			t.Errorf("%s shows the enrollment secret", place)
		}
	}
	if strings.Contains(log.String(), "eyJ") {
		t.Error("the console's log shows a token")
	}
	found := false
	for line := range strings.Lines(string(audit)) {
		if strings.Contains(line, "soctalk-ingress-console/lab") && strings.Contains(line, `"verb":"create"`) && strings.Contains(line, `"resource":"tenants"`) {
			found = found || strings.Contains(line, `"username":"system:serviceaccount:soctalk-system:jane"`)
		}
	}
	if !found {
		t.Error("the audit does not say that jane created the tenant, at the console")
	}
}
