package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/standin/network"
	"github.com/soctalk/soctalk-ingress/internal/standin/volumes"
)

// gateway runs the container beside the manager that owns the enrollment port:
// the real program, with the pod's volumes, on the pod's address. It is started
// again when it ends, as a kubelet would. Unlike there it ends with the manager,
// whose folders it shares, and starts again with it.
type gateway struct {
	workload  *workload
	container *corev1.Container
	mounted   *volumes.Container
	root      string
	logFile   string
	loopback  netip.Addr

	// services are relays to the Services its arguments name.
	services []net.Listener

	cancel context.CancelFunc
	done   chan struct{}
}

// gatewayCommand is the program's subcommand, by which the container is known.
const gatewayCommand = "gateway"

// gatewayOf is the pod's gateway container; nil where there is none, or where it
// only plays a part.
func (n *Node) gatewayOf(pod *corev1.Pod) *corev1.Container {
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		if n.GatewayBinary != "" && len(container.Args) > 0 && container.Args[0] == gatewayCommand {
			return container
		}
	}
	return nil
}

// startGateway mounts the container's volumes and begins to run it. Nil, without
// an error, is a pod that has none.
func (w *workload) startGateway(pod *corev1.Pod, beside *volumes.Container, loopback netip.Addr) (*gateway, error) {
	container := w.node.gatewayOf(pod)
	if container == nil {
		return nil, nil
	}
	g := &gateway{
		workload: w, container: container, loopback: loopback, done: make(chan struct{}),
		root: filepath.Join(filepath.Dir(w.root), container.Name), logFile: w.logOf(container.Name),
	}
	var err error
	if g.mounted, err = beside.Beside(container, g.root); err != nil {
		return nil, err
	}
	g.begin()
	return g, nil
}

func (g *gateway) begin() {
	ctx, cancel := context.WithCancel(g.workload.ctx)
	g.cancel = cancel
	go g.run(ctx)
}

// runGateway is the life of a pod that has a gateway and no manager.
func (w *workload) runGateway(loopback netip.Addr) {
	defer func() { _ = os.RemoveAll(filepath.Dir(w.root)) }()
	for w.ctx.Err() == nil {
		if err := w.runGatewayOnce(loopback); err != nil {
			w.set(func(s *state) { s.gateway.waiting, s.gateway.message = creating, firstLine(err) })
			w.sleep(time.Second)
		}
	}
}

// runGatewayOnce returns when the pod goes, or when its volumes cannot be mounted.
func (w *workload) runGatewayOnce(loopback netip.Addr) (err error) {
	w.mu.Lock()
	pod := w.pod.DeepCopy()
	w.mu.Unlock()
	pod.Status.PodIP, pod.Status.HostIP = w.ip.String(), w.node.Address.String()
	container := w.node.gatewayOf(pod)
	mounted, err := volumes.Mount(objects{w.node}, pod, container, w.root)
	if err != nil {
		return err
	}
	g := &gateway{workload: w, container: container, mounted: mounted, root: w.root, logFile: w.logOf(container.Name), loopback: loopback, done: make(chan struct{})}
	g.begin()
	defer func() { err = errors.Join(err, g.stop()) }()
	for {
		select {
		case <-w.ctx.Done():
			return nil
		case <-w.woken:
			g.refresh()
		}
	}
}

func (g *gateway) stop() error {
	if g == nil {
		return nil
	}
	g.cancel()
	<-g.done
	return g.mounted.Unmount()
}

// refresh shows changed objects; the gateway looks at its files itself.
func (g *gateway) refresh() {
	if g == nil {
		return
	}
	if _, err := g.mounted.Refresh(); err != nil {
		g.workload.node.Log.Warn("volumes are out of date", "pod", g.workload.key, "container", g.container.Name, "error", err)
	}
}

// tagNotThere is the tag of an image that no registry has.
const tagNotThere = ":not-there"

func (g *gateway) run(ctx context.Context) {
	defer close(g.done)
	if strings.HasSuffix(g.container.Image, tagNotThere) {
		g.set(func(c *containerState) { c.waiting, c.message = "ImagePullBackOff", "Back-off pulling image" })
		<-ctx.Done()
		return
	}
	defer g.set(func(c *containerState) { c.running, c.ready, c.waiting, c.pid = false, false, "ContainerCreating", 0 })
	backoff := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := g.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		g.workload.node.Log.Warn("gateway ended", "pod", g.workload.key, "error", err)
		g.set(func(c *containerState) {
			*c = containerState{waiting: "CrashLoopBackOff", message: firstLine(err), restarts: c.restarts + 1, lastExit: 1, lastError: firstLine(err)}
		})
		if time.Since(began) > 10*lastBackoff {
			backoff = firstBackoff
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

func (g *gateway) runOnce(ctx context.Context) error {
	arguments, err := g.arguments(ctx)
	if err != nil {
		return err
	}
	defer g.hangUp()
	program, err := process.Start(process.Spec{
		Name: "soctalk-ingress gateway", Path: g.workload.node.GatewayBinary, Args: arguments,
		Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: g.root, LogFile: g.logFile,
	})
	if err != nil {
		return err
	}
	defer program.Stop(stopGrace)
	g.set(func(c *containerState) {
		c.running, c.since, c.waiting, c.message, c.pid = true, time.Now(), "", "", program.PID()
	})
	if !g.started(ctx, program) {
		return errors.Join(errors.New("it did not start"), program.Err())
	}
	g.set(func(c *containerState) { c.ready = true })
	select {
	case <-program.Done():
		return program.Err()
	case <-ctx.Done():
		return nil
	}
}

func (g *gateway) set(change func(*containerState)) {
	g.workload.set(func(s *state) { change(&s.gateway) })
}

// arguments are the container's, with its "/" and its addresses translated: the
// pod's network and its loopback are one address here. A Service gets an address of
// its own, where policies judge the pod as they would in a cluster.
func (g *gateway) arguments(ctx context.Context) ([]string, error) {
	arguments := slices.Clone(g.container.Args)
	named := ""
	for i, argument := range arguments {
		flag, value, ok := strings.Cut(argument, "=")
		if !ok {
			continue
		}
		switch {
		case strings.HasPrefix(value, "/"):
			value = filepath.Join(g.root, filepath.FromSlash(value))
		case strings.HasPrefix(value, ":"):
			value = g.loopback.String() + value
		case strings.HasPrefix(value, "127.0.0.1:"):
			value = g.loopback.String() + strings.TrimPrefix(value, "127.0.0.1")
		case flag == "--manager":
			address, err := g.relay(ctx, value)
			if err != nil {
				return nil, err
			}
			named, _, _ = strings.Cut(value, ":")
			value = address
		}
		arguments[i] = flag + "=" + value
	}
	if named != "" && !slices.ContainsFunc(arguments, func(a string) bool { return strings.HasPrefix(a, "--manager-name=") }) {
		arguments = append(arguments, "--manager-name="+named)
	}
	return arguments, nil
}

// relay listens for the gateway, which is an ordinary process and cannot resolve a
// Service's name, and connects as its pod.
func (g *gateway) relay(ctx context.Context, service string) (string, error) {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(g.loopback, 0).String())
	if err != nil {
		return "", err
	}
	g.services = append(g.services, listener)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go g.pass(ctx, client, service)
		}
	}()
	return listener.Addr().String(), nil
}

func (g *gateway) pass(ctx context.Context, client net.Conn, service string) {
	g.workload.mu.Lock()
	pod := g.workload.pod.DeepCopy()
	g.workload.mu.Unlock()
	pod.Status.PodIP = g.workload.ip.String()
	from := g.workload.node.Network.PodPeer(pod)
	backend, err := g.workload.node.Network.Dial(ctx, &from, service)
	if err != nil {
		network.Reset(client)
		return
	}
	network.RelayUntil(ctx, client, backend)
}

func (g *gateway) hangUp() {
	for _, listener := range g.services {
		_ = listener.Close()
	}
	g.services = nil
}

// started asks the container's startup probe until it answers.
func (g *gateway) started(ctx context.Context, program *process.Process) bool {
	probe := g.container.StartupProbe
	if probe == nil || probe.HTTPGet == nil {
		return true
	}
	port := int(probe.HTTPGet.Port.IntVal)
	for _, named := range g.container.Ports {
		if named.Name == probe.HTTPGet.Port.StrVal {
			port = int(named.ContainerPort)
		}
	}
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	url := fmt.Sprintf("http://%s%s", netip.AddrPortFrom(g.loopback, uint16(port)), probe.HTTPGet.Path)
	for {
		if response, err := client.Get(url); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-program.Done():
			return false
		case <-ctx.Done():
			return false
		case <-time.After(eagerProbe):
		}
	}
}
