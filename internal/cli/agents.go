package cli

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

func newAgentsCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "agents",
		Aliases: []string{"agent"},
		Short:   "look at a tenant's Wazuh agents",
		Long:    "Look at the Wazuh agents of a tenant, as its manager knows them.",
	}, newAgentsListCommand(s))
	s.addClusterFlags(command)
	return command
}

func newAgentsListCommand(s *session) *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:     "list SLUG",
		Aliases: []string{"ls"},
		Short:   "list a tenant's agents",
		Long: "List a tenant's agents. The manager's API is reached through the API server, by a port\n" +
			"forward to the manager's pod, with the user and the authority in the tenant's Secrets:\n" +
			"you need the rights to get secrets, list pods and create pods/portforward in its\n" +
			"namespace. The manager itself, agent 000, is not listed.",
		Example: "  soctalk-ingress agents list acme\n\n" +
			"  # from where the manager's API can be reached directly\n" +
			"  soctalk-ingress agents list acme --api-address 10.0.7.12:55000",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName)
	command.Flags().StringVar(&address, "api-address", "", "dial the manager's API at this host:port instead of forwarding a port")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			return usageError("--api-address: %q: write host:port, such as 10.0.7.12:55000", address)
		}
		return s.listAgents(command.Context(), out, args[0], address)
	}
	return command
}

func (s *session) listAgents(ctx context.Context, out *output, slug, address string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	tenant, err := c.tenant(ctx, slug)
	if err != nil {
		return err
	}
	api, closeAPI, err := c.managerAPI(ctx, tenant, address)
	if err != nil {
		return err
	}
	defer closeAPI()
	agents, err := api.ListAgents(ctx, wazuh.AgentFilter{})
	if err != nil {
		return managerError(slug, err)
	}
	return s.printAgents(out, slug, agents, time.Now())
}

func (s *session) printAgents(out *output, slug string, agents []wazuh.Agent, now time.Time) error {
	switch {
	case out.format == formatName:
		for _, agent := range agents {
			fmt.Fprintf(s.streams.Out, "agent/%s\n", agent.ID)
		}
		return nil
	case !out.table():
		views := make([]agentView, len(agents)) // an empty list is [], not null
		for i, agent := range agents {
			views[i] = viewOf(agent)
		}
		return out.printData(s.streams.Out, views)
	case len(agents) == 0:
		s.talk("no agents yet; soctalk-ingress onboard %s says how to bring them in", slug)
		return nil
	}
	return out.printTable(s.streams.Out, agentTable(agents, now))
}

// agentView is an agent in -o json and -o yaml; what a manager does not know of
// an agent is left out.
type agentView struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	Groups        []string   `json:"groups,omitempty"`
	Version       string     `json:"version,omitempty"`
	OS            string     `json:"os,omitempty"`
	Status        string     `json:"status"`
	LastKeepAlive *time.Time `json:"lastKeepAlive,omitempty"`
	Registered    *time.Time `json:"registered,omitempty"`
	IP            string     `json:"ip,omitempty"`
	RegisterIP    string     `json:"registerIP,omitempty"`
}

func viewOf(agent wazuh.Agent) agentView {
	return agentView{
		ID: agent.ID, Name: agent.Name, Groups: agent.Groups,
		Version: strings.TrimPrefix(agent.Version, "Wazuh "), OS: osText(agent.OS), Status: agent.Status,
		LastKeepAlive: known(agent.LastKeepAlive), Registered: known(agent.DateAdd),
		IP: agent.IP, RegisterIP: agent.RegisterIP,
	}
}

func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func osText(os wazuh.AgentOS) string { return strings.TrimSpace(os.Name + " " + os.Version) }

// agentTable has the columns of the table; those of priority 1 are for -o wide.
func agentTable(agents []wazuh.Agent, now time.Time) *metav1.Table {
	table := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "ID"}, {Name: "Name"}, {Name: "Group"}, {Name: "Version"}, {Name: "OS"}, {Name: "Status"},
		{Name: "Last Keep-Alive"}, {Name: "IP"}, {Name: "Registered", Priority: 1}, {Name: "Register IP", Priority: 1},
	}}
	for _, agent := range agents {
		view := viewOf(agent)
		table.Rows = append(table.Rows, metav1.TableRow{Cells: []any{
			view.ID, view.Name, dash(strings.Join(view.Groups, ",")), dash(view.Version), dash(view.OS), view.Status,
			since(agent.LastKeepAlive, now), dash(view.IP), since(agent.DateAdd, now), dash(view.RegisterIP),
		}})
	}
	return table
}

func since(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(at)) + " ago"
}

func dash(text string) string { return either(text, "-") }
