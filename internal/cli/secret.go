package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

func newSecretCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "secret",
		Aliases: []string{"secrets"},
		Short:   "reveal a tenant's enrollment secret, once, and replace it",
		Long: "Look at a tenant's enrollment secret: whether it was revealed, to whom, when and why;\n" +
			"reveal it, once; allow that again; replace it.\n\n" +
			"This is a procedure with an audit, not a wall. Whoever may get Secrets in the tenant's\n" +
			"namespace can read the secret with kubectl; RBAC is what keeps people from it.",
	}, newSecretStatusCommand(s), newSecretRevealCommand(s), newSecretRearmCommand(s), newSecretRotateCommand(s))
	s.addClusterFlags(command)
	return command
}

// secretFlags choose one of a tenant's Secrets.
type secretFlags struct{ name, key string }

func (f *secretFlags) add(command *cobra.Command) {
	set := command.Flags()
	set.StringVar(&f.name, "secret", naming.SecretEnrollment, "name of the Secret in the tenant's namespace")
	set.StringVar(&f.key, "key", naming.KeyEnrollment, "key within that Secret")
}

func (f *secretFlags) reference(slug string) reveal.Reference {
	return reveal.Reference{Tenant: slug, Name: f.name, Key: f.key}
}

func newSecretStatusCommand(s *session) *cobra.Command {
	var flags secretFlags
	command := &cobra.Command{
		Use:   "status SLUG",
		Short: "say whether a tenant's secret was revealed, to whom, when and why",
		Long: "Say whether a tenant's secret was revealed, to whom, when and why, and how old it is.\n" +
			"Nothing that is derived from the secret is printed, not even a digest.",
		Example: "  soctalk-ingress secret status acme\n\n" +
			"  soctalk-ingress secret status acme -o json",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	flags.add(command)
	out := addOutput(command, formatText, formatJSON, formatYAML)
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		return s.secretStatus(command.Context(), out, flags.reference(args[0]))
	}
	return command
}

func newSecretRearmCommand(s *session) *cobra.Command {
	var flags secretFlags
	var why string
	command := &cobra.Command{
		Use:   "rearm SLUG --why TEXT",
		Short: "let a secret that was revealed be revealed once more",
		Long: "Let a secret that was revealed be revealed once more, without changing it. Who saw it\n" +
			"before still has it; where that is a doubt, rotate the secret instead, which arms the\n" +
			"new one. Who, when and why stand on the Secret, and in an Event on the Tenant.",
		Example:           "  soctalk-ingress secret rearm acme --why 'the customer lost the file, ticket 4712'",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	flags.add(command)
	command.Flags().StringVar(&why, "why", "", "the reason, kept with the secret (required)")
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := reveal.CheckWhy(why); err != nil {
			return usageError("--why: %w", err)
		}
		return s.secretRearm(command.Context(), flags.reference(args[0]), why)
	}
	return command
}

// secretView is a secret's status in -o json and -o yaml.
type secretView struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	Secret    string `json:"secret"`
	Key       string `json:"key"`
	reveal.Status
}

func (s *session) secretStatus(ctx context.Context, out *output, ref reveal.Reference) error {
	c, _, err := s.connectTo(ctx, ref.Tenant)
	if err != nil {
		return err
	}
	status, err := reveal.Look(ctx, c, ref)
	if err != nil {
		return desk.SecretError(ref, err)
	}
	if out.format != formatText {
		view := secretView{ref.Tenant, ref.Namespaced().Namespace, ref.Name, ref.Key, status}
		return out.printData(s.streams.Out, view)
	}
	return writeSecretStatus(s.streams.Out, ref, status, time.Now())
}

func writeSecretStatus(w io.Writer, ref reveal.Reference, status reveal.Status, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "secret\t%s\n", ref.Namespaced())
	fmt.Fprintf(table, "age\t%s\n", duration.HumanDuration(now.Sub(status.Since)))
	fmt.Fprintf(table, "state\t%s\n", inWords(status.State))
	for _, line := range []struct {
		what string
		*reveal.Entry
	}{{"revealed to", status.Revealed}, {"re-armed by", status.Rearmed}} {
		if line.Entry != nil {
			fmt.Fprintf(table, "%s\t%s, %s ago: %s\n", line.what, line.By, duration.HumanDuration(now.Sub(line.At)), line.Why)
		}
	}
	return table.Flush()
}

func inWords(state reveal.State) string {
	switch state {
	case reveal.Armed:
		return "armed: it can be revealed once"
	case reveal.Revealed:
		return "revealed: the next time needs a rotation, or secret rearm"
	}
	return "foreign: the operator did not make it"
}

func (s *session) secretRearm(ctx context.Context, ref reveal.Reference, why string) error {
	c, _, err := s.connectTo(ctx, ref.Tenant)
	if err != nil {
		return err
	}
	by, err := reveal.EntryFor(ctx, c, why, time.Now())
	if err != nil {
		return err
	}
	changed, err := reveal.Rearm(ctx, c, ref, by)
	switch {
	case err != nil && !changed:
		return desk.SecretError(ref, err)
	case err != nil:
		s.talk("warning: %v", err)
	}
	if !changed {
		s.talk("secret %s is armed already; nothing was changed", ref.Namespaced())
		return nil
	}
	s.talk("secret %s can be revealed once more", ref.Namespaced())
	return nil
}

// spend reveals a secret to be written to a target, which is taken back if
// somebody else was first.
func (s *session) spend(ctx context.Context, c *cluster, ref reveal.Reference, by reveal.Entry, to target) ([]byte, error) {
	shown, err := reveal.Consume(ctx, c, ref, by)
	if len(shown) == 0 {
		to.discard()
		return nil, desk.SecretError(ref, err)
	}
	if err != nil {
		s.talk("warning: %v", err)
	}
	return shown, nil
}

// unwritten is the error of a secret that is spent and reached nobody.
func unwritten(ref reveal.Reference, err error) error {
	return hinted(exitFailed, fmt.Errorf("the secret was marked as revealed and could not be written: %w", err), "allow it once more with %s", desk.RearmHint(ref))
}
