//go:build linux

package realnode

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	metallbNamespace = "metallb-system"
	metallbModule    = "go.universe.tf/metallb"
	metallbPool      = "agents"
	metallbPod       = "controller"
)

// startMetalLB runs MetalLB's controller beside the cluster, and on each node's
// network its speaker.
func (c *Cluster) startMetalLB(ctx context.Context) error {
	if err := c.installMetalLBKinds(ctx); err != nil {
		return err
	}
	// MetalLB's programs end where a kind of theirs is not served yet.
	if _, err := c.Kubectl(ctx, "wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=60s"); err != nil {
		return err
	}
	if err := c.create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metallbNamespace}}); err != nil {
		return err
	}
	if err := c.createMetalLBPod(ctx, metallbPod); err != nil {
		return err
	}
	if err := c.run("metallb", c.Programs.MetalLB, "--namespace", metallbNamespace, "--pod-name", metallbPod,
		"--webhook-mode", "disabled", "--disable-cert-rotation", "--port", "0", "--health-probe-port", "0", "--log-level", "info"); err != nil {
		return err
	}
	for _, node := range c.Nodes {
		pod := "speaker-" + node.Name
		if err := c.createMetalLBPod(ctx, pod); err != nil {
			return err
		}
		if err := node.start("speaker", c.Programs.Speaker, "--namespace", metallbNamespace, "--pod-name", pod, "--node-name", node.Name,
			"--port", "0", "--log-level", "info"); err != nil {
			return err
		}
	}
	if err := c.metallbObject(ctx, "IPAddressPool", metallbPool, map[string]any{"addresses": []any{Pool}}); err != nil {
		return err
	}
	return c.metallbObject(ctx, "L2Advertisement", metallbPool, map[string]any{"ipAddressPools": []any{metallbPool}})
}

// createMetalLBPod: controller and speakers want to see their own pods. A gate keeps
// those from every node, since the programs run beside them.
func (c *Cluster) createMetalLBPod(ctx context.Context, name string) error {
	return c.create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metallbNamespace},
		Spec: corev1.PodSpec{
			SchedulingGates: []corev1.PodSchedulingGate{{Name: "soctalk.test/elsewhere"}},
			Containers:      []corev1.Container{{Name: "metallb", Image: pauseImage}},
		},
	})
}

func (c *Cluster) metallbObject(ctx context.Context, kind, name string, spec map[string]any) error {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "metallb.io", Version: "v1beta1", Kind: kind})
	object.SetNamespace(metallbNamespace)
	object.SetName(name)
	return c.create(ctx, object)
}

// installMetalLBKinds takes the kinds from the module the program is built from.
func (c *Cluster) installMetalLBKinds(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(c.Programs.MetalLBKinds, "*.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(fmt.Errorf("no kinds of MetalLB in %q", c.Programs.MetalLBKinds), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &object.Object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := c.create(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// create is patient: a kind is served a moment after it was made, and an account is
// there a moment after its namespace.
func (c *Cluster) create(ctx context.Context, object client.Object) error {
	return Until(ctx, patience, fmt.Sprintf("%T %s is created", object, object.GetName()), func(ctx context.Context) (bool, error) {
		return true, c.Client.Create(ctx, object)
	})
}
