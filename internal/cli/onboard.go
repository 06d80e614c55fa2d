package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// onboardFlags are the flags of onboard.
type onboardFlags struct {
	platforms []string
	version   string
	group     string
	caFile    string
	publicCA  bool
	bundle    bundleFlags
}

// add gives a command the flags a sheet is made with.
func (f *onboardFlags) add(command *cobra.Command) {
	set := command.Flags()
	set.StringVar(&f.version, "agent-version", "", "version of the agents; empty for the manager's own")
	set.StringVar(&f.group, "group", "", "group the agents join; it must exist on the manager")
	set.StringVar(&f.caFile, "ca-file", "", "authority to trust, as a PEM file; empty for the one in the tenant's Secret")
	set.BoolVar(&f.publicCA, "public-ca", false, "the certificate comes from a public authority")
}

func (f *onboardFlags) check() error {
	if f.caFile != "" && f.publicCA {
		return usageError("--ca-file and --public-ca exclude each other")
	}
	return nil
}

func newOnboardCommand(s *session) *cobra.Command {
	flags := onboardFlags{}
	command := &cobra.Command{
		Use:   "onboard SLUG",
		Short: "write the sheet a customer's administrator needs to bring agents in",
		Long: "Write the sheet a customer's administrator needs: hostname, address and ports, what\n" +
			"the firewall must let out, which authority to trust, checks to run first, and complete\n" +
			"commands for each platform. It can be sent as it is: the enrollment secret is not in\n" +
			"it, and has to travel another way: see secret reveal and handover create.\n\n" +
			"The sheet shows what the tenant has now, by its status. Where its spec or its Region asks\n" +
			"for something else that has not reached it, as while tenants take turns, that is told\n" +
			"beside it: in the sheet what agents and firewalls will meet, on standard error the rest.\n\n" +
			"With --bundle the same goes into a zip archive: the sheet, the authority, a check and a\n" +
			"script for each platform. --with-secret puts the secret in as well, which is a reveal.",
		Example: "  soctalk-ingress onboard acme > acme.txt\n\n" +
			"  # two platforms only, agents join a group\n" +
			"  soctalk-ingress onboard acme --platform deb-amd64,windows-msi --group acme\n\n" +
			"  # a folder of files with a script for each platform\n" +
			"  soctalk-ingress onboard acme --bundle acme-kit.zip\n\n" +
			"  # for a program\n" +
			"  soctalk-ingress onboard acme -o json",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	s.addClusterFlags(command)
	out := addOutput(command, formatText, formatJSON, formatYAML)
	flags.add(command)
	flags.bundle.add(command)
	command.Flags().StringSliceVar(&flags.platforms, "platform", nil, "only these platforms; empty for all")
	complete := cobra.FixedCompletions(onboard.PlatformIDs(), cobra.ShellCompDirectiveNoFileComp)
	if err := command.RegisterFlagCompletionFunc("platform", complete); err != nil {
		panic(err) // the flag stands above
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if err := errors.Join(flags.check(), flags.bundle.check(command)); err != nil {
			return err
		}
		return s.onboard(command.Context(), flags, out, args[0])
	}
	return command
}

func (s *session) onboard(ctx context.Context, flags onboardFlags, out *output, slug string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	in, coming, err := c.sheetInput(ctx, flags, slug)
	if err != nil {
		return err
	}
	s.tellComing(in.Tenant, coming)
	sheet, err := desk.Sheet(in)
	if err != nil {
		return err
	}
	if len(flags.platforms) > 0 {
		if sheet, err = sheet.Only(flags.platforms...); err != nil {
			return usageError("--platform: %w", err)
		}
	}
	if flags.bundle.file != "" {
		return s.writeBundle(ctx, c, flags.bundle, sheet)
	}
	if out.format != formatText {
		return out.printData(s.streams.Out, sheet)
	}
	return sheet.WriteText(s.streams.Out)
}

// sheetInput reads what a tenant's sheet is made from, and what is to come.
func (c *cluster) sheetInput(ctx context.Context, flags onboardFlags, slug string) (onboard.Input, []plan.Change, error) {
	wishes := desk.Wishes{Version: flags.version, Group: flags.group, PublicAuthority: flags.publicCA}
	if flags.caFile != "" {
		text, err := os.ReadFile(flags.caFile)
		if err != nil {
			return onboard.Input{}, nil, usageError("--ca-file: %w", err)
		}
		wishes.Authority = string(text)
	}
	return c.SheetInput(ctx, slug, wishes)
}
