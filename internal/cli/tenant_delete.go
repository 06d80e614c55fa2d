package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
)

// deleteFlags are the flags of tenant delete.
type deleteFlags struct {
	yes     bool
	wait    bool
	timeout time.Duration
}

func newTenantDeleteCommand(s *session) *cobra.Command {
	flags := deleteFlags{}
	command := &cobra.Command{
		Use:   "delete SLUG",
		Short: "remove a tenant: its agents' keys, its manager, its address and its name",
		Long: "Remove a tenant. Its secret is replaced and its way in closed, then every agent's key is\n" +
			"deleted through the manager, then address, name, manager, data and namespace go, and at\n" +
			"last hostname and ports rest until others may have them. There is no way back but a\n" +
			"backup.\n\n" +
			"To close the way in and keep everything, use tenant suspend instead. To write down who\n" +
			"asked for the removal and why, use tenant offboard; both end with a signed report.",
		Example: "  soctalk-ingress tenant delete acme --wait\n\n" +
			"  # from a script\n" +
			"  soctalk-ingress tenant delete acme --yes --wait --timeout 30m",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	command.Flags().BoolVar(&flags.yes, "yes", false, "do not ask; needed where nobody can answer")
	command.Flags().BoolVar(&flags.wait, "wait", false, "show the steps as they are done, until the tenant is gone")
	command.Flags().DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long --wait waits")
	command.RunE = func(command *cobra.Command, args []string) error {
		if !flags.yes && !isTerminal(s.streams.In) {
			return hinted(exitUsage, errors.New("this removes a tenant, and nobody is there to be asked"), "add --yes if that is what you want")
		}
		return s.deleteTenant(command.Context(), flags, args[0])
	}
	return command
}

func (s *session) deleteTenant(ctx context.Context, flags deleteFlags, slug string) error {
	c, tenant, err := s.connectTo(ctx, slug)
	if err != nil {
		return err
	}
	if tenant.DeletionTimestamp == nil {
		for _, line := range whatGoes(tenant, c.AgentsThatGo(ctx, tenant, time.Now())) {
			s.talk("%s", line)
		}
		if !flags.yes {
			if err := s.askForSlug(slug); err != nil {
				return err
			}
		}
		if err := c.Remove(ctx, tenant); err != nil {
			return err
		}
	}
	if !flags.wait {
		fmt.Fprintf(s.streams.Out, "tenant %q is being removed\n", slug)
		s.talk("next: soctalk-ingress tenant describe %s shows the steps", slug)
		return nil
	}
	if err := s.waitGone(ctx, c, slug, string(tenant.UID), flags.timeout); err != nil {
		return err
	}
	fmt.Fprintf(s.streams.Out, "tenant %q removed\n", slug)
	return nil
}

// whatGoes says what a removal takes away; agents is what is known of their number.
func whatGoes(tenant v1alpha1.Tenant, agents string) []string {
	name := fmt.Sprintf("%q", tenant.Name)
	if tenant.Spec.DisplayName != "" {
		name += " (" + tenant.Spec.DisplayName + ")"
	}
	lines := []string{"removing tenant " + name + " takes away:"}
	for _, line := range desk.Loss(tenant, agents) {
		lines = append(lines, "  "+line)
	}
	return lines
}

// askForSlug wants the slug typed, because a y is typed before one has read.
func (s *session) askForSlug(slug string) error {
	fmt.Fprintf(s.streams.ErrOut, "type %s to go on: ", slug)
	line, err := bufio.NewReader(s.streams.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(line) != slug {
		return hinted(exitFailed, errors.New("not confirmed"), "nothing was changed")
	}
	return nil
}
