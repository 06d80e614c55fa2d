package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/soctalk/soctalk-ingress/internal/roster"
)

func (s *session) printAgents(out *output, slug string, rows []roster.Row, now time.Time) error {
	switch {
	case out.format == formatName:
		for _, row := range rows {
			fmt.Fprintf(s.streams.Out, "agent/%s\n", row.ID)
		}
		return nil
	case !out.table():
		views := make([]agentView, len(rows)) // an empty list is [], not null
		for i, row := range rows {
			views[i] = viewOf(row)
		}
		return out.printData(s.streams.Out, views)
	case len(rows) == 0:
		s.talk("no agents; soctalk-ingress onboard %s says how to bring them in", slug)
		return nil
	}
	return out.printTable(s.streams.Out, agentTable(rows, now))
}

// agentView is an agent in -o json and -o yaml; what nobody knows of an agent is
// left out. Status is the manager's word, state ours.
type agentView struct {
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Groups        []string        `json:"groups,omitempty"`
	Version       string          `json:"version,omitempty"`
	OS            string          `json:"os,omitempty"`
	State         string          `json:"state"`
	Status        string          `json:"status,omitempty"`
	LastKeepAlive *time.Time      `json:"lastKeepAlive,omitempty"`
	Registered    *time.Time      `json:"registered,omitempty"`
	IP            string          `json:"ip,omitempty"`
	RegisterIP    string          `json:"registerIP,omitempty"`
	SeenFrom      string          `json:"seenFrom,omitempty"`
	SeenAt        *time.Time      `json:"seenAt,omitempty"`
	Enrollment    *enrollmentView `json:"enrollment,omitempty"`
}

// enrollmentView is how an agent got its key.
type enrollmentView struct {
	At         time.Time `json:"at"`
	Credential string    `json:"credential"`
	Token      string    `json:"token,omitempty"`
	Source     string    `json:"source"`
	Via        string    `json:"via,omitempty"`
}

func viewOf(row roster.Row) agentView {
	view := agentView{
		ID: row.ID, Name: row.Name, Groups: row.Groups, Version: row.Version, OS: row.OS, State: row.State, Status: row.Status,
		LastKeepAlive: known(row.LastKeepAlive), Registered: known(row.Registered),
		IP: row.ReportedIP, RegisterIP: row.RegisterIP, SeenFrom: row.SeenFrom, SeenAt: known(row.SeenAt),
	}
	if e := row.Enrollment; e != nil {
		view.Enrollment = &enrollmentView{At: e.At, Credential: e.Credential, Token: e.Token, Source: e.Source, Via: e.Via}
	}
	return view
}

func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// agentTable has the columns of the table; those of priority 1 are for -o wide.
func agentTable(rows []roster.Row, now time.Time) *metav1.Table {
	table := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "ID"}, {Name: "Name"}, {Name: "Group"}, {Name: "Version"}, {Name: "OS"}, {Name: "State"},
		{Name: "Last Keep-Alive"}, {Name: "Seen From"}, {Name: "Enrolled"}, {Name: "With"},
		{Name: "Enrolled From", Priority: 1}, {Name: "Reported IP", Priority: 1}, {Name: "Register IP", Priority: 1},
	}}
	for _, row := range rows {
		enrolled, with, from := row.Registered, "-", "-"
		if row.Enrollment != nil {
			enrolled, with, from = row.Enrollment.At, row.Enrollment.With(), row.Enrollment.Source
		}
		table.Rows = append(table.Rows, metav1.TableRow{Cells: []any{
			row.ID, row.Name, dash(strings.Join(row.Groups, ",")), dash(row.Version), dash(row.OS), row.State,
			since(row.LastKeepAlive, now), dash(row.SeenFrom), since(enrolled, now), with, from, dash(row.ReportedIP), dash(row.RegisterIP),
		}})
	}
	return table
}

// countText is how many agents there are, and in which states.
func countText(rows []roster.Row) string {
	counts := roster.Counts(rows)
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	if len(parts) == 0 {
		return "no agents"
	}
	noun := "agents"
	if len(rows) == 1 {
		noun = "agent"
	}
	return fmt.Sprintf("%d %s (%s)", len(rows), noun, strings.Join(parts, ", "))
}

func since(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(at)) + " ago"
}

func dash(text string) string { return either(text, "-") }
