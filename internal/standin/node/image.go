package node

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// Image is a real program that runs where a pod asks for its image.
type Image struct {
	// Path of the program, and the arguments that come before the container's own.
	Path string
	Args []string
}

// listenVariable tells the program which address stands for the pod's.
const listenVariable = "LISTEN_ADDRESS"

// imageOf is the program behind the pod's first container, if there is one.
func (n *Node) imageOf(pod *corev1.Pod) (Image, bool) {
	image, ok := n.Images[pod.Spec.Containers[0].Image]
	return image, ok
}

// runImage is the life of such a pod: no volumes, and a program that is started
// again when it ends.
func (w *workload) runImage(image Image, loopback netip.Addr) {
	defer func() { _ = os.RemoveAll(filepath.Dir(w.root)) }()
	backoff := firstBackoff
	for w.ctx.Err() == nil {
		err := w.runImageOnce(image, loopback)
		if w.ctx.Err() != nil {
			return
		}
		w.node.Log.Warn("program ended", "pod", w.key, "error", err)
		w.set(func(s *state) {
			s.containerState = containerState{waiting: "CrashLoopBackOff", message: firstLine(err), restarts: s.restarts + 1, lastExit: 1, lastError: firstLine(err)}
		})
		w.pause(backoff)
		backoff = min(2*backoff, lastBackoff)
	}
}

func (w *workload) runImageOnce(image Image, loopback netip.Addr) error {
	if err := os.MkdirAll(w.root, 0o700); err != nil {
		return err
	}
	w.mu.Lock()
	container := w.pod.Spec.Containers[0]
	w.mu.Unlock()
	program, err := process.Start(process.Spec{
		Name: container.Name, Path: image.Path, Args: append(append([]string{}, image.Args...), container.Args...),
		Env: []string{"PATH=" + os.Getenv("PATH"), listenVariable + "=" + loopback.String()}, Dir: w.root, LogFile: w.logOf(container.Name),
	})
	if err != nil {
		return err
	}
	defer program.Stop(stopGrace)
	w.set(func(s *state) {
		s.running, s.ready, s.since, s.waiting, s.message, s.pid = true, true, time.Now(), "", "", program.PID()
	})
	select {
	case <-w.ctx.Done():
		return nil
	case <-program.Done():
		return errors.Join(errors.New("it ended"), program.Err())
	}
}
