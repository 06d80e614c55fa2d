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
		views := make([]roster.View, len(rows)) // an empty list is [], not null
		for i, row := range rows {
			views[i] = roster.ViewOf(row)
		}
		return out.printData(s.streams.Out, views)
	case len(rows) == 0:
		s.talk("no agents; soctalk-ingress onboard %s says how to bring them in", slug)
		return nil
	}
	return out.printTable(s.streams.Out, agentTable(rows, now))
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
