package report

import (
	"fmt"
	"strings"
	"unicode"
)

// Text is a statement for people.
func Text(s Statement) string {
	var out strings.Builder
	say := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&out, "%-14s %s\n", name, value)
		}
	}
	say("Tenant", joinNonEmpty(" ", s.Tenant, parenthesized(s.DisplayName)))
	say("UID", s.UID)
	say("Region", joinNonEmpty(", mode ", s.Region, string(s.Mode)))
	say("Hostname", s.Hostname)
	say("Addresses", strings.Join(s.Addresses, ", "))
	for i, port := range s.Ports {
		name := ""
		if i == 0 {
			name = "Ports"
		}
		fmt.Fprintf(&out, "%-14s %s %d\n", name, port.Name, port.Port)
	}
	say("Requested", joinNonEmpty(" by ", s.RequestedAt, s.RequestedBy))
	say("Why", s.Why)
	say("Begun", s.StartedAt)
	say("Finished", s.FinishedAt)
	say("Abandoned", s.Abandoned)
	if s.Registrations != nil {
		say("Registrations", fmt.Sprintf("%d when their deletion began", *s.Registrations))
	}
	for _, agent := range s.Agents {
		fmt.Fprintf(&out, "%-14s %s %s\n", "", agent.ID, agent.Name)
	}
	if s.AgentsNotNamed > 0 {
		fmt.Fprintf(&out, "%-14s and %d more, not named here\n", "", s.AgentsNotNamed)
	}
	out.WriteString("\nSteps\n")
	for _, step := range s.Steps {
		mark := ""
		if step.Abandoned {
			mark = "ABANDONED: "
		}
		fmt.Fprintf(&out, "  %s  %-20s %s%s\n", step.FinishedAt, step.Step, mark, step.Evidence)
	}
	if len(s.Quarantine) > 0 {
		out.WriteString("\nIn quarantine\n")
	}
	for _, rest := range s.Quarantine {
		fmt.Fprintf(&out, "  until %s  %s\n", rest.Until, rest.Claim)
	}
	return printable(out.String())
}

// printable keeps what stands in a report from steering the terminal it is shown on.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func parenthesized(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

func joinNonEmpty(between string, parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, between)
}
