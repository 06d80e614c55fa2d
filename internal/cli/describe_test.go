package cli

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/golden"
)

func TestDescribe(t *testing.T) {
	golden.Folders(t, "testdata/describe", func(t *testing.T, folder string) {
		golden.Why(t, filepath.Join(folder, "in.yaml"))
		d := readDescription(t, folder)
		var page bytes.Buffer
		if err := d.write(&page); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join(folder, "want.txt"), page.Bytes())
	})
}

func readDescription(t *testing.T, folder string) description {
	t.Helper()
	var in struct {
		Now    time.Time        `json:"now"`
		Tenant v1alpha1.Tenant  `json:"tenant"`
		Events []eventsv1.Event `json:"events"`
	}
	golden.Read(t, filepath.Join(folder, "in.yaml"), &in)
	return description{tenant: in.Tenant, events: in.Events, now: in.Now}
}

func TestProgress(t *testing.T) {
	for folder, want := range map[string]progress{
		"ready":     {ready: true},
		"waiting":   {line: "waiting for AddressAssigned: Service wazuh-manager has no load-balancer address yet"},
		"stuck":     {line: "waiting for the operator to look at it"}, // what it says is about an older specification
		"brand-new": {line: "waiting for the operator to look at it"},
	} {
		d := readDescription(t, filepath.Join("testdata/describe", folder))
		if got := progressOf(d.tenant); got != want {
			t.Errorf("%s: got %+v, want %+v", folder, got, want)
		}
	}
	stuck := readDescription(t, "testdata/describe/stuck").tenant
	stuck.Status.ObservedGeneration = stuck.Generation
	if got := progressOf(stuck); got.stuck != `spec.region: "moon": no such Region` {
		t.Errorf("got %+v", got)
	}
	// A manager that is starting refuses the operator's user for a moment.
	for i := range stuck.Status.Conditions {
		stuck.Status.Conditions[i].Reason = v1alpha1.ReasonManagerRefusesCredentials
	}
	if got := progressOf(stuck); got.stuck != "" {
		t.Errorf("gave up on what passes by itself: %+v", got)
	}
}

func TestWhatARemovalTakesAwayIsSaid(t *testing.T) {
	tenant := readDescription(t, "testdata/describe/ready").tenant
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tenant.ManagedFields = []metav1.ManagedFieldsEntry{
		{Time: &metav1.Time{Time: now.Add(-time.Second)}},
		{Subresource: "status", Time: &metav1.Time{Time: now.Add(-time.Hour)}},
		{Subresource: "status", Time: &metav1.Time{Time: now.Add(-25 * time.Second)}},
	}
	got := strings.Join(whatGoes(tenant, desk.AgentsOfStatus(tenant, errors.New("no pod of the manager is ready"), now)), "\n")
	for _, want := range []string{"acme", "Acme GmbH", "5 registered agents, 3 of them", "by a status written 25s ago", "no pod of the manager is ready", "198.51.100.21", "acme.soc.mssp.example.com", "tenant-acme"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestStepUnderWaySaysWhatHoldsItUp(t *testing.T) {
	tenant := readDescription(t, "testdata/describe/offboarding").tenant
	if got, want := currentStep(tenant), "DeleteRegistrations"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tenant.Status.Conditions[0].Message += ": the manager's API does not answer"
	if got, want := currentStep(tenant), "DeleteRegistrations: the manager's API does not answer"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMarksAreColouredForTerminalsOnly(t *testing.T) {
	if got := (painter{}).mark(markBad); got != "✗" {
		t.Errorf("got %q", got)
	}
	if got := (painter{coloured: true}).mark(markBad); got == "✗" || !strings.Contains(got, "✗") {
		t.Errorf("got %q", got)
	}
	s := newSession(Program{Streams: IOStreams{Out: &bytes.Buffer{}}})
	if s.painter(s.streams.Out).coloured {
		t.Error("a buffer is no terminal")
	}
}
