package cli

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/edge"
)

// edgeRunFlags are the command line of a running edge.
type edgeRunFlags struct {
	edgeConfigFlags
	name, region, routes, metrics, admin, program string
	log                                           logFlag
	external                                      bool
	self                                          []string
	check, lease                                  time.Duration
}

// newEdgeRunCommand keeps one HAProxy in step, beside it.
func newEdgeRunCommand(s *session) *cobra.Command {
	flags := &edgeRunFlags{}
	command := &cobra.Command{
		Use:   "run (--region REGION | --routes FILE)",
		Short: "keep one HAProxy in step with the routes of a Region",
		Long: "Keep one HAProxy in step with the Routes of a Region, or of a file. HAProxy is started when\n" +
			"it is not running, and goes on when this command ends. While the API server is away, what\n" +
			"is on disk is served.",
		Example: "  # in the cluster, as the chart starts it\n" +
			"  soctalk-ingress edge run --region eu\n\n" +
			"  # on a machine that cannot reach the API server\n" +
			"  soctalk-ingress edge run --routes /etc/soctalk-edge/routes.yaml --address 198.51.100.10",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(command *cobra.Command, _ []string) error { return s.runEdge(command, flags) },
	}
	flags.add(command)
	host, err := os.Hostname()
	if err != nil {
		host = "edge"
	}
	if node := os.Getenv("NODE_NAME"); node != "" {
		host = node
	}
	set := command.Flags()
	set.StringVar(&flags.name, "name", host, "name of this edge in the Routes' status")
	set.StringVar(&flags.region, "region", "", "Region whose Routes are carried; with --routes, routes of others are left out")
	set.StringVar(&flags.routes, "routes", "", "file with Routes, instead of the API server")
	set.StringVar(&flags.program, "haproxy", "haproxy", "HAProxy's program")
	set.BoolVar(&flags.external, "external", false, "HAProxy is started by systemd, not by this command")
	set.StringSliceVar(&flags.self, "self", nil, "address that leads to this edge from outside, such as a NAT's; no route may lead there")
	set.DurationVar(&flags.check, "check", 30*time.Second, "time between two comparisons with what HAProxy has")
	set.DurationVar(&flags.lease, "lease-duration", time.Minute, "how long the operator takes this edge for alive after it last said so")
	set.StringVar(&flags.metrics, "metrics-address", "", "where /metrics and /healthz are served, such as :8080 (default nowhere)")
	set.StringVar(&flags.admin, "admin-address", "", "port of 127.0.0.1 where /status and /agents are served, such as 127.0.0.1:8091 (default nowhere)")
	flags.log.add(set)
	s.addClusterFlags(command)
	return command
}

func (s *session) runEdge(command *cobra.Command, flags *edgeRunFlags) error {
	if flags.routes == "" && flags.region == "" {
		return usageError("say where the routes come from: --region of a cluster, or --routes with a file")
	}
	log, err := flags.log.logger(command.ErrOrStderr())
	if err != nil {
		return asUsage(err)
	}
	if err := edge.CheckLease(flags.lease); err != nil {
		return usageError("--lease-duration: %w", err)
	}
	limit, err := thisMachine()
	if err != nil {
		return err
	}
	config, err := flags.read(limit)
	if err != nil {
		return err
	}
	self, err := parseAddresses("--self", flags.self)
	if err != nil {
		return err
	}
	source, err := s.edgeSource(flags)
	if err != nil {
		return err
	}
	made, err := edge.New(edge.Options{
		Name: flags.name, Config: config, Source: source, Program: flags.program, External: flags.external,
		Self: self, Check: flags.check, LeaseDuration: flags.lease, Metrics: flags.metrics, Admin: flags.admin,
		Log: log,
	})
	if err != nil {
		return err
	}
	return made.Run(command.Context())
}

func (s *session) edgeSource(flags *edgeRunFlags) (edge.Source, error) {
	if flags.routes != "" {
		return edge.FileSource{Path: flags.routes, Region: flags.region}, nil
	}
	config, err := s.config.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	return edge.NewKubernetesSource(config, flags.region)
}
