package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
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
	events, err := c.events(ctx, tenant)
	if err != nil {
		s.talk("events are not shown: %v", err)
	}
	d := description{tenant: tenant, events: events, now: time.Now(), paint: s.painter(s.streams.Out)}
	return d.write(s.streams.Out)
}

// events of a tenant. It has no namespace, and what happens to such objects is
// kept in the namespace "default".
func (c *cluster) events(ctx context.Context, tenant v1alpha1.Tenant) ([]eventsv1.Event, error) {
	var list eventsv1.EventList
	about := fields.Set{"regarding.kind": "Tenant", "regarding.name": tenant.Name}
	err := c.List(ctx, &list, client.InNamespace(metav1.NamespaceDefault), client.MatchingFieldsSelector{Selector: about.AsSelector()})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return list.Items, nil
}
