package cli

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

func newAgentsCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "agents",
		Aliases: []string{"agent"},
		Short:   "look at a tenant's Wazuh agents, and revoke them",
		Long:    "Look at the Wazuh agents of a tenant, as its manager, its gateway and the edges know\nthem, and take agents their right to be one.",
	}, newAgentsListCommand(s), newAgentsRevokeCommand(s), newAgentsUnrevokeCommand(s), newAgentsRevocationsCommand(s))
	s.addClusterFlags(command)
	return command
}

// agentFlags say where to ask about agents, and about which.
type agentFlags struct {
	address, edges, selector string
}

func (f *agentFlags) add(command *cobra.Command) {
	set := command.Flags()
	set.StringVar(&f.address, "api-address", "", "dial the manager's API at this host:port instead of forwarding a port")
	set.StringVar(&f.edges, "edge-namespace", naming.DefaultSystemNamespace, "namespace of the edges' pods, which know where agents come from")
	set.StringVarP(&f.selector, "selector", "l", "", "only agents that fit, such as name=berlin-*,status=disconnected; fields: id, name, group, version, status, token")
}

// check reads what was written; no selector chooses every agent.
func (f *agentFlags) check() (roster.Selector, error) {
	if _, _, err := net.SplitHostPort(f.address); f.address != "" && err != nil {
		return roster.Selector{}, usageError("--api-address: %q: write host:port, such as 10.0.7.12:55000", f.address)
	}
	if f.selector == "" {
		return roster.Selector{}, nil
	}
	selector, err := roster.ParseSelector(f.selector)
	if err != nil {
		return selector, usageError("--selector: %w", err)
	}
	return selector, nil
}

// listFlags are the flags of agents list.
type listFlags struct {
	agentFlags
	watch bool
}

func newAgentsListCommand(s *session) *cobra.Command {
	var flags listFlags
	command := &cobra.Command{
		Use:     "list SLUG",
		Aliases: []string{"ls"},
		Short:   "list a tenant's agents: how they are, how they enrolled, where they come from",
		Long: "List a tenant's agents: what the manager says of each, how it enrolled according to the\n" +
			"gateway's log, and the address the edges see it come from. An agent that has just\n" +
			"enrolled is shown as enrolled, although the manager says never_connected until its\n" +
			"first message. The manager itself, agent 000, is not listed.\n\n" +
			"Manager and gateway are reached through the API server, by a port forward to the\n" +
			"manager's pod, with what is in the tenant's Secrets: you need the rights to get secrets,\n" +
			"list pods and create pods/portforward in its namespace, and the latter two in the edges'.\n" +
			"What cannot be asked is said and left out. The gateway's log begins when its pod does.",
		Example: "  soctalk-ingress agents list acme\n\n" +
			"  # as it changes, every 5 seconds\n" +
			"  soctalk-ingress agents list acme --watch\n\n" +
			"  # who came in with one token\n" +
			"  soctalk-ingress agents list acme -l token=berlin -o wide\n\n" +
			"  # from where the manager's API can be reached directly\n" +
			"  soctalk-ingress agents list acme --api-address 10.0.7.12:55000",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName)
	flags.add(command)
	command.Flags().BoolVarP(&flags.watch, "watch", "w", false, "show the list again every 5 seconds, less often for more than 2,500 agents")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if flags.watch && !out.table() {
			return usageError("--watch shows tables only; leave -o out, or use -o wide")
		}
		selector, err := flags.check()
		if err != nil {
			return err
		}
		return s.listAgents(command.Context(), out, args[0], flags, selector)
	}
	return command
}

func (s *session) listAgents(ctx context.Context, out *output, slug string, flags listFlags, selector roster.Selector) error {
	_, asked, err := s.openRoster(ctx, slug, flags.agentFlags)
	if err != nil {
		return err
	}
	defer asked.Close()
	if flags.watch {
		return s.watchAgents(ctx, out, asked, selector)
	}
	rows, err := asked.Rows(ctx, time.Now())
	if err != nil {
		return err
	}
	chosen := roster.Select(rows, selector)
	if out.table() && len(chosen) == 0 && len(rows) > 0 {
		s.talk("no agent fits --selector; without it: %s", countText(rows))
		return nil
	}
	return s.printAgents(out, slug, chosen, time.Now())
}

// Pauses between two looks: a manager answers 300 requests a minute, of everybody
// together, and a look takes one for every 500 agents.
const (
	watchEvery   = 5 * time.Second
	watchPerPage = time.Second
	agentsPage   = 500
)

// watchAgents shows the list again and again, until it is interrupted.
func (s *session) watchAgents(ctx context.Context, out *output, asked *desk.Roster, selector roster.Selector) error {
	for {
		rows, err := asked.Rows(ctx, time.Now())
		if err != nil {
			return err
		}
		if isTerminal(s.streams.Out) {
			fmt.Fprint(s.streams.Out, "\x1b[H\x1b[2J") // home, and clear
		}
		chosen := roster.Select(rows, selector)
		fmt.Fprintf(s.streams.Out, "%s  %s\n", time.Now().Format(time.TimeOnly), countText(chosen))
		if len(chosen) > 0 {
			if err := s.printAgents(out, asked.Tenant.Name, chosen, time.Now()); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(watchEvery, watchPerPage*time.Duration(1+len(rows)/agentsPage))):
		}
	}
}

// openRoster opens the ways to those who know a tenant's agents, and says what
// cannot be asked.
func (s *session) openRoster(ctx context.Context, slug string, flags agentFlags) (*cluster, *desk.Roster, error) {
	c, tenant, err := s.connectTo(ctx, slug)
	if err != nil {
		return nil, nil, err
	}
	asked, err := c.OpenRoster(ctx, tenant, desk.Where{
		Address: flags.address, Edges: flags.edges, Note: func(what string, err error) { s.talk("note: %s: %v", what, err) },
	})
	return c, asked, err
}
