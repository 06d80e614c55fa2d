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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
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
		for _, line := range whatGoes(tenant, c.agentsThatGo(ctx, tenant, time.Now())) {
			s.talk("%s", line)
		}
		if !flags.yes {
			if err := s.askForSlug(slug); err != nil {
				return err
			}
		}
		uid := tenant.UID
		// The one that was looked at is removed, not one created in between.
		if err := c.Delete(ctx, &tenant, client.Preconditions{UID: &uid}); err != nil {
			return fmt.Errorf("delete tenant %q: %w", slug, err)
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
	status := tenant.Status
	lines = append(lines, "  "+agents)
	if status.Hostname != "" {
		lines = append(lines, "  its way in: "+wayIn(status))
	}
	if tenant.Spec.Manager.Attach != nil {
		return append(lines, "  what this product made in namespace "+naming.Namespace(tenant.Name))
	}
	return append(lines, "  namespace "+naming.Namespace(tenant.Name)+" with the manager and all its data")
}

// countPatience is how long somebody who removes a tenant waits for its manager.
const countPatience = 10 * time.Second

// agentsThatGo has the manager count the agents now: a status is some time old, and
// hosts may be enrolling. Where it cannot be asked the status has to do, with its age.
func (c *cluster) agentsThatGo(ctx context.Context, tenant v1alpha1.Tenant, now time.Time) string {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	summary, err := c.countAgents(ctx, tenant)
	if err == nil {
		return fmt.Sprintf("the keys of %d registered agents, %d of them connected: the manager says so now", summary.Total, summary.Active)
	}
	return agentsOfStatus(tenant, err, now)
}

func (c *cluster) countAgents(ctx context.Context, tenant v1alpha1.Tenant) (wazuh.Summary, error) {
	api, done, err := c.managerAPI(ctx, tenant, "")
	if err != nil {
		return wazuh.Summary{}, err
	}
	defer done()
	return api.AgentsSummary(ctx)
}

// agentsOfStatus is what the operator counted last. It writes a status when something
// in it has changed, so that the moment it did is all that is known of its age.
func agentsOfStatus(tenant v1alpha1.Tenant, why error, now time.Time) string {
	counted := tenant.Status.Agents
	if counted == nil {
		return fmt.Sprintf("the keys of its registered agents; their number is not known: %v", why)
	}
	age := "of unknown age"
	var written time.Time
	for _, entry := range tenant.ManagedFields {
		if entry.Subresource == "status" && entry.Time != nil && entry.Time.After(written) {
			written = entry.Time.Time
			age = "written " + since(written, now)
		}
	}
	return fmt.Sprintf("the keys of %d registered agents, %d of them connected, by a status %s, for the manager cannot be asked now: %v", counted.Total, counted.Active, age, why)
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
