package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func newTenantDescribeCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use:   "describe SLUG",
		Short: "show how a tenant is doing and what it waits for",
		Long: "Show how a tenant is doing: who it is, its way in, and the conditions in the order in\n" +
			"which one depends on the one before. The first that is not ✓ is the one to look at.",
		Example:           "  soctalk-ingress tenant describe acme",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
		RunE: func(command *cobra.Command, args []string) error {
			return s.describeTenant(command.Context(), args[0])
		},
	}
}

func (s *session) describeTenant(ctx context.Context, slug string) error {
	c, tenant, err := s.connectTo(ctx, slug)
	if err != nil {
		return err
	}
	events, err := c.Events(ctx, slug)
	if err != nil {
		s.talk("events are not shown: %v", err)
	}
	d := description{tenant: tenant, events: events, now: time.Now(), paint: s.painter(s.streams.Out)}
	return d.write(s.streams.Out)
}
