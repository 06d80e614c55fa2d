package cli

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/operator"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// operatorFlags are the operator's command line.
type operatorFlags struct {
	namespace      string
	leaderElect    bool
	healthAddress  string
	metricsAddress string
	poll           time.Duration
	log            logFlag
	gatewayImage   string
	// metricsNamespace is Prometheus's.
	metricsNamespace string
	updates          plan.Updates
	keepTokens       time.Duration
}

// newOperatorCommand runs the operator, usually in its Deployment.
func newOperatorCommand(config *genericclioptions.ConfigFlags) *cobra.Command {
	flags := operatorFlags{}
	command := &cobra.Command{
		Use:   "operator",
		Short: "run the operator that keeps every Tenant as its spec says",
		Long: "Run the operator. It is normally started by the chart soctalk-ingress inside\n" +
			"the cluster; outside, it uses the kubeconfig and must be able to reach the\n" +
			"managers' Services.",
		Example: "  # inside the cluster, as the chart starts it\n" +
			"  soctalk-ingress operator --leader-elect --namespace soctalk-system",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := flags.log.logger(command.ErrOrStderr())
			if err != nil {
				return err
			}
			if flags.updates.AtATime < 0 {
				return usageError("--updates-at-a-time: %d: use 1 or more, or 0 to restart all at once", flags.updates.AtATime)
			}
			cluster, err := config.ToRESTConfig()
			if err != nil {
				return err
			}
			return operator.Run(command.Context(), operator.Options{
				Config: cluster,
				Controller: controller.Options{
					Operator: plan.Operator{Namespace: flags.namespace, PodLabels: naming.OperatorPodLabels(), GatewayImage: flags.gatewayImage, MetricsNamespace: flags.metricsNamespace},
					Poll:     flags.poll,
					Updates:  flags.updates,

					KeepEndedTokens: flags.keepTokens,
				},
				LeaderElect:    flags.leaderElect,
				HealthAddress:  flags.healthAddress,
				MetricsAddress: flags.metricsAddress,
				Log:            log,
			})
		},
	}
	namespace := os.Getenv("POD_NAMESPACE")
	if namespace == "" {
		namespace = naming.DefaultSystemNamespace
	}
	set := command.Flags()
	// The name is shared with kubectl's flag on purpose: it is the namespace we act in.
	set.StringVar(&flags.namespace, "namespace", namespace, "namespace the operator runs in; its own Secrets live there")
	set.BoolVar(&flags.leaderElect, "leader-elect", false, "work only while holding the Lease, so that replicas can stand by")
	set.StringVar(&flags.healthAddress, "health-address", ":8081", "where /healthz and /readyz are served; 0 for nowhere")
	set.StringVar(&flags.metricsAddress, "metrics-address", ":8080", "where /metrics is served; 0 for nowhere")
	set.StringVar(&flags.metricsNamespace, "metrics-namespace", "", "namespace whose pods may read the gateways' /metrics, such as monitoring; empty: none")
	set.DurationVar(&flags.poll, "poll", 30*time.Second, "how often a ready tenant's manager is asked for its agents")
	set.StringVar(&flags.gatewayImage, "gateway-image", "", "image of the gateway beside each manager, such as the operator's own; empty: the one of the tenant chart's version")
	set.IntVar(&flags.updates.AtATime, "updates-at-a-time", 1, "how many tenants' pods are restarted at a time when a new version of the operator or of a Region's manager asks for it; 0 restarts all at once")
	set.DurationVar(&flags.updates.Patience, "update-patience", 15*time.Minute, "how long restarted pods have to serve again before the update counts as failed and the others wait")
	set.DurationVar(&flags.keepTokens, "keep-ended-tokens", 30*24*time.Hour, "how long enrollment tokens are kept after they expired, were used up or revoked; 0 keeps them for ever")
	flags.log.add(set)
	return command
}
