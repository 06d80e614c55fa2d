package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
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
	base, err := url.Parse(f.url)
	switch {
	case f.url == "":
		return usageError("--url: say where the links are served, such as https://onboard.mssp.example.com, or set %s", handoverURLVariable)
	case err != nil || base.Scheme != "https" || base.Host == "" || base.Path != "" && base.Path != "/" || base.RawQuery != "" || base.Fragment != "":
		return usageError("--url: %q: write https:// and a host, such as https://onboard.mssp.example.com", f.url)
	case f.expires <= 0 || f.expires > handover.MaxLife:
		return usageError("--expires: %s: use more than 0 and at most %s", f.expires, handover.MaxLife)
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
	// What the page would refuse must be refused here, where somebody can act.
	if _, err := newSheet(in); err != nil {
		return err
	}
	if err := s.checkArmed(ctx, c, slug); err != nil {
		return err
	}
	by, err := reveal.EntryFor(ctx, c, flags.why, time.Now())
	if err != nil {
		return err
	}
	link, err := handover.NewLink(slug, rand.Reader)
	if err != nil {
		return err
	}
	made := newHandover(link, in, by, flags.expires)
	event := reveal.Event{Reason: v1alpha1.EventHandoverCreated, Action: "Create", Note: fmt.Sprintf("handover %s was made by %s: %s", link.Name, by.By, by.Why)}
	if err := event.Try(ctx, c, &in.Tenant, by.At); err != nil {
		return err
	}
	if err := c.Create(ctx, made); err != nil {
		return fmt.Errorf("create handover %s: %w", link, err)
	}
	if err := event.Write(ctx, c, &in.Tenant, by.At); err != nil {
		s.talk("warning: %v", err)
	}
	return s.printLink(out, link, flags.url, made)
}

func newHandover(link handover.Link, in onboard.Input, by reveal.Entry, life time.Duration) *v1alpha1.Handover {
	return &v1alpha1.Handover{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: naming.Namespace(link.Tenant), Name: link.Name,
			Labels: map[string]string{naming.LabelTenant: link.Tenant, naming.LabelManagedBy: naming.Product},
		},
		Spec: v1alpha1.HandoverSpec{
			TokenSHA256: link.Digest(), Expires: metav1.NewTime(by.At.Add(life)), Why: by.Why, CreatedBy: by.By,
			Kit: v1alpha1.HandoverKit{AuthorityPEM: in.AuthorityPEM, AgentVersion: in.AgentVersion, AgentGroup: in.AgentGroup},
		},
	}
}

// checkArmed refuses a link that would open onto a secret that was shown before.
// Who may create links need not be allowed to read the secret, and then learns
// it from the page only.
func (s *session) checkArmed(ctx context.Context, c *cluster, slug string) error {
	ref := reveal.Enrollment(slug)
	status, err := reveal.Look(ctx, c, ref)
	switch {
	case apierrors.IsForbidden(err):
		s.talk("you may not look at the secret, so this does not check whether it was revealed before")
		return nil
	case err != nil:
		return secretError(ref, err)
	case status.State != reveal.Armed:
		return secretError(ref, &reveal.Spent{Reference: ref, Status: status})
	}
	return nil
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
