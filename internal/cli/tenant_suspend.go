package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// suspendFlags are the flags of tenant suspend and tenant resume.
type suspendFlags struct {
	why     string
	wait    bool
	timeout time.Duration
}

func newTenantSuspendCommand(s *session) *cobra.Command {
	flags := suspendFlags{}
	command := &cobra.Command{
		Use:   "suspend SLUG --why TEXT",
		Short: "close a tenant's way in, and keep everything else",
		Long: "Close a tenant's way in: no agent enrolls, none connects, and those that are connected\n" +
			"are sent away. Address, name, certificate, secret and keys are kept; tenant resume\n" +
			"lets the same agents in again without enrolling.\n\n" +
			"In mode loadbalancer the manager asks its agents to hang up; what does not obey\n" +
			"within 90 seconds is ended by a restart of a manager that the operator deployed.",
		Example: "  soctalk-ingress tenant suspend acme --why 'invoice 2026-117 unpaid' --wait",
		Args:    oneSlug, ValidArgsFunction: s.completeSlug,
	}
	command.Flags().StringVar(&flags.why, "why", "", "the reason, shown in the tenant's status (required)")
	command.Flags().BoolVar(&flags.wait, "wait", false, "wait until the manager holds no session any more")
	command.Flags().DurationVar(&flags.timeout, "timeout", 5*time.Minute, "how long --wait waits")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := checkWhy(flags.why); err != nil {
			return err
		}
		return s.suspend(command.Context(), flags, args[0])
	}
	return command
}

func newTenantResumeCommand(s *session) *cobra.Command {
	flags := suspendFlags{}
	command := &cobra.Command{
		Use:     "resume SLUG",
		Short:   "open a suspended tenant's way in again",
		Long:    "Open a suspended tenant's way in again. Its agents come back by themselves, with the\nkeys they have.",
		Example: "  soctalk-ingress tenant resume acme --wait",
		Args:    oneSlug, ValidArgsFunction: s.completeSlug,
	}
	command.Flags().BoolVar(&flags.wait, "wait", false, "wait until the tenant is ready")
	command.Flags().DurationVar(&flags.timeout, "timeout", 5*time.Minute, "how long --wait waits")
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.resume(command.Context(), flags, args[0])
	}
	return command
}

// maxWhy keeps a reason readable in a status and a report.
const maxWhy = 300

// checkWhy wants a reason that somebody can read a year later.
func checkWhy(why string) error {
	switch {
	case strings.TrimSpace(why) == "":
		return usageError("--why: say why; the reason is kept, such as --why 'contract ended, ticket 4711'")
	case len(why) > maxWhy:
		return usageError("--why: the reason has %d bytes; %d at most", len(why), maxWhy)
	case strings.ContainsFunc(why, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return usageError("--why: the reason has a line break or another control character; write one line")
	}
	return nil
}

func (s *session) suspend(ctx context.Context, flags suspendFlags, slug string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	if err := c.Suspend(ctx, slug, flags.why); err != nil {
		return err
	}
	if !flags.wait {
		fmt.Fprintf(s.streams.Out, "tenant %q is being suspended\n", slug)
		s.talk("next: soctalk-ingress tenant describe %s shows whether its sessions have ended", slug)
		return nil
	}
	return s.waitSuspended(ctx, c, slug, flags.timeout)
}

func (s *session) waitSuspended(ctx context.Context, c *cluster, slug string, timeout time.Duration) error {
	last := "waiting for the operator to begin"
	var tenant v1alpha1.Tenant
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		var err error
		if tenant, err = c.Tenant(ctx, slug); err != nil {
			return false, err
		}
		conditions := tenant.Status.Conditions
		ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.ObservedGeneration < tenant.Generation {
			return false, nil
		}
		if reconciling := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling); reconciling != nil && reconciling.Status == "True" && reconciling.Message != last {
			last = reconciling.Message
			s.talk("%s", last)
		}
		if ready.Reason != v1alpha1.ReasonSuspended {
			if stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled); stalled != nil && stalled.Status == "True" {
				return false, hinted(exitRefused, fmt.Errorf("tenant %q cannot be suspended: %s", slug, stalled.Message), "correct it with kubectl edit tenant %s", slug)
			}
			return false, nil
		}
		return meta.IsStatusConditionFalse(conditions, v1alpha1.ConditionReconciling), nil
	})
	if errors.Is(err, errTimeout) {
		return hinted(exitTimeout, fmt.Errorf("the sessions of tenant %q have not ended after %s: %s", slug, timeout, last), "the operator goes on; see soctalk-ingress tenant describe %s", slug)
	}
	if err != nil {
		return err
	}
	if seen := tenant.Status.Suspension; seen == nil || seen.EndedAt == nil {
		s.talk("warning: %s", meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady).Message)
	}
	fmt.Fprintf(s.streams.Out, "tenant %q suspended\n", slug)
	return nil
}

func (s *session) resume(ctx context.Context, flags suspendFlags, slug string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	if err := c.Resume(ctx, slug); err != nil {
		return err
	}
	if flags.wait {
		if _, err := s.waitReady(ctx, c, slug, flags.timeout); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.streams.Out, "tenant %q resumed\n", slug)
	return nil
}
