package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// handoverURLVariable says where links lead, so that nobody types it each time.
const handoverURLVariable = "SOCTALK_HANDOVER_URL"

// handoverFlags are the flags of handover create.
type handoverFlags struct {
	onboardFlags
	why, url string
	expires  time.Duration
}

func newHandoverCreateCommand(s *session) *cobra.Command {
	var flags handoverFlags
	command := &cobra.Command{
		Use:   "create SLUG --url URL --why TEXT",
		Short: "make a link that opens a tenant's onboarding kit once",
		Long: "Make a link that opens a tenant's onboarding kit once, for the customer's administrator:\n" +
			"the sheet, the files for every system, and the enrollment secret. Opening it counts as\n" +
			"the reveal of the secret, so the secret must not have been revealed before.\n\n" +
			"The link is printed now and never again: only a digest of its token is kept. Send it over\n" +
			"a channel that reaches this person alone. A mail scanner that fetches it opens nothing.\n\n" +
			"--url is where soctalk-ingress handover serve can be reached; " + handoverURLVariable + " in the\n" +
			"environment does the same.",
		Example: "  soctalk-ingress handover create acme --url https://onboard.mssp.example.com \\\n" +
			"    --expires 24h --why 'first agents, ticket 4711'",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	flags.add(command)
	set := command.Flags()
	set.StringVar(&flags.url, "url", "", "where the links are served, such as https://onboard.mssp.example.com")
	set.StringVar(&flags.why, "why", "", "the reason, kept with the link and with the secret (required)")
	set.DurationVar(&flags.expires, "expires", 24*time.Hour, "how long the link lives; a week at most")
	out := addOutput(command, formatText, formatJSON, formatYAML)
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if err := flags.checkAll(os.Getenv(handoverURLVariable)); err != nil {
			return err
		}
		return s.handoverCreate(command.Context(), flags, out, args[0])
	}
	return command
}

func (f *handoverFlags) checkAll(fromEnvironment string) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.url == "" {
		f.url = fromEnvironment
	}
	if f.url == "" {
		return usageError("--url: say where the links are served, such as https://onboard.mssp.example.com, or set %s", handoverURLVariable)
	}
	if err := desk.CheckLinks(f.url); err != nil {
		return usageError("--url: %w", err)
	}
	if err := desk.CheckLife(f.expires); err != nil {
		return usageError("--expires: %w", err)
	}
	if err := reveal.CheckWhy(f.why); err != nil {
		return usageError("--why: %w", err)
	}
	return nil
}

func (s *session) handoverCreate(ctx context.Context, flags handoverFlags, out *output, slug string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	in, coming, err := c.sheetInput(ctx, flags.onboardFlags, slug)
	if err != nil {
		return err
	}
	s.tellComing(in.Tenant, coming)
	link, made, err := c.MakeHandover(ctx, in, flags.expires, flags.why, s.warn)
	if err != nil {
		return err
	}
	return s.printLink(out, link, flags.url, made)
}

// linkView is a fresh link in -o json and -o yaml.
type linkView struct {
	Tenant  string    `json:"tenant"`
	Name    string    `json:"name"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

func (s *session) printLink(out *output, link handover.Link, base string, made *v1alpha1.Handover) error {
	expires := made.Spec.Expires.UTC()
	if out.format != formatText {
		return out.printData(s.streams.Out, linkView{link.Tenant, link.Name, link.URL(base), expires})
	}
	s.talk("this link opens once, until %s; it is not shown again:", expires.Format(time.RFC3339))
	fmt.Fprintln(s.streams.Out, link.URL(base))
	s.talk("take it back: soctalk-ingress handover revoke %s %s --why TEXT", link.Tenant, link.Name)
	return nil
}
