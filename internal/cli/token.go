package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

func newTokenCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "token",
		Aliases: []string{"tokens"},
		Short:   "enrollment tokens: secrets with an end, a number of uses, a group",
		Long: "Enrollment tokens are named enrollment secrets of a tenant, for a site, an order or a wave\n" +
			"of a roll-out. Agents use one in place of the tenant's secret; they notice no difference.\n" +
			"Tokens need the gateway: with enrollment direct, authd knows one secret only.",
	}, newTokenCreateCommand(s), newTokenListCommand(s), newTokenRevokeCommand(s), newTokenDeleteCommand(s))
	s.addClusterFlags(command)
	return command
}

// slugAndName wants the slug of a tenant and the name of a token.
func slugAndName(command *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s needs the slug of a tenant and the name of a token", command.CommandPath())
	}
	return nil
}

// tokenFlags are the flags of token create.
type tokenFlags struct {
	expires, group, names string
	maxUses               int32
	sources               []string
	wait                  bool
	timeout               time.Duration
}

func newTokenCreateCommand(s *session) *cobra.Command {
	var flags tokenFlags
	command := &cobra.Command{
		Use:   "create SLUG NAME",
		Short: "create an enrollment token",
		Long: "Create an enrollment token. Its secret is made by the operator and shown once, by\n" +
			"soctalk-ingress secret reveal. What it restricts is judged by the gateway at each\n" +
			"enrollment; an agent that is refused is told no more than that the password is wrong, and\n" +
			"the gateway's log has the reason.",
		Example: "  soctalk-ingress token create acme berlin --expires 72h --max-uses 40 --group berlin --names 'berlin-*' --wait\n" +
			"  soctalk-ingress secret reveal acme --secret enrollment-token-berlin --why 'roll-out Berlin, ticket 4711' --to-file berlin.pass\n\n" +
			"  # only from the customer's own network\n" +
			"  soctalk-ingress token create acme hq --source 203.0.113.0/24 --source 2001:db8::/48",
		Args:              slugAndName,
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatText, formatJSON, formatYAML, formatName)
	set := command.Flags()
	set.StringVar(&flags.expires, "expires", "", "when it ends: a time from now such as 72h, or a date such as 2026-12-31T18:00:00Z; empty is never")
	set.Int32Var(&flags.maxUses, "max-uses", 0, "how many agents it lets in; 0 is any number")
	set.StringVar(&flags.group, "group", "", "group the agents get, whatever they ask for; it must exist on the manager")
	set.StringVar(&flags.names, "names", "", "pattern with * and ? that the agents' names must match, such as 'berlin-*'")
	set.StringSliceVar(&flags.sources, "source", nil, "network it may be used from, such as 203.0.113.0/24; repeat for more")
	set.BoolVar(&flags.wait, "wait", false, "wait until the gateway lets agents in with it")
	set.DurationVar(&flags.timeout, "timeout", 2*time.Minute, "how long --wait waits")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		return s.createToken(command.Context(), out, flags, args[0], args[1])
	}
	return command
}

// spec is what the flags describe, as of now.
func (f tokenFlags) spec(now time.Time) (v1alpha1.EnrollmentTokenSpec, error) {
	spec := v1alpha1.EnrollmentTokenSpec{MaxUses: f.maxUses, Group: f.group, Names: f.names, SourceCIDRs: f.sources}
	end, err := desk.TokenEnd(f.expires, now)
	if err != nil {
		return spec, usageError("--expires: %w", err)
	}
	spec.Expires = end
	return spec, nil
}

func (s *session) createToken(ctx context.Context, out *output, flags tokenFlags, slug, name string) error {
	spec, err := flags.spec(time.Now())
	if err != nil {
		return err
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	token, err := c.MakeToken(ctx, slug, name, spec)
	if err != nil {
		return err
	}
	if flags.wait {
		if token, err = s.waitToken(ctx, c, slug, name, flags.timeout, v1alpha1.ReasonReady, v1alpha1.ReasonTokenEarly); err != nil {
			return err
		}
	}
	if out.format != formatText {
		return out.printObject(s.streams.Out, c.Scheme(), &token)
	}
	fmt.Fprintf(s.streams.Out, "token %q of tenant %q created; its secret is in Secret %s/%s\n", name, slug, token.Namespace, naming.TokenSecret(name))
	s.talk("next: soctalk-ingress secret reveal %s --secret %s --why TEXT", slug, naming.TokenSecret(name))
	return nil
}

// waitToken looks until the token's condition has one of the reasons.
func (s *session) waitToken(ctx context.Context, c *cluster, slug, name string, timeout time.Duration, reasons ...string) (v1alpha1.EnrollmentToken, error) {
	var token v1alpha1.EnrollmentToken
	last := ""
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKey{Namespace: naming.Namespace(slug), Name: name}, &token); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(token.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.ObservedGeneration < token.Generation {
			return false, nil
		}
		for _, reason := range reasons {
			if ready.Reason == reason {
				return true, nil
			}
		}
		if ready.Message != last {
			last = ready.Message
			s.talk("%s", last)
		}
		return false, nil
	})
	if errors.Is(err, errTimeout) {
		return token, hinted(exitTimeout, fmt.Errorf("token %q of tenant %q after %s: %s", name, slug, timeout, last), "it goes on without you; see soctalk-ingress token list %s", slug)
	}
	return token, err
}

func newTokenListCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:     "list SLUG",
		Aliases: []string{"ls"},
		Short:   "list a tenant's enrollment tokens and how often they were used",
		Long:    "List a tenant's enrollment tokens, with the columns their kind defines. Their secrets are\nnever shown here.",
		Example: "  soctalk-ingress token list acme\n\n" +
			"  # who came in with one of them\n" +
			"  soctalk-ingress agents list acme -l token=berlin",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	out := addOutput(command, formatTable, formatWide, formatJSON, formatYAML, formatName, formatJSONPath)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.listOurs(command.Context(), out, args[0], "enrollmenttokens", &v1alpha1.EnrollmentTokenList{}, "tenant %q has no enrollment tokens")
	}
	return command
}
