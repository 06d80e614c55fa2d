package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/standin/volumes"
	"github.com/soctalk/soctalk-ingress/internal/standin/wazuhimage"
)

// workload is one pod on this node.
type workload struct {
	node      *Node
	key       string
	namespace string
	ip        netip.Addr
	root      string
	logFile   string
	simulates bool

	ctx     context.Context
	cancel  context.CancelFunc
	woken   chan struct{}
	done    chan struct{}
	started time.Time

	mu    sync.Mutex
	pod   *corev1.Pod
	state state
}

// state is what the pod's status tells: of the manager, and of the gateway beside
// it where there is one.
type state struct {
	containerState
	control string
	gateway containerState
}

// containerState is how one container is doing.
type containerState struct {
	running   bool
	ready     bool
	restarts  int32
	since     time.Time
	waiting   string // reason, while not running
	message   string
	pid       int
	lastExit  int32
	lastError string
}

func newWorkload(n *Node, key string, pod *corev1.Pod, ip netip.Addr) *workload {
	w := &workload{
		node: n, key: key, namespace: pod.Namespace, ip: ip, pod: pod, simulates: n.isManager(pod),
		woken: make(chan struct{}, 1), done: make(chan struct{}), started: time.Now(),
		state: state{containerState: containerState{waiting: creating}, gateway: containerState{waiting: creating}},
		root:  filepath.Join(n.Dir, "pods", string(pod.UID), "root"),
	}
	if w.simulates {
		w.logFile = w.logOf("")
	}
	w.ctx, w.cancel = context.WithCancel(n.ctx)
	return w
}

// creating is what a kubelet says while volumes or programs are missing.
const creating = "ContainerCreating"

// logOf is where a container's output goes; the manager's name is empty.
func (w *workload) logOf(container string) string {
	name := strings.ReplaceAll(w.key, "/", ".")
	if container != "" {
		name += "." + container
	}
	return filepath.Join(w.node.Dir, "logs", name+".log")
}

func (w *workload) update(pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pod = pod
}

func (w *workload) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // it will look anyway
	}
}

// set changes the state and has it reported.
func (w *workload) set(change func(*state)) {
	w.mu.Lock()
	before := w.state
	change(&w.state)
	changed := before != w.state
	w.mu.Unlock()
	if changed {
		w.node.Changed(w.key)
	}
}

func (w *workload) running() Running {
	w.mu.Lock()
	defer w.mu.Unlock()
	running := Running{Pod: w.key, IP: w.ip, Control: w.state.control, Root: w.root, PID: w.state.pid, GatewayPID: w.state.gateway.pid}
	if beside := w.node.gatewayOf(w.pod); !w.simulates && beside != nil {
		running.Logs = map[string]string{"": w.logOf(beside.Name), beside.Name: w.logOf(beside.Name)}
	}
	if w.simulates {
		running.Logs = map[string]string{"": w.logFile, w.pod.Spec.Containers[0].Name: w.logFile}
		if beside := w.node.gatewayOf(w.pod); beside != nil {
			running.Logs[beside.Name] = w.logOf(beside.Name)
		}
	}
	return running
}

// run is the pod's life.
func (w *workload) run() {
	defer close(w.done)
	defer w.node.Network.Detach(w.ip)
	loopback := w.node.Loopback(w.ip)
	w.node.Network.Attach(w.ip, func(port int32) (string, bool) {
		return netip.AddrPortFrom(loopback, uint16(port)).String(), true
	})
	if !w.simulates && w.node.gatewayOf(w.pod) != nil {
		w.runGateway(loopback)
		return
	}
	if image, ok := w.node.imageOf(w.pod); ok && !w.simulates {
		w.runImage(image, loopback)
		return
	}
	if !w.simulates {
		w.set(func(s *state) { s.running, s.ready, s.since, s.waiting = true, true, time.Now(), "" })
		<-w.ctx.Done()
		return
	}
	backoff := firstBackoff
	for w.ctx.Err() == nil {
		began := time.Now()
		err := w.runOnce(loopback)
		if w.ctx.Err() != nil {
			break
		}
		if errors.Is(err, volumes.ErrNotYet) {
			w.set(func(s *state) { s.waiting, s.message = creating, err.Error() })
			w.sleep(time.Second)
			continue
		}
		w.node.Log.Warn("manager ended", "pod", w.key, "error", err)
		w.set(func(s *state) {
			s.containerState = containerState{waiting: "CrashLoopBackOff", message: firstLine(err), restarts: s.restarts + 1, lastExit: 1, lastError: firstLine(err)}
			s.control = ""
		})
		if time.Since(began) > 10*lastBackoff {
			backoff = firstBackoff
		}
		w.pause(backoff)
		backoff = min(2*backoff, lastBackoff)
	}
	_ = os.RemoveAll(filepath.Dir(w.root))
}

// firstLine keeps a program's output, which may hold anything, out of the API.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// sleep waits, but not beyond the next change of an object.
func (w *workload) sleep(d time.Duration) {
	select {
	case <-w.ctx.Done():
	case <-w.woken:
	case <-time.After(d):
	}
}

func (w *workload) pause(d time.Duration) {
	select {
	case <-w.ctx.Done():
	case <-time.After(d):
	}
}

// runOnce mounts, prepares and runs the container until it ends or the pod goes.
func (w *workload) runOnce(loopback netip.Addr) (err error) {
	w.mu.Lock()
	pod := w.pod.DeepCopy()
	w.mu.Unlock()
	pod.Status.PodIP, pod.Status.HostIP = w.ip.String(), w.node.Address.String()
	container := &pod.Spec.Containers[0]
	objects := objects{w.node}
	env, err := volumes.Environment(objects, pod, container)
	if err != nil {
		return err
	}
	mounted, err := volumes.Mount(objects, pod, container, w.root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mounted.Unmount()) }()
	beside, err := w.startGateway(pod, mounted, loopback)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, beside.stop()) }()
	start := wazuhimage.Start{Root: w.root, Folders: mounted.Folders, Hostname: pod.Name, Env: env, LogFile: w.logFile}
	if err := w.prepare(start, mounted, beside); err != nil {
		return err
	}
	simulator, control, err := w.startSimulator(pod.Name, container.Image, env, loopback)
	if err != nil {
		return err
	}
	defer simulator.Stop(stopGrace)
	w.set(func(s *state) {
		s.running, s.since, s.waiting, s.message, s.control, s.pid = true, time.Now(), "", "", control, simulator.PID()
	})
	renewal := newRenewal(w, start, mounted, control)
	defer renewal.stop()
	return w.watch(simulator, func() { renewal.look(); beside.refresh() }, newProbe(container, env, loopback))
}

// prepare does the image's part, and meanwhile keeps the volumes up to date: a
// hook may be waiting for just that.
func (w *workload) prepare(start wazuhimage.Start, mounted *volumes.Container, beside *gateway) error {
	prepared := make(chan error, 1)
	go func() { prepared <- wazuhimage.Prepare(w.ctx, start) }()
	for {
		select {
		case err := <-prepared:
			return err
		case <-w.woken:
			if _, err := mounted.Refresh(); err != nil {
				w.node.Log.Warn("volumes are out of date", "pod", w.key, "error", err)
			}
			beside.refresh()
		}
	}
}

// startSimulator returns when the simulator has printed its addresses.
func (w *workload) startSimulator(hostname, image string, env map[string]string, loopback netip.Addr) (*process.Process, string, error) {
	environment := []string{"PATH=" + os.Getenv("PATH"), "HOSTNAME=" + hostname}
	for name, value := range env {
		environment = append(environment, name+"="+value)
	}
	announced := &firstJSON{found: make(chan []byte, 1)}
	arguments := []string{"manager", "--test-only", "--root", w.root, "--listen", loopback.String()}
	if version := versionOf(image); version != "" {
		arguments = append(arguments, "--version-of", version)
	}
	arguments = append(arguments, w.node.SimArgs...)
	simulator, err := process.Start(process.Spec{Name: "wazuhsim", Path: w.node.SimBinary, Args: arguments,
		Env: environment, Dir: w.root, LogFile: w.logFile, Stdout: announced})
	if err != nil {
		return nil, "", err
	}
	select {
	case <-simulator.Done():
		return nil, "", simulator.Err()
	case <-w.ctx.Done():
		simulator.Stop(0)
		return nil, "", w.ctx.Err()
	case line := <-announced.found:
		var addresses struct {
			Control string `json:"control"`
		}
		if err := json.Unmarshal(line, &addresses); err != nil || addresses.Control == "" {
			simulator.Stop(0)
			return nil, "", fmt.Errorf("wazuhsim announced %q: want one line of JSON with a control address", line)
		}
		return simulator, "http://" + addresses.Control, nil
	}
}

var versionTag = regexp.MustCompile(`:v?(\d+\.\d+\.\d+)[^:/]*$`)

// versionOf reads an image's tag, if that begins with a version.
func versionOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if found := versionTag.FindStringSubmatch(image); found != nil {
		return "v" + found[1]
	}
	return ""
}

// firstJSON catches the first line printed.
type firstJSON struct {
	line  []byte
	sent  bool
	found chan []byte
}

func (f *firstJSON) Write(data []byte) (int, error) {
	if !f.sent {
		f.line = append(f.line, data...)
		if line, _, ended := bytes.Cut(f.line, []byte("\n")); ended {
			f.sent = true
			f.found <- line
		}
	}
	return len(data), nil
}

// watch keeps probing the running manager and has changed volumes looked at.
func (w *workload) watch(simulator *process.Process, look func(), probe *probe) error {
	defer w.set(func(s *state) { s.running, s.ready, s.control, s.pid = false, false, "", 0 })
	for {
		// At once for the first time, then as often as the probe says.
		ready := probe.ready(w.ctx)
		w.set(func(s *state) { s.ready = ready })
		select {
		case <-w.ctx.Done():
			return nil
		case <-simulator.Done():
			return simulator.Err()
		case <-w.woken:
			look()
		case <-time.After(probe.interval(ready)):
		}
	}
}

// dialLoopback connects to one of the manager's ports.
func dialLoopback(ctx context.Context, loopback netip.Addr, port uint16) (net.Conn, error) {
	return (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", netip.AddrPortFrom(loopback, port).String())
}
