//go:build linux

package realnode

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/realnode/sandbox"
)

// Node is a machine of the cluster.
type Node struct {
	Name    string
	Address netip.Addr
	Pods    netip.Prefix

	// Dir is where the node's own folders are kept: what is /run there is run here.
	Dir string

	cluster   *Cluster
	space     *space
	processes []*process.Process
}

//go:embed files/containerd.toml
var containerdConfig string

//go:embed files/kubelet.yaml
var kubeletConfig string

//go:embed files/kube-proxy.yaml
var proxyConfig string

//go:embed files/network.json
var networkConfig string

// own are the folders in which programs of a node keep what is the node's.
var own = []string{"/run", "/var/lib", "/var/log"}

// startNode makes the n-th node of a cluster, counted from one.
func (c *Cluster) startNode(ctx context.Context, n int) (*Node, error) {
	node := &Node{
		Name: fmt.Sprintf("node-%d", n), cluster: c,
		Address: netip.AddrFrom4([4]byte{172, 30, 0, byte(10 + n)}),
		Pods:    netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(n), 0}), 24),
	}
	node.Dir = filepath.Join(dir(), node.Name)
	script := "mount --make-rshared /\nhostname " + node.Name + "\nmkdir -p /etc/cni\n"
	for _, folder := range own {
		inside := filepath.Join(node.Dir, folder)
		if err := os.MkdirAll(inside, 0o755); err != nil {
			return nil, err
		}
		script += "mount --bind " + inside + " " + folder + "\n"
	}
	var err error
	if node.space, err = newSpace(node.Name, script, "mount", "uts"); err != nil {
		return nil, err
	}
	if err := node.space.join(ctx, node.Name, []netip.Prefix{netip.PrefixFrom(node.Address, segment.Bits())}, router, "segment"); err != nil {
		return nil, err
	}
	// No overlay: the router knows which node has which pods.
	if err := run(ctx, "ip", "route", "add", node.Pods.String(), "via", node.Address.String()); err != nil {
		return nil, err
	}
	for _, setting := range []string{"net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.send_redirects=0"} {
		if err := node.space.run(ctx, "sysctl", "-qw", setting); err != nil {
			return nil, err
		}
	}
	if err := node.configure(); err != nil {
		return nil, err
	}
	return node, node.startPrograms(ctx)
}

// settings is what the configuration files are made from.
type settings struct {
	*Node
	ControlGroup, NameServer, CA, ProxyKubeconfig, PodNetwork, Router string
}

// configure writes the configuration of the node's programs.
func (n *Node) configure() error {
	group, err := sandbox.ControlGroup(n.Name)
	if err != nil {
		return err
	}
	proxy, err := n.cluster.Plane.KubeconfigOf("system:kube-proxy")
	if err != nil {
		return err
	}
	values := settings{Node: n, ControlGroup: group, NameServer: router.String(), CA: n.cluster.Plane.CA(), ProxyKubeconfig: proxy,
		PodNetwork: podNetwork.String(), Router: router.String()}
	for file, text := range map[string]string{
		"containerd.toml": containerdConfig, "kubelet.yaml": kubeletConfig, "kube-proxy.yaml": proxyConfig, "cni/net.conflist": networkConfig,
	} {
		filled, err := fill(file, text, values)
		if err != nil {
			return err
		}
		path := filepath.Join(n.Dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(filled), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fill puts values into their places in a file.
func fill(file, text string, values any) (string, error) {
	parsed, err := template.New(file).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var filled strings.Builder
	err = parsed.Execute(&filled, values)
	return filled.String(), err
}

func (n *Node) startPrograms(ctx context.Context) error {
	kubelet, err := n.cluster.Plane.KubeconfigOf("system:node:"+n.Name, "system:nodes")
	if err != nil {
		return err
	}
	// containerd looks for its shim by this name.
	bin := filepath.Join(n.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(n.cluster.Programs.Shim, filepath.Join(bin, "containerd-shim-runc-v2")); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(n.Dir, name) }
	if err := n.start("containerd", n.cluster.Programs.Containerd, "containerd", "--config", file("containerd.toml"), "--log-level", "info"); err != nil {
		return err
	}
	if err := n.importImages(ctx); err != nil {
		return err
	}
	if err := n.start("kubelet", n.cluster.Programs.Node, "kubelet", "--config", file("kubelet.yaml"), "--kubeconfig", kubelet, "--hostname-override", n.Name, "--node-ip", n.Address.String(), "--v", "2"); err != nil {
		return err
	}
	return n.start("kube-proxy", n.cluster.Programs.Node, "kube-proxy", "--config", file("kube-proxy.yaml"), "--hostname-override", n.Name)
}

// start runs one of the node's programs, for as long as the sandbox lasts.
func (n *Node) start(name, program string, arguments ...string) error {
	command := n.space.command(append([]string{program}, arguments...)...)
	child, err := process.Start(process.Spec{
		Name: n.Name + "'s " + name, Path: command[0], Args: command[1:],
		Env: []string{"KUBECONFIG=" + n.cluster.Plane.Kubeconfig(),
			"PATH=" + filepath.Join(n.Dir, "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"},
		LogFile: filepath.Join(logs(), n.Name+"-"+name+".log"),
	})
	if err != nil {
		return err
	}
	n.processes = append(n.processes, child)
	return nil
}

// importImages puts every image where the kubelet finds it.
func (n *Node) importImages(ctx context.Context) error {
	if err := Until(ctx, time.Minute, n.Name+"'s containerd answers", func(ctx context.Context) (bool, error) {
		return true, n.ctr(ctx, "version")
	}); err != nil {
		return err
	}
	for _, image := range n.cluster.Images {
		if err := n.ctr(ctx, "images", "import", "--local", image); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) ctr(ctx context.Context, arguments ...string) error {
	return run(ctx, n.ctrCommand(arguments...)...)
}

func (n *Node) ctrCommand(arguments ...string) []string {
	return n.space.command(append([]string{n.cluster.Programs.Containerd, "ctr", "--namespace", "k8s.io"}, arguments...)...)
}

// KillContainer kills the first process of a container, as the kernel does when
// memory runs out.
func (n *Node) KillContainer(ctx context.Context, namespace, pod, container string) error {
	filter := fmt.Sprintf("labels.\"io.kubernetes.pod.namespace\"==%q,labels.\"io.kubernetes.pod.name\"==%q,labels.\"io.kubernetes.container.name\"==%q", namespace, pod, container)
	found, err := output(ctx, n.ctrCommand("containers", "list", "--quiet", filter)...)
	if err != nil {
		return err
	}
	for _, id := range strings.Fields(found) {
		if err := run(ctx, n.ctrCommand("tasks", "kill", "--signal", "SIGKILL", id)...); err != nil && !strings.Contains(err.Error(), "not found") {
			return err
		}
	}
	return nil
}
