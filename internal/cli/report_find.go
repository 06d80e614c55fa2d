package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// findReport finds a report by its own name, or else the last one of a tenant: a
// slug may have had several lives.
func (s *session) findReport(ctx context.Context, c *cluster, name string) (v1alpha1.OffboardingReport, error) {
	var held v1alpha1.OffboardingReport
	err := c.Get(ctx, client.ObjectKey{Name: name}, &held)
	if err == nil {
		return held, nil
	}
	if !apierrors.IsNotFound(err) {
		return held, fmt.Errorf("get report %q: %w", name, err)
	}
	var all v1alpha1.OffboardingReportList
	if err := c.List(ctx, &all, client.MatchingLabels{naming.LabelTenant: name}); err != nil {
		return held, fmt.Errorf("list the reports of tenant %q: %w", name, err)
	}
	if len(all.Items) == 0 {
		return held, s.noReport(ctx, c, name)
	}
	last := slices.MaxFunc(all.Items, func(a, b v1alpha1.OffboardingReport) int {
		return a.Spec.FinishedAt.Compare(b.Spec.FinishedAt.Time)
	})
	if len(all.Items) > 1 {
		s.talk("%s is the last of %d reports of tenant %q; soctalk-ingress report list shows all of them", last.Name, len(all.Items), name)
	}
	return last, nil
}

// noReport tells a tenant that is still there from one nobody knows.
func (s *session) noReport(ctx context.Context, c *cluster, name string) error {
	if tenant, err := c.tenant(ctx, name); err == nil {
		hint := fmt.Sprintf("soctalk-ingress tenant describe %s shows how it is", name)
		if tenant.DeletionTimestamp != nil {
			return hinted(exitNotFound, fmt.Errorf("tenant %q is still being removed; its report is written last", name), "%s", hint)
		}
		return hinted(exitNotFound, fmt.Errorf("tenant %q is there and was not removed; a report is written at the end of a removal", name), "%s", hint)
	}
	return hinted(exitNotFound, fmt.Errorf("no report %q, and none of a tenant %q", name, name), "soctalk-ingress report list shows all of them")
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
