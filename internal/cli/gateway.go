package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/gateway"
)

// newGatewayCommand runs the enrollment gateway, usually beside a manager.
func newGatewayCommand() *cobra.Command {
	config := gateway.Config{}
	var level logFlag
	command := &cobra.Command{
		Use:   "gateway",
		Short: "run the gateway in front of a manager's enrollment port",
		Long: "Run the enrollment gateway of one tenant. The tenant's chart starts it beside\n" +
			"the manager, where it owns 1515 and passes what the policy allows on to authd,\n" +
			"one request at a time. Secrets, certificates and the policy are files; a change\n" +
			"to any of them counts within seconds and interrupts nobody. Standard error\n" +
			"carries the log, enrollments included, as JSON lines.\n\n" +
			"There must be exactly one gateway in front of a manager.",
		Example: "  # as a sidecar, with the Secrets mounted below /run/gateway\n" +
			"  soctalk-ingress gateway --cert-dir /run/gateway/tls --policy-dir /run/gateway/policy \\\n" +
			"    --admin-cert-dir /run/gateway/admin-tls --admin-token-file /run/gateway/admin/token \\\n" +
			"    --manager-password-file /run/gateway/internal/authd.pass --state-dir /var/lib/gateway\n\n" +
			"  # in front of a manager elsewhere, whose self-signed certificate is pinned\n" +
			"  soctalk-ingress gateway --manager wazuh-manager-pods.tenant-acme.svc:1515 \\\n" +
			"    --manager-ca-file /run/gateway/manager-ca/ca.crt --state-dir /var/lib/gateway",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := level.logger(command.ErrOrStderr())
			if err != nil {
				return asUsage(err)
			}
			config.Log = log
			if err := gateway.Run(command.Context(), config); err != nil {
				return fmt.Errorf("run the gateway: %w", err)
			}
			return nil
		},
	}
	set := command.Flags()
	set.StringVar(&config.Listen, "listen", ":1515", "where agents enroll")
	set.StringVar(&config.Admin, "admin-address", ":9515", "where the operator pushes policies and reads enrollments, over TLS")
	set.StringVar(&config.Metrics, "metrics-address", ":9516", "where /metrics, /healthz and /readyz are served")
	set.StringVar(&config.CertDir, "cert-dir", "", "folder with the tenant's tls.crt and tls.key")
	set.StringVar(&config.PolicyDir, "policy-dir", "", "folder with policy.json")
	set.StringVar(&config.AdminCertDir, "admin-cert-dir", "", "folder with the admin port's tls.crt and tls.key")
	set.StringVar(&config.AdminTokenFile, "admin-token-file", "", "file with the admin port's bearer token")
	set.StringVar(&config.StateDir, "state-dir", "", "writable folder that survives restarts: uses of tokens, the policy pushed last")
	set.StringVar(&config.Manager, "manager", "127.0.0.1:11515", "authd, as host:port")
	set.StringVar(&config.PasswordFile, "manager-password-file", "", "file with authd's internal password")
	set.StringVar(&config.ManagerCAFile, "manager-ca-file", "", "file with the CA of authd's certificate, or with that certificate itself; needed unless authd is on the loopback")
	set.BoolVar(&config.OmitAgentVersion, "omit-agent-version", false, "do not tell authd the agent's version; a manager before 4.6 stops reading at it")
	set.StringVar(&config.ManagerName, "manager-name", "", "name in authd's certificate, if it is not the host of --manager; a certificate that is in --manager-ca-file itself needs none")
	set.DurationVar(&config.Poll, "poll", 2*time.Second, "how often mounted files are looked at")
	set.DurationVar(&config.CheckManager, "check-manager", 5*time.Minute, "how often authd is asked whether it knows the internal password; each time leaves a line in its log")
	set.DurationVar(&config.Grace, "grace", 15*time.Second, "how long enrollments under way may take when the gateway is stopped")
	level.add(set)
	return command
}
