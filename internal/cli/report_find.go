package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// findReport finds a report by its own name, or else the last one of a tenant: a
// slug may have had several lives.
func (s *session) findReport(ctx context.Context, c *cluster, name string) (v1alpha1.OffboardingReport, error) {
	held, of, err := c.Report(ctx, name)
	if err == nil && of > 1 {
		s.talk("%s is the last of %d reports of tenant %q; soctalk-ingress report list shows all of them", held.Name, of, name)
	}
	return held, err
}

// completeReport offers the reports, each with its tenant.
func (s *session) completeReport(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var all v1alpha1.OffboardingReportList
	if len(args) > 0 || !s.listForCompletion(command.Context(), &all) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, report := range all.Items {
		names = append(names, cobra.CompletionWithDesc(report.Name, report.Spec.Tenant))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
