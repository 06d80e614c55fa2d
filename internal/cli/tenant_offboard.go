package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// offboardFlags are the flags of tenant offboard.
type offboardFlags struct {
	deleteFlags

	why    string
	report string
}

func newTenantOffboardCommand(s *session) *cobra.Command {
	flags := offboardFlags{}
	command := &cobra.Command{
		Use:   "offboard SLUG --why TEXT",
		Short: "remove a tenant on the record, and keep the signed report",
		Long: "Remove a tenant as tenant delete does, and write down who asked for it and why. The\n" +
			"enrollment secret is replaced, the way in is closed, every agent's key is deleted, and\n" +
			"only when the manager counts none do address, name, certificate, manager and data go.\n" +
			"Hostname, ports and address then rest for as long as the Region says.\n\n" +
			"What was seen at each step is kept in an OffboardingReport, signed; --report writes it\n" +
			"to a file. There is no way back but a backup.\n\n" +
			"Before it asks, it has the manager count the agents whose keys will go, through a port\n" +
			"forward as agents list does; where that is not possible it tells the number from the\n" +
			"tenant's status, and how old that is.\n\n" +
			"A manager that does not answer holds the removal up. The steps say so, and how to go\n" +
			"on without it.",
		Example: "  soctalk-ingress tenant offboard acme --why 'contract ended, ticket 4711' --report acme.json\n\n" +
			"  # from a script\n" +
			"  soctalk-ingress tenant offboard acme --why 'ticket 4711' --yes --wait --timeout 30m",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	set := command.Flags()
	set.StringVar(&flags.why, "why", "", "the reason, kept in the report (required)")
	set.BoolVar(&flags.yes, "yes", false, "do not ask; needed where nobody can answer")
	set.BoolVar(&flags.wait, "wait", false, "show the steps as they are done, until the tenant is gone")
	set.StringVar(&flags.report, "report", "", "file to write the report to, which must not exist; waits for it")
	set.DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long --wait and --report wait")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := checkWhy(flags.why); err != nil {
			return err
		}
		if !flags.yes && !isTerminal(s.streams.In) {
			return hinted(exitUsage, errors.New("this removes a tenant, and nobody is there to be asked"), "add --yes if that is what you want")
		}
		return s.offboard(command.Context(), flags, args[0])
	}
	return command
}

func (s *session) offboard(ctx context.Context, flags offboardFlags, slug string) error {
	var file *os.File
	if flags.report != "" {
		// Before anything is removed: a report that cannot be written is known now.
		var err error
		if file, err = newFile("--report", flags.report, 0o644); err != nil {
			return err
		}
		defer func() {
			_ = file.Close()
			if info, err := os.Stat(flags.report); err == nil && info.Size() == 0 {
				_ = os.Remove(flags.report)
			}
		}()
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	tenant, err := s.beginOffboarding(ctx, c, flags, slug)
	if err != nil {
		return err
	}
	if !flags.wait && file == nil {
		fmt.Fprintf(s.streams.Out, "tenant %q is being removed\n", slug)
		s.talk("next: soctalk-ingress tenant describe %s shows the steps, and then: soctalk-ingress report show %s", slug, desk.ReportName(tenant))
		return nil
	}
	if err := s.waitGone(ctx, c, slug, string(tenant.UID), flags.timeout); err != nil {
		return err
	}
	return s.tellOffboarded(ctx, c, tenant, file)
}

// beginOffboarding asks, writes down who and why, and deletes. A removal that is
// under way already goes on as it began.
func (s *session) beginOffboarding(ctx context.Context, c *cluster, flags offboardFlags, slug string) (v1alpha1.Tenant, error) {
	tenant, err := c.Tenant(ctx, slug)
	if err != nil {
		return tenant, err
	}
	if tenant.DeletionTimestamp != nil {
		s.talk("tenant %q is being removed already; its report keeps the reason it was begun with", slug)
		return tenant, nil
	}
	for _, line := range whatGoes(tenant, c.AgentsThatGo(ctx, tenant, time.Now())) {
		s.talk("%s", line)
	}
	if !flags.yes {
		if err := s.askForSlug(slug); err != nil {
			return tenant, err
		}
	}
	return tenant, c.Offboard(ctx, tenant, flags.why)
}

// tellOffboarded ends with the report: written to the file, or named.
func (s *session) tellOffboarded(ctx context.Context, c *cluster, tenant v1alpha1.Tenant, file *os.File) error {
	var held v1alpha1.OffboardingReport
	err := c.Get(ctx, client.ObjectKey{Name: desk.ReportName(tenant)}, &held)
	if apierrors.IsNotFound(err) {
		return hinted(exitFailed, fmt.Errorf("tenant %q is gone, and there is no report of its removal", tenant.Name),
			"somebody removed its finalizer by hand; look for what is left with: kubectl get claims,namespaces -l %s=%s", naming.LabelTenant, tenant.Name)
	}
	if err != nil {
		return fmt.Errorf("get offboarding report %q: %w", desk.ReportName(tenant), err)
	}
	if file != nil {
		text, err := json.MarshalIndent(held.Spec.Envelope, "", "  ")
		if err != nil {
			return fmt.Errorf("write %s: %w", file.Name(), err)
		}
		if _, err := file.Write(append(text, '\n')); err != nil {
			return fmt.Errorf("write %s: %w", file.Name(), err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("write %s: %w", file.Name(), err)
		}
		s.talk("next: soctalk-ingress report verify %s", file.Name())
	}
	if held.Spec.Abandoned {
		s.talk("warning: a step was given up on a person's word; see soctalk-ingress report show %s", held.Name)
	}
	fmt.Fprintf(s.streams.Out, "tenant %q removed; report %s\n", tenant.Name, held.Name)
	return nil
}
