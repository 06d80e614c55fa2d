package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// eventsShown is how many of the latest events a description ends with.
const eventsShown = 10

// description is a tenant on a page. It is data, so that a test writes the page
// of any state.
type description struct {
	tenant v1alpha1.Tenant
	events []eventsv1.Event
	now    time.Time
	paint  painter
}

func (d description) write(w io.Writer) error {
	var page bytes.Buffer
	d.identity(&page)
	d.wayIn(&page)
	d.conditions(&page)
	d.offboarding(&page)
	d.recent(&page)
	_, err := w.Write(page.Bytes())
	return err
}

// pairs writes a heading and a column of names and values; empty values are left out.
func pairs(w io.Writer, heading string, rows ...[2]string) {
	if heading != "" {
		fmt.Fprintf(w, "\n%s\n", heading)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(table, "  %s\t%s\n", row[0], row[1])
		}
	}
	_ = table.Flush() // a bytes.Buffer accepts every write
}

// suspendedText says by whom and why, where that was told.
func suspendedText(seen *v1alpha1.SuspensionStatus) string {
	text := "suspended"
	if seen == nil {
		return text
	}
	if seen.By != "" {
		text += " by " + seen.By
	}
	if seen.Why != "" {
		text += ": " + seen.Why
	}
	return text
}

func (d description) identity(w io.Writer) {
	tenant := d.tenant
	fmt.Fprintf(w, "tenant %s\n", tenant.Name)
	state := ""
	switch {
	case tenant.DeletionTimestamp != nil:
		state = "being removed since " + d.ago(*tenant.DeletionTimestamp)
	case tenant.Spec.Suspended:
		state = suspendedText(tenant.Status.Suspension)
	}
	manager := "deployed by the operator"
	if tenant.Spec.Manager.Attach != nil {
		manager = "attached"
	}
	if seen := tenant.Status.Manager; seen != nil && seen.Version != "" {
		manager += ", " + seen.Version
	}
	if seen := tenant.Status.Manager; seen != nil && seen.Gateway != "" {
		manager += ", with gateway " + seen.Gateway
	}
	pairs(w, "",
		[2]string{"display name", tenant.Spec.DisplayName},
		[2]string{"region", either(tenant.Status.Region, tenant.Spec.Region)},
		[2]string{"namespace", either(tenant.Status.Namespace, naming.Namespace(tenant.Name))},
		[2]string{"created", d.ago(tenant.CreationTimestamp)},
		[2]string{"state", state},
		[2]string{"manager", manager},
		[2]string{"agents", agentsText(tenant.Status.Agents)},
	)
}

func agentsText(agents *v1alpha1.AgentCounts) string {
	if agents == nil {
		return ""
	}
	return fmt.Sprintf("%d registered: %d active, %d disconnected, %d pending, %d never connected",
		agents.Total, agents.Active, agents.Disconnected, agents.Pending, agents.NeverConnected)
}

func (d description) wayIn(w io.Writer) {
	status := d.tenant.Status
	rows := [][2]string{
		{"mode", string(status.Mode)},
		{"hostname", status.Hostname},
		{"address", status.Address},
	}
	for _, port := range status.Ports {
		rows = append(rows, [2]string{port.Name + " port", fmt.Sprint(port.Port)})
	}
	rows = append(rows, certificateRows(status.Certificate)...)
	for i, network := range d.tenant.Spec.WazuhIngress.AllowedCIDRs {
		name := ""
		if i == 0 {
			name = "agents from"
		}
		rows = append(rows, [2]string{name, network})
	}
	pairs(w, "way in", rows...)
	if status.Hostname == "" {
		fmt.Fprintln(w, "  not decided yet")
	}
}

// certificateRows also say what the tenant's kind of certificate means, where that
// is easily forgotten.
func certificateRows(certificate *v1alpha1.CertificateStatus) [][2]string {
	if certificate == nil {
		return nil
	}
	text := "expires " + certificate.NotAfter.UTC().Format(time.DateOnly)
	if certificate.Issuer != "" {
		text += ", from " + certificate.Issuer
	}
	if certificate.Strategy != "" {
		text += ", by strategy " + string(certificate.Strategy)
	}
	rows := [][2]string{{"certificate", text}}
	if certificate.Strategy == v1alpha1.CertificateWildcard {
		rows = append(rows, [2]string{"", "one key for all tenants of the Region: any of their managers could show this"},
			[2]string{"", "certificate for another's name; what keeps tenants apart is the address"})
	}
	if served := certificate.Served; served != nil && served.Serial != certificate.Serial {
		rows = append(rows, [2]string{"still served", "serial " + served.Serial + ", expires " + served.NotAfter.UTC().Format(time.DateOnly)})
	}
	return rows
}

// conditions come in the order of dependence, the summary first.
func (d description) conditions(w io.Writer) {
	fmt.Fprint(w, "\nconditions\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	names := append([]string{v1alpha1.ConditionReady}, v1alpha1.HopConditions()...)
	for _, name := range append(names, v1alpha1.SideConditions()...) {
		condition := meta.FindStatusCondition(d.tenant.Status.Conditions, name)
		if condition == nil && slices.Contains(v1alpha1.SideConditions(), name) {
			continue
		}
		text := "not reported yet"
		if condition != nil {
			text = condition.Message
			if condition.Status != metav1.ConditionTrue {
				text = condition.Reason + ": " + text
			}
		}
		fmt.Fprintf(table, "  %s %s\t%s\n", d.paint.mark(markOf(d.tenant, condition)), name, text)
	}
	_ = table.Flush() // a bytes.Buffer accepts every write
	if d.tenant.Status.ObservedGeneration < d.tenant.Generation {
		fmt.Fprintln(w, "  the operator has not looked at the latest specification yet")
	}
}

// markOf a condition says how it stands.
func markOf(tenant v1alpha1.Tenant, condition *metav1.Condition) mark {
	switch desk.StandingOf(tenant, condition) {
	case desk.Good:
		return markGood
	case desk.Waiting:
		return markWaiting
	}
	return markBad
}

func (d description) offboarding(w io.Writer) {
	offboarding := d.tenant.Status.Offboarding
	if offboarding == nil {
		return
	}
	fmt.Fprintf(w, "\noffboarding, begun %s\n", d.ago(offboarding.StartedAt))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, step := range v1alpha1.OffboardingSteps() {
		at := slices.IndexFunc(offboarding.Done, func(record v1alpha1.OffboardingRecord) bool { return record.Step == step })
		switch {
		case at >= 0:
			record := offboarding.Done[at]
			fmt.Fprintf(table, "  %s %s\t%s\t%s\n", d.paint.mark(markGood), step, record.At.UTC().Format(time.DateTime), record.Evidence)
		case step == offboarding.Step:
			fmt.Fprintf(table, "  %s %s\tunder way\t%s\n", d.paint.mark(markWaiting), step, registrationsText(offboarding))
		default:
			fmt.Fprintf(table, "    %s\n", step)
		}
	}
	_ = table.Flush() // a bytes.Buffer accepts every write
}

func registrationsText(offboarding *v1alpha1.OffboardingStatus) string {
	if offboarding.Step != v1alpha1.StepDeleteRegistrations {
		return ""
	}
	if offboarding.Registrations == nil {
		return "counting the agents"
	}
	return fmt.Sprintf("deleting %d agents", *offboarding.Registrations)
}

// recent events, the latest last.
func (d description) recent(w io.Writer) {
	if len(d.events) == 0 {
		return
	}
	events := slices.Clone(d.events)
	slices.SortStableFunc(events, func(a, b eventsv1.Event) int { return desk.LastSeen(a).Compare(desk.LastSeen(b)) })
	if len(events) > eventsShown {
		events = events[len(events)-eventsShown:]
	}
	fmt.Fprint(w, "\nevents\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, event := range events {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", d.ago(metav1.NewTime(desk.LastSeen(event))), event.Type, event.Reason, event.Note)
	}
	_ = table.Flush() // a bytes.Buffer accepts every write
}

func (d description) ago(at metav1.Time) string {
	if at.IsZero() {
		return ""
	}
	return duration.HumanDuration(d.now.Sub(at.Time)) + " ago"
}

func either(first, second string) string {
	if first != "" {
		return first
	}
	return second
}
