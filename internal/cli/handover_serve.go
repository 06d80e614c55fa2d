package cli

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// handoverServeFlags are the flags of handover serve.
type handoverServeFlags struct {
	address, metrics, certDir string
	log                       logFlag
	plain                     bool
	proxies                   []string
}

func newHandoverServeCommand(s *session) *cobra.Command {
	var flags handoverServeFlags
	command := &cobra.Command{
		Use:   "serve (--cert-dir DIR | --behind-proxy)",
		Short: "serve the page that opens links",
		Long: "Serve the page that opens links. It reads Handovers, Tenants and Regions, and reveals the\n" +
			"enrollment secret; the chart gives it these rights and no others. Links are spent in the\n" +
			"API server, so any number of copies may run.\n\n" +
			"TLS comes from tls.crt and tls.key in --cert-dir, which are read again when they change,\n" +
			"or from a proxy in front. A proxy's X-Forwarded-For counts only from --trusted-proxy.",
		Example: "  soctalk-ingress handover serve --cert-dir /tls\n\n" +
			"  # behind an Ingress\n" +
			"  soctalk-ingress handover serve --behind-proxy --trusted-proxy 10.42.0.0/16",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	set := command.Flags()
	set.StringVar(&flags.address, "address", ":8443", "where the page is served")
	set.StringVar(&flags.metrics, "metrics-address", "", "where /metrics and /healthz are served, such as :8080 (default nowhere)")
	set.StringVar(&flags.certDir, "cert-dir", "", "folder with tls.crt and tls.key")
	set.BoolVar(&flags.plain, "behind-proxy", false, "serve plain HTTP to a proxy that speaks TLS with the browsers")
	set.StringSliceVar(&flags.proxies, "trusted-proxy", nil, "network of proxies that say whom they forward for, such as 10.42.0.0/16")
	flags.log.add(set)
	command.RunE = func(command *cobra.Command, _ []string) error { return s.handoverServe(command, flags) }
	return command
}

func (s *session) handoverServe(command *cobra.Command, flags handoverServeFlags) error {
	if (flags.certDir == "") != flags.plain {
		return usageError("the page carries a secret: give --cert-dir, or --behind-proxy where a proxy speaks TLS; one of the two")
	}
	log, err := flags.log.logger(command.ErrOrStderr())
	if err != nil {
		return asUsage(err)
	}
	options := handover.Options{
		CertDir: flags.certDir,
		Log:     log,
	}
	if options.Proxies, err = trustedProxies(flags.proxies); err != nil {
		return err
	}
	if options.Client, err = s.daemonClient(); err != nil {
		return err
	}
	if options.Listener, err = net.Listen("tcp", flags.address); err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	if flags.metrics != "" {
		if options.Metrics, err = net.Listen("tcp", flags.metrics); err != nil {
			return fmt.Errorf("--metrics-address: %w", err)
		}
	}
	return handover.Serve(command.Context(), options)
}

// daemonClient reads and writes directly, without a cache.
func (s *session) daemonClient() (client.Client, error) {
	config, err := s.config.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("choose a cluster: %w", err)
	}
	scheme, err := controller.Scheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return client.WithFieldOwner(c, naming.Product+"-handover"), nil
}

// trustedProxies reads the networks of --trusted-proxy.
func trustedProxies(flags []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range flags {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, usageError("--trusted-proxy: %q: write a network, such as 10.42.0.0/16", text)
		}
		networks = append(networks, network)
	}
	return networks, nil
}
