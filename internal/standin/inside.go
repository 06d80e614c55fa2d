package standin

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/soctalk/soctalk-ingress/internal/standin/ingress"
	"github.com/soctalk/soctalk-ingress/internal/standin/kubelet"
	"github.com/soctalk/soctalk-ingress/internal/standin/network"
)

// DialContext connects as the operator's pod would, so it fits the DialContext
// field of an http.Transport. Names of Services end in ".svc", with or without
// the cluster's domain; NetworkPolicies apply.
func (s *StandIn) DialContext(ctx context.Context, networkName, address string) (net.Conn, error) {
	return s.DialAs(s.options.OperatorNamespace, s.options.OperatorLabels)(ctx, networkName, address)
}

// DialAs returns a dial function for a client with another pod's identity.
func (s *StandIn) DialAs(namespace string, podLabels map[string]string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, networkName, address string) (net.Conn, error) {
		if networkName != "tcp" && networkName != "tcp4" {
			return nil, fmt.Errorf("network %q: the stand-in carries tcp over IPv4 only", networkName)
		}
		from := s.network.Source(namespace, podLabels)
		return s.network.Dial(ctx, &from, address)
	}
}

// Forward listens on a free loopback port and relays to host:port with a pod's
// identity, for a program that can't be given a dial function, such as HAProxy.
// It ends with the context.
func (s *StandIn) Forward(ctx context.Context, namespace string, podLabels map[string]string, address string) (listening string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	dial := s.DialAs(namespace, podLabels)
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				backend, err := dial(ctx, "tcp", address)
				if err != nil {
					s.options.Log.Debug("forward: refused", "address", address, "error", err)
					network.Reset(client)
					return
				}
				network.RelayUntil(ctx, client, backend)
			}()
		}
	}()
	return listener.Addr().String(), nil
}

// ingressNamespace and ingressLabels are what the ingress controller's pod has.
const ingressNamespace = "ingress-nginx"

func ingressLabels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": "controller"}
}

// StartIngress runs an ingress controller for a class, on host:port. The caller
// stops it.
func (s *StandIn) StartIngress(class, address string) (*ingress.Controller, error) {
	client, err := kubernetes.NewForConfig(s.options.Config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return ingress.Start(ingress.Options{Client: client, Class: class, Address: address,
		Dial: s.DialAs(ingressNamespace, ingressLabels()), Log: s.options.Log})
}

// DNSAddress is where the name server answers, over UDP and TCP.
func (s *StandIn) DNSAddress() string { return s.names.Address() }

// CreateRecord makes a record at the name server as a person would; "*.domain"
// answers for any one label.
func (s *StandIn) CreateRecord(name string, address netip.Addr) { s.names.Create(name, address) }

// ManagerInfo is what a test may want of a running manager.
type ManagerInfo struct {
	Pod     string // namespace/name
	Control string // URL of the simulator's control port
	LogFile string
	Root    string // folder that stands for the container's "/"
	PID     int
	// GatewayPID and GatewayLog are those of the gateway beside it, if there is one.
	GatewayPID int
	GatewayLog string
}

// GatewayAlone is the process id of the gateway that runs in a pod of its own in a
// namespace; 0 while none does.
func (s *StandIn) GatewayAlone(namespace string) int {
	running, _ := s.node.GatewayAlone(namespace)
	return running.GatewayPID
}

// Manager returns the manager that runs in a namespace; ok is false while none does.
func (s *StandIn) Manager(namespace string) (info ManagerInfo, ok bool) {
	for _, running := range s.node.Managers(namespace) {
		if running.Control != "" {
			return ManagerInfo{Pod: running.Pod, Control: running.Control, LogFile: running.Logs[""], Root: running.Root,
				PID: running.PID, GatewayPID: running.GatewayPID, GatewayLog: running.Logs["gateway"]}, true
		}
	}
	return ManagerInfo{}, false
}

// PodAddress is the loopback address on which a process may listen to be the pod
// that only plays a part: the pod's port n is that address's port n.
func (s *StandIn) PodAddress(namespace, name string) (address netip.Addr, ok bool) {
	running, ok := s.node.Find(namespace, name)
	if !ok {
		return netip.Addr{}, false
	}
	return s.loopback.of(running.IP), true
}

func (s *StandIn) dialPod(ctx context.Context, namespace, name string, port int32) (net.Conn, error) {
	running, ok := s.node.Find(namespace, name)
	if !ok {
		return nil, fmt.Errorf("pod %s/%s does not run", namespace, name)
	}
	return s.network.DialPod(ctx, running.IP, port)
}

func (s *StandIn) logFile(namespace, name, container string) (string, bool) {
	running, _ := s.node.Find(namespace, name)
	file, ok := running.Logs[container]
	return file, ok
}

func (s *StandIn) takeKubelet(address string) (func(net.Conn), bool) {
	if address != net.JoinHostPort(nodeAddress, strconv.Itoa(kubelet.Port)) {
		return nil, false
	}
	return s.kubelet.Take, true
}

// wake tells pods that an object of their namespace has changed. There is no key
// to reconcile: what the pods find out, they report themselves.
func (s *StandIn) wake(object any) []string {
	if meta, ok := object.(metav1.Object); ok {
		s.node.Wake(meta.GetNamespace())
	}
	return nil
}
