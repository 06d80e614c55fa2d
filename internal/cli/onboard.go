package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
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
	sheet, err := newSheet(in)
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

// sheetInput reads what a tenant's sheet is made from, which is what the tenant has, and
// all that is to come.
func (c *cluster) sheetInput(ctx context.Context, flags onboardFlags, slug string) (onboard.Input, []plan.Change, error) {
	tenant, err := c.tenant(ctx, slug)
	if err != nil {
		return onboard.Input{}, nil, err
	}
	regions, err := c.regions(ctx)
	if err != nil {
		return onboard.Input{}, nil, err
	}
	region, err := regionOf(tenant, regions)
	if err != nil {
		return onboard.Input{}, nil, err
	}
	// A spec that cannot be carried out changes nothing that runs; the sheet's notes have
	// the condition that says so.
	coming, err := plan.Coming(tenant, regions)
	var problem *plan.Problem
	if err != nil && !errors.As(err, &problem) {
		return onboard.Input{}, nil, err
	}
	authority, err := c.authority(ctx, flags, tenant, region.Spec.Certificates)
	return onboard.Input{
		Tenant: tenant, Region: region, Coming: changes(coming),
		AuthorityPEM: authority, AgentVersion: flags.version, AgentGroup: flags.group,
	}, coming, err
}

// regionOf is the Region the tenant is in, which need not be the one its spec names by
// now.
func regionOf(tenant v1alpha1.Tenant, regions []v1alpha1.Region) (v1alpha1.Region, error) {
	name := tenant.Status.Region
	if name == "" {
		place, err := plan.Place(tenant, regions)
		if err != nil {
			return v1alpha1.Region{}, fmt.Errorf("tenant %q: %w", tenant.Name, err)
		}
		name = place.Region
	}
	for _, region := range regions {
		if region.Name == name {
			return region, nil
		}
	}
	return v1alpha1.Region{}, hinted(exitRefused, fmt.Errorf("tenant %q is in Region %q, which is gone", tenant.Name, name), "make the Region again, or name another one in spec.region")
}

// changes are those a customer meets, as the sheet has them.
func changes(coming []plan.Change) []onboard.Change {
	var met []onboard.Change
	for _, change := range coming {
		switch change.What {
		case plan.ChangeHostname, plan.ChangeAddress, plan.ChangePorts, plan.ChangeCertificate:
			met = append(met, onboard.Change(change))
		}
	}
	return met
}

func newSheet(in onboard.Input) (onboard.Sheet, error) {
	sheet, err := onboard.NewSheet(in)
	if err != nil {
		return sheet, hinted(exitRefused, err, "see soctalk-ingress tenant describe %s", in.Tenant.Name)
	}
	return sheet, nil
}

// authority is the PEM certificate agents must be told to trust; empty for a
// public authority.
func (c *cluster) authority(ctx context.Context, flags onboardFlags, tenant v1alpha1.Tenant, region v1alpha1.CertificatesSpec) (string, error) {
	strategy := plan.StrategyNow(tenant, region)
	switch {
	case flags.publicCA:
		return "", nil
	case flags.caFile != "":
		text, err := os.ReadFile(flags.caFile)
		if err != nil {
			return "", usageError("--ca-file: %w", err)
		}
		return string(text), nil
	case strategy == v1alpha1.CertificateACME:
		return region.CABundle, nil // of a private ACME server; a public one needs none
	}
	namespace, name := naming.Namespace(tenant.Name), cmp.Or(tenant.Spec.WazuhIngress.TLS.SecretName, naming.SecretTLS)
	held, err := c.secret(ctx, namespace, name)
	if apierrors.IsForbidden(err) {
		return "", hinted(exitFailed, err, "use --ca-file with the authority's certificate, or --public-ca")
	}
	if err != nil {
		return "", err
	}
	if authority := held[naming.KeyTLSCA]; len(authority) > 0 {
		return string(authority), nil
	}
	if bundle := region.CABundle; bundle != "" || strategy == v1alpha1.CertificateWildcard {
		return bundle, nil // who brings a certificate of a private authority brings ca.crt too
	}
	return "", hinted(exitRefused,
		fmt.Errorf("secret %s/%s has no %s, the authority agents are to trust", namespace, name, naming.KeyTLSCA),
		"wait until soctalk-ingress tenant describe %s shows CertificateReady, or use --ca-file or --public-ca", tenant.Name)
}
