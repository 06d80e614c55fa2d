package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"

	// Each of these makes a control loop, or a kind of issuer, known by being imported.
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
)

// workers per control loop, as in cert-manager's own program.
const workers = 5

// controllerMain takes those of cert-manager's flags that a test has to set, under
// their own names and with their own defaults.
func controllerMain(ctx context.Context, arguments []string) error {
	var options controller.ContextOptions
	var nameservers string
	var authoritative bool
	flags := flag.NewFlagSet("controller", flag.ContinueOnError)
	flags.StringVar(&options.Kubeconfig, "kubeconfig", "", "how to reach the cluster")
	flags.StringVar(&options.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "where ClusterIssuers keep their Secrets")
	flags.StringVar(&nameservers, "dns01-recursive-nameservers", "", "host:port of the servers asked before a DNS-01 challenge is accepted, separated by commas")
	flags.BoolVar(&authoritative, "dns01-check-authoritative", true, "ask the zone's own servers; false is upstream's --dns01-recursive-nameservers-only")
	flags.DurationVar(&options.DNS01CheckRetryPeriod, "dns01-check-retry-period", 10*time.Second, "pause between two looks for a DNS-01 record")
	flags.DurationVar(&options.CertificateRequestMinimumBackoffDuration, "certificate-request-minimum-backoff-duration", time.Hour, "pause after the first failure")
	flags.StringVar(&options.HTTP01SolverImage, "acme-http01-solver-image", "quay.io/jetstack/cert-manager-acmesolver:v1.21.2", "what solver pods run")
	options.ACMEHTTP01SolverRunAsNonRoot = true
	options.HTTP01SolverResourceRequestCPU, options.HTTP01SolverResourceRequestMemory = resource.MustParse("10m"), resource.MustParse("64Mi")
	options.HTTP01SolverResourceLimitsCPU, options.HTTP01SolverResourceLimitsMemory = resource.MustParse("100m"), resource.MustParse("64Mi")
	options.CertificateRequestMaximumBackoffDuration = 32 * time.Hour
	options.MaxConcurrentChallenges = 60
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if nameservers == "" {
		return errors.New("--dns01-recursive-nameservers is missing; name the server that answers for the zones of the test")
	}
	options.DNS01Nameservers = strings.Split(nameservers, ",")
	options.DNS01CheckAuthoritative = authoritative
	options.ClusterIssuerAmbientCredentials = true
	options.KubernetesAPIQPS, options.KubernetesAPIBurst = 20, 50
	return runControllers(logf.NewContext(ctx, klog.Background()), options)
}

func runControllers(ctx context.Context, options controller.ContextOptions) error {
	factory, err := controller.NewContextFactory(ctx, options)
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	shared, err := factory.Build()
	if err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for name, construct := range controller.Known() {
		loop, err := construct(factory)
		if err != nil {
			return fmt.Errorf("make control loop %s: %w", name, err)
		}
		group.Go(func() error { return loop.Run(workers, ctx) })
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	return group.Wait()
}
