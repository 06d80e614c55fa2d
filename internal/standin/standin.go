package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/standin/clusterip"
	"github.com/soctalk/soctalk-ingress/internal/standin/egress"
	"github.com/soctalk/soctalk-ingress/internal/standin/kubelet"
	"github.com/soctalk/soctalk-ingress/internal/standin/loadbalancer"
	"github.com/soctalk/soctalk-ingress/internal/standin/loop"
	"github.com/soctalk/soctalk-ingress/internal/standin/names"
	"github.com/soctalk/soctalk-ingress/internal/standin/network"
	"github.com/soctalk/soctalk-ingress/internal/standin/node"
)

// Options says what to stand in for. Config, Dir and EgressSocket are required.
type Options struct {
	// Config is an administrator of the cluster.
	Config *rest.Config
	// Dir keeps roots, claims and logs. The caller removes it.
	Dir string
	// EgressSocket is the path given to the control plane.
	EgressSocket string
	// SimBinary is cmd/wazuhsim, built. Without it, managers only play a part.
	SimBinary string
	// SimArgs are passed on to every simulator, such as "--key-reload=1s".
	SimArgs []string
	// GatewayBinary is cmd/soctalk-ingress, built. Without it, gateways beside
	// managers only play a part.
	GatewayBinary string
	// Images are further programs that really run, by the image that pods ask for; a
	// pod with any other image only plays a part. The program is told by the variable
	// LISTEN_ADDRESS which address stands for the pod's.
	Images map[string]node.Image
	// LoadBalancerRange is where addresses come from; default 127.80.0.0/16.
	LoadBalancerRange netip.Prefix
	// LoadBalancerAssigned leaves the giving of addresses to a real controller; the
	// stand-in serves those that lie in LoadBalancerRange.
	LoadBalancerAssigned bool
	// LoadBalancerClasses are served besides Services without a class.
	LoadBalancerClasses []string
	// OperatorNamespace and OperatorLabels say whose connections DialContext's
	// are; the default namespace is the product's.
	OperatorNamespace string
	OperatorLabels    map[string]string
	// Log defaults to silence.
	Log *slog.Logger
}

// nodeAddress is the node's, from TEST-NET-1: it is never dialled.
const nodeAddress = "192.0.2.10"

const defaultLoadBalancerRange = "127.80.0.0/16"

// StandIn is a running stand-in.
type StandIn struct {
	options  Options
	loopback *loopbackRange
	network  *network.Network
	node     *node.Node
	balancer *loadbalancer.Balancer
	inside   *clusterip.Proxy
	names    *names.Server
	kubelet  *kubelet.Kubelet
	egress   *egress.Proxy
	factory  informers.SharedInformerFactory
	cancel   context.CancelFunc
	loops    sync.WaitGroup
}

// Start begins to play every part; it returns when all informers have synced and
// the node is registered. The context bounds the start only.
func Start(ctx context.Context, options Options) (_ *StandIn, err error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	s := &StandIn{options: options, cancel: func() {}}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	config := rest.CopyConfig(options.Config)
	config.UserAgent = "soctalk-ingress-standin"
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	s.factory = informers.NewSharedInformerFactory(client, 0)
	s.network = network.New(s.factory)
	if s.loopback, err = claimLoopback(); err != nil {
		return nil, err
	}
	work, err := s.assemble(client)
	if err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	if err := s.node.Register(ctx); err != nil {
		return nil, err
	}
	return s, s.run(ctx, work)
}

func (o *Options) complete() error {
	if o.Config == nil || o.Dir == "" || o.EgressSocket == "" {
		return errors.New("the stand-in needs Config, Dir and EgressSocket")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	o.Dir = dir
	for what, program := range map[string]*string{"simulator": &o.SimBinary, "gateway": &o.GatewayBinary} {
		if *program == "" {
			continue
		}
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	if !o.LoadBalancerRange.IsValid() {
		o.LoadBalancerRange = netip.MustParsePrefix(defaultLoadBalancerRange)
	}
	if !o.LoadBalancerRange.Addr().IsLoopback() {
		return fmt.Errorf("load-balancer range %s: want a part of 127.0.0.0/8", o.LoadBalancerRange)
	}
	if o.OperatorNamespace == "" {
		o.OperatorNamespace = naming.DefaultSystemNamespace
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return os.MkdirAll(o.Dir, 0o700)
}

// job is a loop and how many workers it has.
type job struct {
	loop    *loop.Loop
	workers int
}

// assemble makes the parts that follow objects, and their loops.
func (s *StandIn) assemble(client kubernetes.Interface) ([]job, error) {
	log := s.options.Log
	core := s.factory.Core().V1()
	address := netip.MustParseAddr(nodeAddress)
	s.balancer = loadbalancer.New(loadbalancer.Options{Client: client, Services: core.Services().Lister(), Network: s.network,
		Log: log, Range: s.options.LoadBalancerRange, Assigned: s.options.LoadBalancerAssigned, Classes: s.options.LoadBalancerClasses, NodeAddress: address})
	var pods *loop.Loop
	s.node = node.New(node.Options{Client: client, Factory: s.factory, Network: s.network, Log: log, Dir: s.options.Dir,
		SimBinary: s.options.SimBinary, SimArgs: s.options.SimArgs, GatewayBinary: s.options.GatewayBinary, Images: s.options.Images, Address: address, Loopback: s.loopback.of,
		Changed: func(key string) { pods.Add(key) }})
	pods = loop.New("pods", log, s.node.Reconcile)
	services := loop.New("services", log, s.balancer.Reconcile)
	s.inside = clusterip.New(core.Services().Lister(), s.network, log)
	inside := loop.New("cluster IPs", log, s.inside.Reconcile)
	claims := loop.New("claims", log, s.node.ReconcileClaim)
	persistent := loop.New("volumes", log, s.node.ReconcileVolume)
	return []job{{pods, 8}, {services, 2}, {inside, 2}, {claims, 2}, {persistent, 1}}, errors.Join(
		pods.Watch(core.Pods().Informer(), nil),
		services.Watch(core.Services().Informer(), nil),
		inside.Watch(core.Services().Informer(), nil),
		claims.Watch(core.PersistentVolumeClaims().Informer(), nil),
		persistent.Watch(core.PersistentVolumes().Informer(), nil),
		// What a pod's volumes show may have changed.
		pods.Watch(core.Secrets().Informer(), s.wake),
		pods.Watch(core.ConfigMaps().Informer(), s.wake),
		pods.Watch(core.PersistentVolumeClaims().Informer(), s.wake),
	)
}

// listen opens the sockets that others come in by.
func (s *StandIn) listen() (err error) {
	if s.names, err = names.Start(s.factory.Core().V1().Services().Lister()); err != nil {
		return err
	}
	if s.kubelet, err = kubelet.Start(kubelet.Options{DialPod: s.dialPod, LogFile: s.logFile, Log: s.options.Log}); err != nil {
		return err
	}
	s.egress, err = egress.Start(egress.Options{Socket: s.options.EgressSocket, Take: s.takeKubelet, Log: s.options.Log,
		Dial: func(ctx context.Context, address string) (net.Conn, error) { return s.network.Dial(ctx, nil, address) }})
	return err
}

// run starts the informers and, when they have synced, the loops.
func (s *StandIn) run(ctx context.Context, work []job) error {
	running, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	// The listers that only package network asks for need their informers too.
	s.factory.Core().V1().Namespaces().Informer()
	s.factory.Discovery().V1().EndpointSlices().Informer()
	s.factory.Networking().V1().NetworkPolicies().Informer()
	s.factory.Start(running.Done())
	ctx, done := context.WithTimeoutCause(ctx, time.Minute, errors.New("the API did not answer all watches within a minute"))
	defer done()
	for kind, synced := range s.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("watch %s: %w", kind, context.Cause(ctx))
		}
	}
	for _, j := range work {
		s.loops.Go(func() { j.loop.Run(running, j.workers) })
	}
	return nil
}

// Stop ends every process, listener and connection of the stand-in.
func (s *StandIn) Stop() {
	s.cancel()
	s.loops.Wait()
	if s.egress != nil {
		s.egress.Stop()
	}
	if s.kubelet != nil {
		s.kubelet.Stop()
	}
	if s.balancer != nil {
		s.balancer.Close()
	}
	if s.inside != nil {
		s.inside.Stop()
	}
	if s.node != nil {
		s.node.Stop()
	}
	if s.names != nil {
		s.names.Stop()
	}
	if s.factory != nil {
		s.factory.Shutdown()
	}
	if s.loopback != nil {
		s.loopback.release()
	}
	if s.options.EgressSocket != "" {
		_ = os.Remove(s.options.EgressSocket)
	}
}
