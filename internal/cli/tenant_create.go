package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// createFlags are the flags of tenant create.
type createFlags struct {
	displayName  string
	region       string
	mode         string
	hostname     string
	allowedCIDRs []string
	edgePorts    string
	version      string
	wazuh5Agents string
	wait         bool
	timeout      time.Duration
	dryRun       bool
}

func newTenantCreateCommand(s *session) *cobra.Command {
	flags := createFlags{}
	command := &cobra.Command{
		Use:   "create SLUG",
		Short: "create a tenant",
		Long: "Create a tenant. Whatever is left out is the Region's to decide. The specification is\n" +
			"checked against the cluster's Regions and the names and ports other tenants hold\n" +
			"before anything is written.",
		Example: "  # the default Region decides everything; wait until agents can come in\n" +
			"  soctalk-ingress tenant create acme --display-name 'Acme GmbH' --wait\n\n" +
			"  # a pair of ports at the Region's edge, for agents from one network\n" +
			"  soctalk-ingress tenant create beta --mode edge-haproxy --edge-ports 15140/15141 --allowed-cidr 203.0.113.0/24\n\n" +
			"  # ask the cluster what it thinks of it, write nothing\n" +
			"  soctalk-ingress tenant create gamma --region eu --dry-run -o yaml",
		Args:              oneSlug,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	out := addOutput(command, formatText, formatName, formatJSON, formatYAML)
	set := command.Flags()
	set.StringVar(&flags.displayName, "display-name", "", "the customer's name as people write it")
	set.StringVar(&flags.region, "region", "", "Region the agents come in at; empty for the default one")
	set.StringVar(&flags.mode, "mode", "", "loadbalancer or edge-haproxy; empty for the Region's default")
	set.StringVar(&flags.hostname, "hostname", "", "name agents are given; empty for SLUG.<domain of the Region>")
	set.StringArrayVar(&flags.allowedCIDRs, "allowed-cidr", nil, "network agents may come from, such as 203.0.113.0/24; repeat for more")
	set.StringVar(&flags.edgePorts, "edge-ports", "", "pin the ports at the edge, as EVENTS/ENROLLMENT; empty for a free pair")
	set.StringVar(&flags.version, "version", "", "version of the Wazuh manager, such as 4.14.7")
	set.StringVar(&flags.wazuh5Agents, "wazuh5-agents", "", "with a manager of Wazuh 5: closed (the default), or unguarded, which lets its agents in past the gateway")
	set.BoolVar(&flags.wait, "wait", false, "wait until agents can enroll and send events")
	set.DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long --wait waits")
	set.BoolVar(&flags.dryRun, "dry-run", false, "let the cluster check it and write nothing")
	for name, complete := range map[string]cobra.CompletionFunc{
		"region":        s.completeRegion,
		"mode":          cobra.FixedCompletions([]string{string(v1alpha1.ModeLoadBalancer), string(v1alpha1.ModeEdgeHAProxy)}, cobra.ShellCompDirectiveNoFileComp),
		"wazuh5-agents": cobra.FixedCompletions([]string{string(v1alpha1.Wazuh5Closed), string(v1alpha1.Wazuh5Unguarded)}, cobra.ShellCompDirectiveNoFileComp),
	} {
		if err := command.RegisterFlagCompletionFunc(name, complete); err != nil {
			panic(err) // the flags stand above
		}
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		tenant, err := flags.tenant(args[0])
		if err != nil {
			return err
		}
		// What no cluster is needed for to see is told where none answers, too.
		if err := plan.CheckSpec(tenant); err != nil {
			return fmt.Errorf("tenant %q: %w", tenant.Name, err)
		}
		return s.createTenant(command.Context(), flags, out, tenant)
	}
	return command
}

// tenant is the object the flags describe.
func (f createFlags) tenant(slug string) (v1alpha1.Tenant, error) {
	if f.dryRun && f.wait {
		return v1alpha1.Tenant{}, usageError("--dry-run and --wait exclude each other: there would be nothing to wait for")
	}
	switch v1alpha1.IngressMode(f.mode) {
	case "", v1alpha1.ModeLoadBalancer, v1alpha1.ModeEdgeHAProxy:
	default:
		return v1alpha1.Tenant{}, usageError("--mode: %q: use %s or %s, or leave it out for the Region's default", f.mode, v1alpha1.ModeLoadBalancer, v1alpha1.ModeEdgeHAProxy)
	}
	switch v1alpha1.Wazuh5Agents(f.wazuh5Agents) {
	case "", v1alpha1.Wazuh5Closed, v1alpha1.Wazuh5Unguarded:
	default:
		return v1alpha1.Tenant{}, usageError("--wazuh5-agents: %q: use %s or %s", f.wazuh5Agents, v1alpha1.Wazuh5Closed, v1alpha1.Wazuh5Unguarded)
	}
	ports, err := v1alpha1.ParseEdgePorts(f.edgePorts)
	if err != nil {
		return v1alpha1.Tenant{}, usageError("--edge-ports: %q: %w", f.edgePorts, err)
	}
	tenant := v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: slug},
		Spec: v1alpha1.TenantSpec{
			DisplayName: f.displayName,
			Region:      f.region,
			WazuhIngress: v1alpha1.WazuhIngress{
				Mode:         v1alpha1.IngressMode(f.mode),
				Hostname:     f.hostname,
				AllowedCIDRs: f.allowedCIDRs,
				EdgePorts:    ports,
				Wazuh5Agents: v1alpha1.Wazuh5Agents(f.wazuh5Agents),
			},
		},
	}
	if f.version != "" {
		tenant.Spec.Manager.Deploy = &v1alpha1.ManagerDeploy{Version: f.version}
	}
	return tenant, nil
}

func (s *session) createTenant(ctx context.Context, flags createFlags, out *output, tenant v1alpha1.Tenant) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	if err := c.CreateTenant(ctx, &tenant, flags.dryRun); err != nil {
		return err
	}
	if flags.wait {
		if tenant, err = s.waitReady(ctx, c, tenant.Name, flags.timeout); err != nil {
			return err
		}
	}
	if out.format != formatText {
		return out.printObject(s.streams.Out, c.Scheme(), &tenant)
	}
	s.sayCreated(tenant, flags)
	return nil
}

// sayCreated ends with what to do next.
func (s *session) sayCreated(tenant v1alpha1.Tenant, flags createFlags) {
	switch {
	case flags.dryRun:
		fmt.Fprintf(s.streams.Out, "tenant %q would be created (dry run)\n", tenant.Name)
	case flags.wait:
		fmt.Fprintf(s.streams.Out, "tenant %q is ready: %s\n", tenant.Name, desk.WayIn(tenant.Status))
		s.talk("next: soctalk-ingress onboard %s", tenant.Name)
	default:
		fmt.Fprintf(s.streams.Out, "tenant %q created\n", tenant.Name)
		s.talk("next: soctalk-ingress tenant describe %s, and once it is ready soctalk-ingress onboard %s", tenant.Name, tenant.Name)
	}
}
