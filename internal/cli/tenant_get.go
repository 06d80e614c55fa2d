package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
)

func newTenantListCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "list the tenants",
		Long: "List the tenants, with the columns their kind defines: kubectl get tenants shows the\n" +
			"same ones. -o wide adds ports, Region, the versions of manager and gateway, how far an\n" +
			"update of the pods is, and what Ready says.",
		Example: "  soctalk-ingress tenant list\n\n" +
			"  # which version does each run, who waits for an update, whose failed?\n" +
			"  soctalk-ingress tenant list -o wide",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName, formatJSONPath)
	command.RunE = func(command *cobra.Command, _ []string) error {
		return s.listTenants(command.Context(), out)
	}
	return command
}

func (s *session) listTenants(ctx context.Context, out *output) error {
	if err := out.check(); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	return s.printList(ctx, c, out, "tenants", "", &v1alpha1.TenantList{}, "no tenants yet; create one with: soctalk-ingress tenant create SLUG")
}

func newTenantGetCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:   "get SLUG",
		Short: "show one tenant in a line, or whole with -o yaml",
		Long:  "Show one tenant: in a line, or the whole object with -o json and -o yaml. For the\nconditions and what they mean see soctalk-ingress tenant describe.",
		Example: "  soctalk-ingress tenant get acme\n" +
			"  soctalk-ingress tenant get acme -o yaml",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName, formatJSONPath)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.getTenant(command.Context(), out, args[0])
	}
	return command
}

func (s *session) getTenant(ctx context.Context, out *output, slug string) error {
	if err := out.check(); err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	if !out.table() {
		tenant, err := c.Tenant(ctx, slug)
		if err != nil {
			return err
		}
		return out.printObject(s.streams.Out, c.Scheme(), &tenant)
	}
	table, err := c.tenantTable(ctx, slug)
	if apierrors.IsNotFound(err) {
		return desk.NoTenant(slug)
	}
	if err != nil {
		return fmt.Errorf("get tenant %q: %w", slug, err)
	}
	return out.printTable(s.streams.Out, table)
}
