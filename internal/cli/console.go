package cli

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/console"
	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

func newConsoleCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:   "console",
		Short: "the same in a browser",
		Long:  "What the other commands do for people, in a browser.",
	}, newConsoleServeCommand(s))
	s.addClusterFlags(command)
	return command
}

// consoleFlags are the flags of console serve.
type consoleFlags struct {
	address, certDir, links, system, edges string
	log                                    logFlag
	behindProxy, insecure                  bool
	proxies                                []string
	oidc                                   oidcFlags
}

func newConsoleServeCommand(s *session) *cobra.Command {
	var flags consoleFlags
	command := &cobra.Command{
		Use:   "serve (--cert-dir DIR | --behind-proxy | --insecure)",
		Short: "serve the console",
		Long: "Serve the console. It has no rights of its own: a person signs in with a token of the\n" +
			"cluster, such as kubectl create token prints, and everything is done with that token. Of\n" +
			"kubeconfig or service account only the API server's address and authority are used.\n\n" +
			"TLS comes from tls.crt and tls.key in --cert-dir, which are read again when they change,\n" +
			"or from a proxy in front. --insecure is for a browser on the same machine, and listens on\n" +
			"a loopback address only. Who is signed in is kept in memory: run one copy.\n\n" +
			"With --oidc-issuer people may sign in at an identity provider too. Its ID token is what\n" +
			"the cluster is asked with, so the API server must trust the same provider.",
		Example: "  # on your own machine, with the cluster of your kubeconfig\n" +
			"  soctalk-ingress console serve --insecure --address 127.0.0.1:8090\n" +
			"  kubectl -n soctalk-system create token operator-jane --duration 8h\n\n" +
			"  # as the chart starts it\n" +
			"  soctalk-ingress console serve --cert-dir /tls --handover-url https://onboard.mssp.example.com\n\n" +
			"  # with single sign-on\n" +
			"  soctalk-ingress console serve --cert-dir /tls --external-url https://console.mssp.example.com \\\n" +
			"    --oidc-issuer https://id.mssp.example.com --oidc-client-id console --oidc-client-secret-file /oidc/secret",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	set := command.Flags()
	set.StringVar(&flags.address, "address", ":8443", "where the console is served")
	set.StringVar(&flags.certDir, "cert-dir", "", "folder with tls.crt and tls.key")
	set.BoolVar(&flags.behindProxy, "behind-proxy", false, "serve plain HTTP to a proxy that speaks TLS with the browsers")
	set.StringSliceVar(&flags.proxies, "trusted-proxy", nil, "network of proxies that say whom they forward for, such as 10.42.0.0/16")
	set.BoolVar(&flags.insecure, "insecure", false, "serve plain HTTP on a loopback address, to a browser on the same machine")
	set.StringVar(&flags.links, "handover-url", "", "where links to onboarding kits are served, such as https://onboard.mssp.example.com; empty: none can be made here")
	set.StringVar(&flags.system, "operator-namespace", naming.DefaultSystemNamespace, "namespace the operator runs in; the key of its reports is there")
	set.StringVar(&flags.edges, "edge-namespace", naming.DefaultSystemNamespace, "namespace of the edges' pods, which know where agents come from")
	flags.oidc.add(set)
	flags.log.add(set)
	command.RunE = func(command *cobra.Command, _ []string) error { return s.consoleServe(command, flags) }
	return command
}

// check refuses to serve a cookie that opens a cluster over a wire in the clear.
func (f *consoleFlags) check() error {
	chosen := 0
	for _, one := range []bool{f.certDir != "", f.behindProxy, f.insecure} {
		if one {
			chosen++
		}
	}
	if chosen != 1 {
		return usageError("people sign in here: give --cert-dir, or --behind-proxy where a proxy speaks TLS, or --insecure on a loopback address; one of the three")
	}
	if f.insecure {
		host, _, err := net.SplitHostPort(f.address)
		address, notAddress := netip.ParseAddr(host)
		if err != nil || notAddress != nil || !address.IsLoopback() {
			return usageError("--address: %q: with --insecure, write a loopback address and a port, such as 127.0.0.1:8090", f.address)
		}
	}
	if f.links != "" {
		if err := desk.CheckLinks(f.links); err != nil {
			return usageError("--handover-url: %w", err)
		}
	}
	return nil
}

func (s *session) consoleServe(command *cobra.Command, flags consoleFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	log, err := flags.log.logger(command.ErrOrStderr())
	if err != nil {
		return asUsage(err)
	}
	provider, err := flags.oidc.provider(flags.insecure)
	if err != nil {
		return err
	}
	cluster, err := s.config.ToRESTConfig()
	if err != nil {
		return fmt.Errorf("choose a cluster: %w", err)
	}
	scheme, err := controller.Scheme()
	if err != nil {
		return err
	}
	proxies, err := trustedProxies(flags.proxies)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", flags.address)
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	return console.Serve(command.Context(), console.Site{Listener: listener, CertDir: flags.certDir}, console.Options{
		Cluster: cluster, Scheme: scheme, Version: s.buildInfo().Version, System: flags.system, Edges: flags.edges, Links: flags.links, Plain: flags.insecure, Proxies: proxies,
		SignOn: provider,
		Log:    log,
	})
}
