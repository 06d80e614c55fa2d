//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/realnode/sandbox"
)

// Cluster is a running cluster. It ends with the sandbox.
type Cluster struct {
	Programs Programs
	Plane    *controlplane.ControlPlane
	Client   client.Client
	Internet *Internet
	Nodes    []*Node
	// Images are the archives that every node has.
	Images []string
}

func dir() string  { return sandbox.Folder() }
func logs() string { return filepath.Join(dir(), "logs") }

// Start makes a cluster of so many nodes, and returns when they are ready.
func Start(ctx context.Context, programs Programs, nodes int, say func(string)) (*Cluster, error) {
	if dir() == "" {
		return nil, errors.New("start a cluster with real nodes: this is no sandbox")
	}
	if err := os.MkdirAll(logs(), 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{Programs: programs}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"network: a segment, a router, an internet", func(ctx context.Context) (err error) { c.Internet, err = makeNetwork(ctx); return err }},
		{"control plane, scheduler, name server", c.startControl},
		{"images", c.makeImages},
		{"nodes", func(ctx context.Context) error { return c.startNodes(ctx, nodes) }},
		{"volumes", c.makeVolumes},
		{"network policies", c.startPolicies},
		{"MetalLB", c.startMetalLB},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
		say(fmt.Sprintf("%s: %s", step.what, time.Since(began).Round(time.Millisecond)))
	}
	return c, nil
}

func (c *Cluster) startControl(ctx context.Context) (err error) {
	c.Plane, err = controlplane.Start(ctx, controlplane.Options{Binary: c.Programs.Kubernetes, Dir: filepath.Join(dir(), "plane"), Keep: true, Address: router})
	if err != nil {
		return err
	}
	scheme, err := controller.Scheme()
	if err != nil {
		return err
	}
	if c.Client, err = client.New(c.Plane.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := c.run("scheduler", c.Programs.Node, "kube-scheduler", "--kubeconfig", c.Plane.Kubeconfig(), "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	return c.startNames()
}

// run starts a program of the cluster that is on no node.
func (c *Cluster) run(name, program string, arguments ...string) error {
	_, err := process.Start(process.Spec{Name: name, Path: program, Args: arguments, LogFile: filepath.Join(logs(), name+".log"),
		Env: []string{"PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + c.Plane.Kubeconfig(), "HOME=/nonexistent"}})
	return err
}

func (c *Cluster) startNodes(ctx context.Context, count int) error {
	for n := 1; n <= count; n++ {
		node, err := c.startNode(ctx, n)
		if err != nil {
			return fmt.Errorf("node %d: %w", n, err)
		}
		c.Nodes = append(c.Nodes, node)
	}
	for _, node := range c.Nodes {
		for _, other := range c.Nodes {
			if other == node {
				continue
			}
			if err := node.space.run(ctx, "ip", "route", "add", other.Pods.String(), "via", other.Address.String()); err != nil {
				return err
			}
		}
		if err := Until(ctx, patience, node.Name+" is ready", func(ctx context.Context) (bool, error) {
			var found corev1.Node
			if err := c.Client.Get(ctx, types.NamespacedName{Name: node.Name}, &found); err != nil {
				return false, err
			}
			for _, condition := range found.Status.Conditions {
				if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
					return true, nil
				}
			}
			return false, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// class is the cluster's default, whose volumes are folders of a node.
const class = "local"

// makeVolumes makes volumes beforehand, as one does without a provisioner.
func (c *Cluster) makeVolumes(ctx context.Context) error {
	wait := storagev1.VolumeBindingWaitForFirstConsumer
	if err := c.Client.Create(ctx, &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: class, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &wait,
	}); err != nil {
		return err
	}
	for _, node := range c.Nodes {
		for n := range 6 {
			name := fmt.Sprintf("%s-%d", node.Name, n)
			if err := os.MkdirAll(filepath.Join(node.Dir, "var/lib/volumes", name), 0o755); err != nil {
				return err
			}
			if err := c.Client.Create(ctx, &corev1.PersistentVolume{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec: corev1.PersistentVolumeSpec{
					StorageClassName: class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("100Gi")},
					PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
					PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/var/lib/volumes/" + name}},
					NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
						MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node.Name}}},
					}}}},
				},
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// pollEvery is gentle: most checks start a program.
const pollEvery = 100 * time.Millisecond

// patience bounds waits that take a second when all is well.
const patience = 2 * time.Minute

// Until waits for a condition, at most for a time; the error of the last check is
// told when time runs out.
func Until(ctx context.Context, atMost time.Duration, what string, check func(context.Context) (bool, error)) error {
	return controlplane.Until(ctx, atMost, pollEvery, what, check)
}

// Kubectl runs kubectl as the cluster's administrator and returns what it prints.
func (c *Cluster) Kubectl(ctx context.Context, arguments ...string) (string, error) {
	return output(ctx, append([]string{c.Programs.Kubernetes, "kubectl", "--kubeconfig", c.Plane.Kubeconfig()}, arguments...)...)
}

// Helm runs helm as the cluster's administrator.
func (c *Cluster) Helm(ctx context.Context, arguments ...string) (string, error) {
	return output(ctx, append([]string{c.Programs.Helm, "--kubeconfig", c.Plane.Kubeconfig()}, arguments...)...)
}

// Apply applies manifests as kubectl does, from a file of their own.
func (c *Cluster) Apply(ctx context.Context, manifests string) error {
	file := filepath.Join(dir(), "manifests.yaml")
	if err := os.WriteFile(file, []byte(manifests), 0o600); err != nil {
		return err
	}
	_, err := c.Kubectl(ctx, "apply", "-f", file)
	return err
}

// Node returns a node by its name.
func (c *Cluster) Node(name string) *Node {
	for _, node := range c.Nodes {
		if node.Name == name {
			return node
		}
	}
	return nil
}
