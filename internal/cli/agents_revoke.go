package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// revokeFlags are the flags of agents revoke.
type revokeFlags struct {
	agentFlags
	why     string
	sources []string
	yes     bool
	wait    bool
	timeout time.Duration
}

func newAgentsRevokeCommand(s *session) *cobra.Command {
	var flags revokeFlags
	command := &cobra.Command{
		Use:   "revoke SLUG [ID|NAME ...]",
		Short: "take agents their right to be a tenant's agents",
		Long: "Take agents their right to be a tenant's agents. For each, in this order: the gateway\n" +
			"refuses its host, by name and by its former key under any name; its registration is\n" +
			"deleted; its session ends; and that is looked at. The operator does it, also if this\n" +
			"command is interrupted. Revoking an agent twice is revoking it once.\n\n" +
			"Agents are chosen by id, by name, or by a selector; they are shown, and nothing is done\n" +
			"before the tenant's slug was typed, or --yes was given. A host is refused for as long as\n" +
			"its Revocation exists: agents unrevoke lifts the ban.\n\n" +
			"With enrollment direct nothing can refuse a host: it comes back with the secret it has\n" +
			"unless that is rotated. The revocation says so.",
		Example: "  soctalk-ingress agents revoke acme 007 --why 'laptop stolen, ticket 4711' --wait\n\n" +
			"  # everything in one office that is not connected\n" +
			"  soctalk-ingress agents revoke acme --selector name=berlin-*,status=disconnected --why 'office closed'\n\n" +
			"  # from a script\n" +
			"  soctalk-ingress agents revoke acme laptop-7 --why leaver --yes --wait -o json",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%s needs the slug of a tenant", command.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatText, formatJSON, formatYAML)
	flags.add(command)
	set := command.Flags()
	set.StringVar(&flags.why, "why", "", "the reason, kept with the revocation (required)")
	set.StringSliceVar(&flags.sources, "source", nil, "refuse this network too, such as 203.0.113.7/32, if it is the host's own; repeat for more")
	set.BoolVar(&flags.yes, "yes", false, "do not ask; needed where nobody can answer")
	set.BoolVar(&flags.wait, "wait", false, "show the steps as they are done, until the agents are gone")
	set.DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long --wait waits")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		return s.revokeAgents(command.Context(), out, flags, args[0], args[1:])
	}
	return command
}

func (s *session) revokeAgents(ctx context.Context, out *output, flags revokeFlags, slug string, called []string) error {
	if err := flags.choosable(called, isTerminal(s.streams.In)); err != nil {
		return err
	}
	selector, err := flags.check()
	if err != nil {
		return err
	}
	c, asked, err := s.openRoster(ctx, slug, flags.agentFlags)
	if err != nil {
		return err
	}
	defer asked.Close()
	now := time.Now()
	rows, err := asked.Rows(ctx, now)
	if err != nil {
		return err
	}
	chosen, err := choose(slug, rows, called, flags.selector != "", selector)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		s.talk("no agent fits; nothing was changed")
		return s.sayRevocations(out, nil)
	}
	s.talk("revoking %s of tenant %q:", countText(chosen), slug)
	if err := (&output{format: formatTable}).printTable(s.streams.ErrOut, agentTable(chosen, now)); err != nil {
		return err
	}
	if !flags.yes {
		if err := s.askForSlug(slug); err != nil {
			return err
		}
	}
	names, err := s.createRevocations(ctx, c, flags, slug, chosen)
	if err != nil {
		return err
	}
	return s.followRevocations(ctx, c, out, flags, slug, names)
}

// choosable refuses command lines that choose nobody, or that nobody could confirm.
func (f revokeFlags) choosable(called []string, terminal bool) error {
	if err := reveal.CheckWhy(f.why); err != nil {
		return usageError("--why: %w", err)
	}
	switch {
	case len(called) == 0 && f.selector == "":
		return usageError("say which agents: ids, names, or --selector")
	case len(called) > 0 && f.selector != "":
		return usageError("name agents or give --selector, not both")
	case !f.yes && !terminal:
		return hinted(exitUsage, errors.New("this revokes agents, and nobody is there to be asked"), "add --yes if that is what you want")
	}
	return nil
}

// choose finds the agents that were called, all of them or none; a selector finds
// any number.
func choose(slug string, rows []roster.Row, called []string, selecting bool, selector roster.Selector) ([]roster.Row, error) {
	if selecting {
		return roster.Select(rows, selector), nil
	}
	return desk.Choose(slug, rows, called)
}

// createRevocations writes one Revocation for each agent and returns their names.
func (s *session) createRevocations(ctx context.Context, c *cluster, flags revokeFlags, slug string, rows []roster.Row) ([]string, error) {
	ban, err := c.NewBan(ctx, flags.sources, flags.why)
	if err != nil {
		return nil, err
	}
	revoked, err := c.Revoke(ctx, slug, rows, ban)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, one := range revoked {
		if one.Already {
			s.talk("agent %s (%s) is revoked already", one.Agent.ID, one.Agent.Name)
		}
		names = append(names, one.Name)
	}
	return names, nil
}

func newAgentsUnrevokeCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:   "unrevoke SLUG NAME ...",
		Short: "lift the ban on revoked agents",
		Long: "Lift the ban on revoked agents: their hosts may enroll again, and do so by themselves\n" +
			"within a minute or so if they still try. They get new ids and new keys; nothing is given\n" +
			"back. NAME is the name of the agent, its former id, or the name of the Revocation.",
		Example: "  soctalk-ingress agents unrevoke acme laptop-7",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%s needs the slug of a tenant and the name of an agent", command.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: s.completeSlug,
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.unrevoke(command.Context(), args[0], args[1:])
	}
	return command
}

func (s *session) unrevoke(ctx context.Context, slug string, called []string) error {
	c, _, err := s.connectTo(ctx, slug)
	if err != nil {
		return err
	}
	revocations, err := c.Revocations(ctx, slug)
	if err != nil {
		return err
	}
	lift, err := desk.CalledRevocations(slug, revocations, called)
	if err != nil {
		return err
	}
	for _, r := range lift {
		if err := c.Unrevoke(ctx, r); err != nil {
			return err
		}
		fmt.Fprintf(s.streams.Out, "ban on agent %q lifted\n", r.Spec.AgentName)
	}
	return nil
}

func newAgentsRevocationsCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:   "revocations SLUG",
		Short: "list a tenant's revoked agents, and how often their hosts tried again",
		Long: "List a tenant's revoked agents, with the columns their kind defines: how far each\n" +
			"revocation is, and how often its host was refused since. -o yaml shows the evidence.",
		Example:           "  soctalk-ingress agents revocations acme",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName, formatJSONPath)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.listOurs(command.Context(), out, args[0], "revocations", &v1alpha1.RevocationList{}, "no agent of tenant %q is revoked")
	}
	return command
}

// listOurs lists objects of a kind of ours in a tenant's namespace.
func (s *session) listOurs(ctx context.Context, out *output, slug, resource string, list client.ObjectList, none string) error {
	if err := out.check(); err != nil {
		return err
	}
	c, _, err := s.connectTo(ctx, slug)
	if err != nil {
		return err
	}
	return s.printList(ctx, c, out, resource, naming.Namespace(slug), list, fmt.Sprintf(none, slug))
}
