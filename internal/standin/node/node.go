// Package node plays the cluster's one node: it registers it, binds pods to it,
// runs the pods of a Wazuh manager as simulator processes, and lets every other
// pod merely appear to run.
//
// [Node.Reconcile] looks at one pod and starts, ends or reports on its
// [workload]; a workload is one goroutine with the pod's volumes and process.
// Claims get folders from [Node.ReconcileClaim] and [Node.ReconcileVolume].
package node

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
)

// Name is the node's name.
const Name = "stand-in"

// Labels that mark a pod as a Wazuh manager.
const (
	labelComponent   = "app.kubernetes.io/component"
	componentManager = "manager"
)

// AnnotationState lets a pod that only plays a part play another one than
// "running": pending, unready, succeeded or failed.
const AnnotationState = "standin.soctalk.io/state"

// Options says what the node works with.
type Options struct {
	Client  kubernetes.Interface
	Factory informers.SharedInformerFactory
	Network *network.Network
	Log     *slog.Logger
	// Dir keeps roots, claims and logs.
	Dir string
	// SimBinary is the simulator; empty means that manager pods only play a part.
	SimBinary string
	// SimArgs are passed to every simulator after the node's own.
	SimArgs []string
	// GatewayBinary is soctalk-ingress; empty means that gateway containers only
	// play a part.
	GatewayBinary string
	// Images are further programs that really run, by the image that pods ask for.
	Images map[string]Image
	// Address is the node's own, never dialled.
	Address netip.Addr
	// Loopback maps a pod's address to the loopback address its process listens on.
	Loopback func(pod netip.Addr) netip.Addr
	// Changed asks for a reconcile of a pod, "namespace/name".
	Changed func(key string)
}

// Node is the node's state.
type Node struct {
	Options

	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	workloads map[types.UID]*workload
	addresses map[netip.Addr]types.UID
	next      netip.Addr
	// provisioned holds the names of volumes whose folders were made.
	provisioned map[string]bool
}

// firstPodAddress begins the range that pods' addresses come from.
const firstPodAddress = "10.244.0.1"

// New makes a node that runs nothing yet.
func New(options Options) *Node {
	n := &Node{Options: options, workloads: map[types.UID]*workload{}, addresses: map[netip.Addr]types.UID{},
		provisioned: map[string]bool{},
		next:        netip.MustParseAddr(firstPodAddress)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Stop ends every process.
func (n *Node) Stop() {
	n.cancel()
	n.mu.Lock()
	running := make([]*workload, 0, len(n.workloads))
	for _, w := range n.workloads {
		running = append(running, w)
	}
	n.mu.Unlock()
	for _, w := range running {
		<-w.done
	}
}

// Reconcile looks at one pod.
func (n *Node) Reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	pod, err := n.Factory.Core().V1().Pods().Lister().Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		n.endOthers(key, "")
		return nil
	}
	if err != nil {
		return err
	}
	// A StatefulSet's pod comes back under its name: the old one goes first.
	n.endOthers(key, pod.UID)
	switch {
	case pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil:
		return n.bind(ctx, pod)
	case pod.DeletionTimestamp != nil:
		n.end(pod.UID)
		return n.remove(ctx, pod)
	case pod.Spec.NodeName != Name || finished(pod):
		return nil
	}
	return n.report(ctx, pod, n.workload(key, pod))
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// bind is all there is to scheduling with one node.
func (n *Node) bind(ctx context.Context, pod *corev1.Pod) error {
	if len(pod.Spec.SchedulingGates) > 0 || pod.Annotations[AnnotationState] == "pending" {
		return nil
	}
	binding := &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: Name},
	}
	err := n.Client.CoreV1().Pods(pod.Namespace).Bind(ctx, binding, metav1.CreateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // bound or gone already; its event is on the way
	}
	return err
}

// remove finishes a deletion, as the kubelet does once the containers have ended.
func (n *Node) remove(ctx context.Context, pod *corev1.Pod) error {
	now := int64(0)
	err := n.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// workload returns the pod's, starting it if need be.
func (n *Node) workload(key string, pod *corev1.Pod) *workload {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.workloads[pod.UID]; w != nil {
		w.update(pod)
		return w
	}
	w := newWorkload(n, key, pod, n.allocate(pod.UID))
	n.workloads[pod.UID] = w
	go w.run()
	return w
}

// allocate gives a pod an address that no other pod has now.
func (n *Node) allocate(uid types.UID) netip.Addr {
	for {
		address := n.next
		n.next = n.next.Next()
		if n.next.As4()[1] != address.As4()[1] {
			n.next = netip.MustParseAddr(firstPodAddress) // the range begins again
		}
		last := address.As4()[3]
		if _, taken := n.addresses[address]; !taken && last != 0 && last != 255 {
			n.addresses[address] = uid
			return address
		}
	}
}

// end stops a pod's workload and waits for its process to go.
func (n *Node) end(uid types.UID) {
	n.mu.Lock()
	w := n.workloads[uid]
	n.mu.Unlock()
	if w == nil {
		return
	}
	w.cancel()
	<-w.done
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.workloads, uid)
	delete(n.addresses, w.ip)
}

// endOthers ends the workloads of earlier pods of this name.
func (n *Node) endOthers(key string, keep types.UID) {
	n.mu.Lock()
	var old []types.UID
	for uid, w := range n.workloads {
		if w.key == key && uid != keep {
			old = append(old, uid)
		}
	}
	n.mu.Unlock()
	for _, uid := range old {
		n.end(uid)
	}
}

// Wake tells every workload of a namespace that an object it may use has changed.
func (n *Node) Wake(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.workloads {
		if w.namespace == namespace {
			w.wake()
		}
	}
}

// Find returns what runs as a pod.
func (n *Node) Find(namespace, name string) (Running, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.workloads {
		if w.key == namespace+"/"+name {
			return w.running(), true
		}
	}
	return Running{}, false
}

// Managers returns what runs as a manager in a namespace.
func (n *Node) Managers(namespace string) []Running {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []Running
	for _, w := range n.workloads {
		if w.namespace == namespace && w.simulates {
			found = append(found, w.running())
		}
	}
	return found
}

// GatewayAlone returns the gateway that runs in a pod of its own in a namespace.
func (n *Node) GatewayAlone(namespace string) (Running, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.workloads {
		if w.namespace == namespace && !w.simulates && n.gatewayOf(w.pod) != nil {
			return w.running(), true
		}
	}
	return Running{}, false
}

// Running describes a pod that runs.
type Running struct {
	Pod     string
	IP      netip.Addr
	Control string // the simulator's control port; empty while it does not run
	Root    string
	// Logs are the files of the containers by name, the manager's also under "";
	// nil for a pod that only plays a part.
	Logs map[string]string
	// PID and GatewayPID are 0 while nothing runs.
	PID, GatewayPID int
}

// isManager says whether the simulator runs for this pod.
func (n *Node) isManager(pod *corev1.Pod) bool {
	return n.SimBinary != "" && pod.Labels[labelComponent] == componentManager
}

func (n *Node) claimFolder(volume string) string { return filepath.Join(n.Dir, "claims", volume) }

// Waiting times of the node. Backoff doubles like a kubelet's, but ends at a few
// seconds, since nobody wants to wait five minutes in a demo.
const (
	firstBackoff = 200 * time.Millisecond
	lastBackoff  = 5 * time.Second
	stopGrace    = 3 * time.Second
)
