package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
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
	ctx, cancel := context.WithCancel(w.ctx)
	g.cancel = cancel
	go g.run(ctx)
	return g, nil
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

func (g *gateway) run(ctx context.Context) {
	defer close(g.done)
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
	program, err := process.Start(process.Spec{
		Name: "soctalk-ingress gateway", Path: g.workload.node.GatewayBinary, Args: g.arguments(),
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
// pod's network and its loopback are one address here.
func (g *gateway) arguments() []string {
	arguments := slices.Clone(g.container.Args)
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
		}
		arguments[i] = flag + "=" + value
	}
	return arguments
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
