package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

const (
	metallbModule = "go.universe.tf/metallb"
	// MetalLBNamespace is where MetalLB's manifests put it.
	MetalLBNamespace = "metallb-system"
	// DefaultPool is the pool a lab with MetalLB begins with.
	DefaultPool = "agents"
	metallbPod  = "metallb-controller"
)

// MetalLB is a running controller of MetalLB: the real program, which gives
// addresses to Services. Its speaker, which announces them to a network, has no
// place on one machine; the stand-in listens there instead.
type MetalLB struct {
	lab       *Lab
	namespace string
	class     string
	child     *process.Process
}

// MetalLBOptions say which Services a controller serves.
type MetalLBOptions struct {
	// Namespace of the controller and its pools.
	Namespace string
	// Class is the loadBalancerClass served; empty means Services without one.
	Class string
}

// StartMetalLB runs a controller. It gives nothing before it has a pool.
func (l *Lab) StartMetalLB(ctx context.Context, options MetalLBOptions) (*MetalLB, error) {
	if l.options.MetalLB == "" {
		return nil, errors.New("start MetalLB: the lab's options name no program")
	}
	if err := l.installMetalLBKinds(ctx); err != nil {
		return nil, fmt.Errorf("install MetalLB's kinds: %w", err)
	}
	m := &MetalLB{lab: l, namespace: options.Namespace, class: options.Class}
	// The controller wants to see its own pod, which the stand-in plays.
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.namespace}},
		&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: metallbPod, Namespace: m.namespace},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "controller", Image: metallbModule}}},
		},
	} {
		if err := l.Client.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("create %T %q: %w", object, object.GetName(), err)
		}
	}
	l.peerMutex.Lock()
	defer l.peerMutex.Unlock()
	l.metallbs = append(l.metallbs, m)
	return m, m.run()
}

func (m *MetalLB) run() error {
	child, err := process.Start(process.Spec{
		Name: "metallb-controller",
		Path: m.lab.options.MetalLB,
		Args: []string{
			"--namespace", m.namespace, "--pod-name", metallbPod, "--lb-class", m.class,
			"--webhook-mode", "disabled", "--disable-cert-rotation",
			"--port", "0", "--health-probe-port", "0", "--log-level", "info",
		},
		Env: []string{"KUBECONFIG=" + m.lab.Plane.Kubeconfig(), "PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"},
		Dir: m.lab.options.Dir, LogFile: filepath.Join(m.lab.options.Dir, m.namespace+".log"),
	})
	m.child = child
	return err
}

// Stop ends the controller; what it gave stays given.
func (m *MetalLB) Stop() {
	if m.child != nil {
		m.child.Stop(5 * time.Second)
	}
}

var poolKind = schema.GroupVersionKind{Group: "metallb.io", Version: "v1beta1", Kind: "IPAddressPool"}

// Pool is a set of addresses to give.
type Pool struct {
	Name string
	// Ranges such as 127.130.0.1-127.130.0.9.
	Ranges []string
	// OnRequest keeps the pool for Services that name it, or an address in it.
	OnRequest bool
}

// SetPool makes a pool, or changes it.
func (m *MetalLB) SetPool(ctx context.Context, pool Pool) error {
	ranges := make([]any, len(pool.Ranges))
	for i, r := range pool.Ranges {
		ranges[i] = r
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"addresses": ranges, "autoAssign": !pool.OnRequest,
	}}}
	object.SetGroupVersionKind(poolKind)
	object.SetNamespace(m.namespace)
	object.SetName(pool.Name)
	if err := m.lab.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("soctalk-ingress-lab"), client.ForceOwnership); err != nil {
		return fmt.Errorf("set MetalLB's pool %q: %w", pool.Name, err)
	}
	return nil
}

// DeletePool takes a pool away, and with it the addresses given from it.
func (m *MetalLB) DeletePool(ctx context.Context, name string) error {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(poolKind)
	object.SetNamespace(m.namespace)
	object.SetName(name)
	return client.IgnoreNotFound(m.lab.Client.Delete(ctx, object))
}

// installMetalLBKinds takes the kinds from the module the program is built from.
func (l *Lab) installMetalLBKinds(ctx context.Context) error {
	if l.MetalLB() != nil {
		return nil
	}
	folder, err := controlplane.ModuleFolder(ctx, controlplane.MetalLB, metallbModule)
	if err != nil {
		return err
	}
	names, err := l.createKinds(ctx, os.DirFS(folder), "config/crd/bases")
	if err != nil {
		return err
	}
	return l.waitForKinds(ctx, names)
}

// startFirstMetalLB serves Services without a class from one large pool.
func (l *Lab) startFirstMetalLB(ctx context.Context) error {
	first, err := l.StartMetalLB(ctx, MetalLBOptions{Namespace: MetalLBNamespace})
	if err != nil {
		return err
	}
	return first.SetPool(ctx, Pool{Name: DefaultPool, Ranges: []string{hosts(l.options.LoadBalancerRange)}})
}

// LoadBalancerRange is where the addresses of load balancers lie.
func (l *Lab) LoadBalancerRange() netip.Prefix { return l.options.LoadBalancerRange }

// MetalLB is the controller the lab was started with; nil without one.
func (l *Lab) MetalLB() *MetalLB {
	l.peerMutex.Lock()
	defer l.peerMutex.Unlock()
	if len(l.metallbs) == 0 {
		return nil
	}
	return l.metallbs[0]
}

// hosts is a range in MetalLB's words, without the network's own address.
func hosts(prefix netip.Prefix) string {
	first := prefix.Masked().Addr().Next()
	last := prefix.Masked().Addr().As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	last[3]-- // nor the broadcast address
	return strings.Join([]string{first.String(), netip.AddrFrom4(last).String()}, "-")
}
