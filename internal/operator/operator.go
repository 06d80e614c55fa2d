// Package operator wires the controllers to a cluster and runs them: caches,
// health, metrics, leader election. The command `soctalk-ingress operator` and
// the demo start the same [Run].
package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/soctalk/soctalk-ingress/internal/controller"
)

// Options say how to run.
type Options struct {
	// Config reaches the API server.
	Config *rest.Config
	// Controller is passed on.
	Controller controller.Options
	// LeaderElect lets several replicas stand by; one works.
	LeaderElect bool
	// HealthAddress and MetricsAddress are host:port; "0" switches one off.
	HealthAddress  string
	MetricsAddress string
	// Log receives one line when something changed.
	Log *slog.Logger
	// AlreadyNamed lets more than one operator run in one process (tests).
	AlreadyNamed bool
	// Registry is told what the operator exports of tenants and Regions; nil means
	// controller-runtime's, which its metrics server serves.
	Registry prometheus.Registerer
	// Ready, if set, is closed once the caches are filled and work begins.
	Ready chan<- struct{}
}

// Run works until the context ends. It returns nil after an orderly end.
func Run(ctx context.Context, options Options) error {
	// Libraries that log through controller-runtime's global log find it here.
	ctrl.SetLogger(logr.FromSlogHandler(options.Log.Handler()))
	if options.Controller.Operator.Namespace == "" {
		return errors.New("the operator's namespace is not known; set --namespace, or POD_NAMESPACE in its pod")
	}
	kinds, err := installedKinds(options.Config)
	if err != nil {
		return err
	}
	mgr, err := newManager(options, kinds)
	if err != nil {
		return err
	}
	collector, err := controller.Register(mgr, kinds, options.Controller)
	if err != nil {
		return err
	}
	registry := options.Registry
	if registry == nil {
		registry = metrics.Registry
	}
	if err := registry.Register(collector); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	defer registry.Unregister(collector)
	if options.Ready != nil {
		if err := mgr.Add(readiness(options.Ready)); err != nil {
			return fmt.Errorf("watch for readiness: %w", err)
		}
	}
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run the operator: %w", err)
	}
	return nil
}

// installedKinds asks the cluster before the caches are made: a cache for a kind
// that does not exist never fills.
func installedKinds(config *rest.Config) ([]schema.GroupVersionKind, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return controller.Kinds(mapper)
}

func newManager(options Options, kinds []schema.GroupVersionKind) (ctrl.Manager, error) {
	scheme, err := controller.Scheme()
	if err != nil {
		return nil, err
	}
	drain := 20 * time.Second
	mgr, err := ctrl.NewManager(options.Config, ctrl.Options{
		Scheme: scheme,
		Cache:  controller.CacheOptions(kinds),
		// Rendered objects are unstructured; reading them must come from the cache too.
		Client:                        client.Options{Cache: &client.CacheOptions{Unstructured: true}},
		Controller:                    config.Controller{SkipNameValidation: &options.AlreadyNamed},
		Logger:                        logr.FromSlogHandler(options.Log.Handler()),
		LeaderElection:                options.LeaderElect,
		LeaderElectionID:              "soctalk-ingress",
		LeaderElectionNamespace:       options.Controller.Operator.Namespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        options.HealthAddress,
		Metrics:                       server.Options{BindAddress: options.MetricsAddress},
		GracefulShutdownTimeout:       &drain,
	})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("add health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("add readiness check: %w", err)
	}
	return mgr, nil
}

// readiness closes its channel when the manager starts its runnables, which it
// does after the caches are filled.
type readiness chan<- struct{}

// Start implements manager.Runnable.
func (r readiness) Start(ctx context.Context) error {
	close(r)
	<-ctx.Done()
	return nil
}
