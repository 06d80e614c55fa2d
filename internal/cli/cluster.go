package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// cluster is the API server as the user may use it.
type cluster struct{ *desk.Desk }

// connect reads flags and kubeconfig. It does not call the server yet.
func (s *session) connect() (*cluster, error) {
	config, err := s.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("choose a cluster: %w", err)
	}
	config.QPS = -1 // one person's commands; the server protects itself
	scheme, err := controller.Scheme()
	if err != nil {
		return nil, err
	}
	d, err := desk.New(config, scheme, naming.Product+"-cli")
	if err != nil {
		return nil, err
	}
	return &cluster{d}, nil
}

// connectTo is where every command about one tenant begins.
func (s *session) connectTo(ctx context.Context, slug string) (*cluster, v1alpha1.Tenant, error) {
	c, err := s.connect()
	if err != nil {
		return nil, v1alpha1.Tenant{}, err
	}
	tenant, err := c.Tenant(ctx, slug)
	return c, tenant, err
}

// completionPatience bounds what a press of the tab key may take.
const completionPatience = 3 * time.Second

// listForCompletion lists what a press of the tab key may offer; false where the
// cluster cannot be asked.
func (s *session) listForCompletion(ctx context.Context, into client.ObjectList, options ...client.ListOption) bool {
	c, err := s.connect()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	return c.List(ctx, into, options...) == nil
}

// completeSlug offers the slugs of the cluster's tenants.
func (s *session) completeSlug(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var tenants v1alpha1.TenantList
	if len(args) > 0 || !s.listForCompletion(command.Context(), &tenants) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var slugs []string
	for _, tenant := range tenants.Items {
		slugs = append(slugs, cobra.CompletionWithDesc(tenant.Name, tenant.Spec.DisplayName))
	}
	return slugs, cobra.ShellCompDirectiveNoFileComp
}

// completeToken offers a slug, and then the names of that tenant's tokens.
func (s *session) completeToken(command *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return s.completeSlug(command, args, toComplete)
	}
	var tokens v1alpha1.EnrollmentTokenList
	if len(args) > 1 || !s.listForCompletion(command.Context(), &tokens, client.InNamespace(naming.Namespace(args[0]))) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, token := range tokens.Items {
		names = append(names, cobra.CompletionWithDesc(token.Name, string(token.Status.State)))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeRegion offers the names of the cluster's Regions.
func (s *session) completeRegion(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var regions v1alpha1.RegionList
	if !s.listForCompletion(command.Context(), &regions) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, region := range regions.Items {
		names = append(names, cobra.CompletionWithDesc(region.Name, region.Spec.Domain))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
