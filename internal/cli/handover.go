package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

func newHandoverCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "handover",
		Aliases: []string{"handovers"},
		Short:   "hand a customer the onboarding kit by a link that opens once",
		Long: "Hand a customer's administrator the onboarding kit, with the enrollment secret, by a link\n" +
			"that opens once. Whoever may create Handovers in a tenant's namespace can hand out its\n" +
			"secret; RBAC decides who that is.",
	}, newHandoverCreateCommand(s), newHandoverListCommand(s), newHandoverRevokeCommand(s), newHandoverServeCommand(s))
	s.addClusterFlags(command)
	return command
}

func newHandoverListCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:     "list [SLUG]",
		Aliases: []string{"ls"},
		Short:   "list links, and what became of them",
		Long:    "List the links of a tenant, or of all tenants: whether they wait, were opened, from where,\nor ended unopened. The links themselves are not kept and cannot be shown again.",
		Example: "  soctalk-ingress handover list\n\n" +
			"  soctalk-ingress handover list acme -o json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatTable, formatJSON, formatYAML, formatName)
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		slug := ""
		if len(args) == 1 {
			slug = args[0]
		}
		return s.handoverList(command.Context(), out, slug)
	}
	return command
}

func (s *session) handoverList(ctx context.Context, out *output, slug string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	var options []client.ListOption
	if slug != "" {
		if _, err := c.Tenant(ctx, slug); err != nil {
			return err
		}
		options = append(options, client.InNamespace(naming.Namespace(slug)))
	}
	var held v1alpha1.HandoverList
	if err := c.List(ctx, &held, options...); err != nil {
		return fmt.Errorf("list handovers: %w", err)
	}
	switch {
	case out.format == formatName:
		for _, one := range held.Items {
			fmt.Fprintf(s.streams.Out, "handover/%s\n", one.Name)
		}
		return nil
	case !out.table():
		views := make([]handover.View, len(held.Items))
		for i := range held.Items {
			views[i] = handover.ViewOf(&held.Items[i], time.Now())
		}
		return out.printData(s.streams.Out, views)
	case len(held.Items) == 0:
		s.talk("no links; soctalk-ingress handover create SLUG makes one")
		return nil
	}
	return writeHandovers(s.streams.Out, held.Items, time.Now())
}

func writeHandovers(w io.Writer, held []v1alpha1.Handover, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TENANT\tNAME\tSTATE\tEXPIRES\tOPENED\tFROM\tCREATED BY\tWHY")
	for i := range held {
		view := handover.ViewOf(&held[i], now)
		expires, opened := "-", "-"
		if view.State == handover.StateWaiting {
			expires = "in " + duration.HumanDuration(view.Expires.Sub(now))
		}
		if view.Opened != nil {
			opened = duration.HumanDuration(now.Sub(*view.Opened)) + " ago"
		}
		from := view.From
		if from == "" {
			from = "-"
		}
		fmt.Fprintln(table, strings.Join([]string{view.Tenant, view.Name, string(view.State), expires, opened, from, view.CreatedBy, view.Why}, "\t"))
	}
	return table.Flush()
}

func newHandoverRevokeCommand(s *session) *cobra.Command {
	var why string
	command := &cobra.Command{
		Use:     "revoke SLUG NAME --why TEXT",
		Short:   "take a link back",
		Long:    "Take a link back: it opens nothing from now on, and stays for the record. One that was\nopened cannot be taken back; rotate the secret instead.",
		Example: "  soctalk-ingress handover revoke acme h-1f2e3d4c5b6a --why 'sent to the wrong address'",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s needs the slug of a tenant and the name of a link; handover list shows both", command.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: s.completeSlug,
	}
	command.Flags().StringVar(&why, "why", "", "the reason, told in an Event on the Tenant (required)")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := reveal.CheckWhy(why); err != nil {
			return usageError("--why: %w", err)
		}
		return s.handoverRevoke(command.Context(), args[0], args[1], why)
	}
	return command
}

func (s *session) handoverRevoke(ctx context.Context, slug, name, why string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	if err := c.RevokeHandover(ctx, slug, name, why, s.warn); err != nil {
		return err
	}
	s.talk("link %s of tenant %q opens nothing any more", name, slug)
	return nil
}

// warn says what did not keep a thing from being done.
func (s *session) warn(err error) { s.talk("warning: %v", err) }
