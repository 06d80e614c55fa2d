// Package lab assembles a whole installation on one machine: a real Kubernetes
// control plane, a stand-in for its nodes and network, and the operator with
// exactly the rights its chart gives it. The demo tells its story in a lab, and
// the integration tests stand on one.
//
// Everything listens on loopback; no root is needed. The managers behind the
// tenants are simulators, the rest is the real thing. Start with [Start].
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/operator"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/standin"
	"github.com/soctalk/soctalk-ingress/internal/standin/node"
)

// updatePatience is how long restarted pods have to serve again.
const updatePatience = 5 * time.Minute

// OperatorUserAgent is how the operator's requests are told apart in the audit log.
const OperatorUserAgent = naming.Product + "-operator"

// MetricsNamespace is where a Prometheus would run: the tenants' policies let it in.
const MetricsNamespace = "monitoring"

// Options say what to assemble.
type Options struct {
	// Binary holds the control plane's programs; see controlplane.Build.
	Binary string
	// Simulator is the wazuhsim program.
	Simulator string
	// Program is soctalk-ingress itself, which runs the gateways beside managers;
	// empty means the one beside the simulator.
	Program string
	// Dir keeps data and logs; a temporary one if empty. Stop removes what was made in it.
	Dir string
	// Keep leaves the files for somebody to look at.
	Keep bool
	// MetalLB is the program of MetalLB's controller, which then gives the addresses;
	// empty leaves that to the stand-in. See controlplane.Build.
	MetalLB string
	// LoadBalancerRange is where addresses come from; empty means 127.80.0.0/16, with
	// MetalLB a part of 127.0.0.0/8 that no other lab uses.
	LoadBalancerRange netip.Prefix
	// Images are further programs that pods may run, by image; see standin.Options.
	Images map[string]node.Image
	// Audit records every request to the API server.
	Audit bool
	// Authentication is whose tokens the API server takes; see controlplane.Options.
	Authentication string
	// Poll is how often the operator asks a ready tenant's manager; 0 means 2 s here.
	Poll time.Duration
	// Drain is how long the operator gives sessions to end; 0 is the real 90 s.
	Drain time.Duration
	// EdgeLook is how often the operator looks at the edges' Leases; 0 is the real 10 s.
	EdgeLook time.Duration
	// KeyReload is how often a manager looks at client.keys, and counts its
	// connections; 0 is the real 10 s and 5 s.
	KeyReload time.Duration
	// Before, if set, is called when the cluster and its nodes run and the operator
	// does not: here others install the kinds that it is to find.
	Before func(ctx context.Context, l *Lab) error
	// Progress, if set, is told what is being done.
	Progress func(what string)
}

// Lab is a running installation.
type Lab struct {
	// Plane is the control plane; Client and Config act in it as its administrator.
	Plane  *controlplane.ControlPlane
	Client client.Client
	Config *rest.Config
	// Standin plays nodes and network.
	Standin *standin.StandIn

	// Metrics are what the operator exports of tenants and Regions.
	Metrics *prometheus.Registry

	// Adjust, if set, changes how the next operator works: another version, for example.
	Adjust func(*controller.Options)

	options  Options
	ownDir   bool
	logs     map[string]*os.File
	services io.Closer // marks the range of cluster IPs as taken

	serviceRange netip.Prefix
	metallbs     []*MetalLB
	operator     *running

	peerMutex sync.Mutex // of what is started later: edges, and further MetalLBs
	edges     byte       // addresses of edges that were given out

	fatalMutex sync.Mutex
	fatal      Fatal
}

// running is an operator at work.
type running struct {
	cancel context.CancelFunc
	done   chan error
	dead   chan struct{} // closed if it was killed
}

// Start assembles a lab; on error nothing is left running.
func Start(ctx context.Context, options Options) (_ *Lab, err error) {
	l := &Lab{options: options, Metrics: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			l.Stop()
		}
	}()
	if err := l.prepare(); err != nil {
		return nil, err
	}
	l.say("starting Kubernetes (etcd, kube-apiserver, kube-controller-manager)")
	egress := filepath.Join(l.options.Dir, "egress.sock")
	l.Plane, err = controlplane.Start(ctx, controlplane.Options{
		Binary: options.Binary, Dir: filepath.Join(l.options.Dir, "plane"), Keep: options.Keep,
		EgressSocket: egress, Audit: options.Audit, ServiceRange: l.serviceRange, Authentication: options.Authentication,
	})
	if err != nil {
		return nil, fmt.Errorf("start the control plane: %w", err)
	}
	l.Config = l.Plane.Config()
	scheme, err := controller.Scheme()
	if err != nil {
		return nil, err
	}
	if l.Client, err = client.New(l.Config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("reach the control plane: %w", err)
	}
	l.say("installing the chart soctalk-ingress: kinds and rights")
	if err := l.install(ctx); err != nil {
		return nil, err
	}
	l.say("starting the stand-in for nodes, network and load balancer")
	if l.Standin, err = l.startStandin(ctx, egress); err != nil {
		return nil, fmt.Errorf("start the stand-in: %w", err)
	}
	if err := l.startPeers(ctx); err != nil {
		return nil, err
	}
	if options.Before != nil {
		if err := options.Before(ctx, l); err != nil {
			return nil, err
		}
	}
	l.say("starting the operator")
	return l, l.StartOperator(ctx)
}

// prepare fills in what the options leave out, and takes what only one lab may have.
func (l *Lab) prepare() (err error) {
	if l.options.Poll == 0 {
		l.options.Poll = 2 * time.Second
	}
	if l.options.Program == "" {
		l.options.Program = filepath.Join(filepath.Dir(l.options.Simulator), "soctalk-ingress")
	}
	if l.options.Dir == "" {
		l.ownDir = true
		if l.options.Dir, err = os.MkdirTemp("", "soctalk-ingress-"); err != nil {
			return fmt.Errorf("make a folder for the lab: %w", err)
		}
	}
	if err := l.openLogs(); err != nil {
		return err
	}
	if l.serviceRange, l.services, err = claimServiceRange(); err != nil {
		return err
	}
	if l.options.MetalLB != "" && !l.options.LoadBalancerRange.IsValid() {
		l.options.LoadBalancerRange = balancedRange(l.serviceRange)
	}
	return nil
}

// startPeers runs the real programs the lab was given, beside the cluster.
func (l *Lab) startPeers(ctx context.Context) error {
	if l.options.MetalLB == "" {
		return nil
	}
	l.say("starting MetalLB's controller")
	return l.startFirstMetalLB(ctx)
}

// Dir is where the lab's files are.
func (l *Lab) Dir() string { return l.options.Dir }

// OperatorLog is the file the operator's log goes to.
func (l *Lab) OperatorLog() string { return filepath.Join(l.options.Dir, "operator.log") }

func (l *Lab) say(what string) {
	if l.options.Progress != nil {
		l.options.Progress(what)
	}
}

// StartOperator runs the operator as its service account, with the rights the
// chart gives it and no more, and returns when it works.
func (l *Lab) StartOperator(ctx context.Context) error {
	config := rest.CopyConfig(l.Config)
	config.UserAgent = OperatorUserAgent
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + naming.DefaultSystemNamespace + ":" + naming.Product,
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}
	// The operator outlives the call that starts it; StopOperator ends it.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ready := make(chan struct{})
	started := &running{cancel: cancel, done: make(chan error, 1), dead: make(chan struct{})}
	l.KillNobody()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &executioner{next: next, mu: &l.fatalMutex, judge: &l.fatal, dead: started.dead}
	})
	how := controller.Options{
		Operator: plan.Operator{Namespace: naming.DefaultSystemNamespace, PodLabels: naming.OperatorPodLabels(), MetricsNamespace: MetricsNamespace},
		Dial:     l.Standin.DialContext,
		Poll:     l.options.Poll,
		Drain:    l.options.Drain,
		EdgeLook: l.options.EdgeLook,
		// As with a real manager, twice the time between two counts.
		CountAge: 2 * l.options.KeyReload,
		Updates:  plan.Updates{AtATime: 1, Patience: updatePatience},
	}
	if l.Adjust != nil {
		l.Adjust(&how)
	}
	go func() {
		started.done <- operator.Run(work, operator.Options{
			Config:        config,
			Controller:    how,
			HealthAddress: "0", MetricsAddress: "0",
			Log:          slog.New(slog.NewJSONHandler(l.logs["operator"], nil)),
			AlreadyNamed: true, Registry: l.Metrics,
			Ready: ready,
		})
	}()
	select {
	case <-ready:
		l.operator = started
		return nil
	case err := <-started.done:
		cancel()
		return errors.Join(errors.New("the operator ended before it was ready"), err)
	case <-ctx.Done():
		cancel()
		return ctx.Err()
	}
}

// StopOperator ends the operator and waits for it; the rest keeps running.
func (l *Lab) StopOperator() error {
	if l.operator == nil {
		return nil
	}
	l.operator.cancel()
	err := <-l.operator.done
	l.operator = nil
	return err
}

// Stop ends everything and removes the files unless they are to be kept.
func (l *Lab) Stop() {
	if err := l.StopOperator(); err != nil {
		l.say("operator: " + err.Error())
	}
	for _, m := range l.metallbs {
		m.Stop()
	}
	if l.Standin != nil {
		l.Standin.Stop()
	}
	if l.Plane != nil {
		l.Plane.Stop()
	}
	if l.services != nil {
		_ = l.services.Close()
	}
	for _, file := range l.logs {
		_ = file.Close()
	}
	if l.ownDir && !l.options.Keep {
		if err := os.RemoveAll(l.options.Dir); err != nil {
			l.say("remove " + l.options.Dir + ": " + err.Error())
		}
	}
}

// openLogs opens one file for each part that logs from within this process.
func (l *Lab) openLogs() error {
	l.logs = map[string]*os.File{}
	for _, part := range []string{"operator", "standin"} {
		file, err := os.OpenFile(filepath.Join(l.options.Dir, part+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the log of the %s: %w", part, err)
		}
		l.logs[part] = file
	}
	return nil
}
