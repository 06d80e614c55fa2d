package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

func newEdgeStatusCommand(s *session) *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "status",
		Short: "show what the edge on this machine carries",
		Long:  "Show what the edge on this machine carries: sessions, bytes and rejected connections by\ntenant and port, summed over restarts of HAProxy.",
		Example: "  # sessions, bytes and rejections of every tenant, on the edge's machine\n" +
			"  soctalk-ingress edge status\n\n" +
			"  # for a program\n" +
			"  soctalk-ingress edge status -o json",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	command.Flags().StringVar(&dir, "dir", edgeDir, "folder of the edge")
	out := addOutput(command, formatTable, formatJSON, formatYAML)
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := out.check(); err != nil {
			return err
		}
		status, err := edge.AskStatus(command.Context(), edge.Beside(dir))
		if err != nil {
			return err
		}
		if !out.table() {
			return out.printData(s.streams.Out, status)
		}
		s.talk("%s: %s", status.Name, summary(status))
		for _, worker := range status.OldWorkers {
			s.talk("%s", oldWorker(worker))
		}
		for _, tenant := range status.Tenants {
			if tenant.Unwritten != "" {
				s.talk("%s: %s", tenant.Tenant, tenant.Unwritten)
			}
		}
		return printEdgeStatus(s.streams.Out, status)
	}
	return command
}

func summary(status edge.Status) string {
	text := "in step"
	if !status.InStep {
		text = "NOT in step"
	}
	text += fmt.Sprintf(", %d tenants, %d changes, %d drifts repaired", len(status.Tenants), status.Counts.Changes, status.Counts.Drift)
	if beat := status.Heartbeat; beat != nil && beat.Error != "" {
		text += "; the API server heard of it last " + since(beat.Renewed, time.Now()) + " (" + beat.Error + ")"
	}
	if status.Error != "" {
		text += ": " + status.Error
	}
	return text
}

// oldWorker says what a worker of before a reload still carries, and what cannot be
// done about it.
func oldWorker(worker edge.OldWorker) string {
	text := fmt.Sprintf("old worker %s: serves %d sessions of before a reload to their end", worker.PID, worker.Sessions)
	if worker.Foreign {
		text += fmt.Sprintf(". Another version of the edge started it, so that revoked agents cannot be found in it. They are out once they "+
			"reconnect; kill %s has every agent in it reconnect now", worker.PID)
	}
	return text
}

func printEdgeStatus(w io.Writer, status edge.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TENANT\tPORT\tPUBLIC\tSTATE\tSESSIONS\tCONNECTIONS\tIN\tOUT\tREJECTED")
	for _, tenant := range status.Tenants {
		state := "active"
		if tenant.Suspended {
			state = "suspended"
		}
		if tenant.Refused != "" {
			state = "refused"
		}
		if tenant.Unwritten != "" {
			state = "unwritten"
		}
		if len(tenant.Ports) == 0 {
			fmt.Fprintf(table, "%s\t-\t-\t%s\t-\t-\t-\t-\t%s\n", tenant.Tenant, state, tenant.Refused)
		}
		for _, name := range []string{haproxy.PortEvents, haproxy.PortEnrollment, haproxy.PortHTTPS} {
			public, has := tenant.Ports[name]
			if !has {
				continue
			}
			c := tenant.Counters[name]
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\t%s\n", tenant.Tenant, name, public, state, c.Current, c.Total, size(c.In), size(c.Out), rejections(c))
		}
	}
	return table.Flush()
}

// rejections are the reasons that occurred, with their numbers.
func rejections(c haproxy.Counters) string {
	var parts []string
	for i, reason := range haproxy.Reasons() {
		if c.Rejected[i] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reason, c.Rejected[i]))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

// size is a number of bytes as people say it.
func size(bytes int64) string {
	value, units := float64(bytes), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for value >= 1024 && len(units) > 1 {
		value, units = value/1024, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", value, units[0])
}

func newEdgeAgentsCommand(s *session) *cobra.Command {
	var dir, tenant string
	command := &cobra.Command{
		Use:   "agents",
		Short: "show from where agents came, by the id they claim",
		Long: "Show from where agents came in the last day. Managers see the edge's address instead of the\n" +
			"agents'. The id is read in clear from the first bytes of a session; that it is true only the\n" +
			"manager can tell.",
		Example: "  # from where each agent came, by the id it claims\n" +
			"  soctalk-ingress edge agents\n\n" +
			"  # those of one tenant\n" +
			"  soctalk-ingress edge agents --tenant acme",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	command.Flags().StringVar(&tenant, "tenant", "", "show the agents of this tenant alone")
	command.Flags().StringVar(&dir, "dir", edgeDir, "folder of the edge")
	out := addOutput(command, formatTable, formatJSON, formatYAML)
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := out.check(); err != nil {
			return err
		}
		agents, err := edge.AskAgents(command.Context(), edge.Beside(dir), tenant)
		if err != nil {
			return err
		}
		if !out.table() {
			return out.printData(s.streams.Out, agents)
		}
		table := tabwriter.NewWriter(s.streams.Out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "TENANT\tAGENT\tSOURCE\tSESSIONS\tCONNECTIONS\tSEEN")
		for _, agent := range agents {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\n", agent.Tenant, agent.ID, agent.Source, agent.Current, agent.Total, since(agent.Seen, time.Now()))
		}
		return table.Flush()
	}
	return command
}
