package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// EdgeAccount is the service account whose rights an edge has, and no more.
const EdgeAccount = naming.Product + "-edge"

// ErrNoHAProxy says that the machine has no HAProxy.
var ErrNoHAProxy = errors.New("haproxy is not installed; as root: bash hack/install-peers.sh")

// Edge is an edge with the real HAProxy, on an address of the lab's own.
type Edge struct {
	made   *edge.Edge
	dir    string
	log    *os.File
	cancel context.CancelFunc
	done   chan error
}

// EdgeSpec is what a Region says to use an edge of the lab's, each time at another
// address. These are beside the range of cluster IPs, so that two labs never share one.
func (l *Lab) EdgeSpec() *v1alpha1.EdgeSpec {
	return &v1alpha1.EdgeSpec{
		Addresses: []string{l.EdgeAddress().String()},
		Ports:     v1alpha1.PortRange{First: firstEdgePort, Last: firstEdgePort + 99},
		// HAProxy runs on this machine, outside any pod.
		SourceCIDRs: []string{"127.0.0.0/8"},
	}
}

// EdgeAddress is one that no edge has yet.
func (l *Lab) EdgeAddress() netip.Addr {
	l.peerMutex.Lock()
	defer l.peerMutex.Unlock()
	within := l.serviceRange.Addr().As4()
	for {
		l.edges++
		if address := edgeAddress(within[1], l.edges); !edgeInUse(address) {
			return address
		}
	}
}

// StartEdge runs an edge for a Region, with the rights the chart gives edges.
// It is [ErrNoHAProxy] where there is none.
func (l *Lab) StartEdge(ctx context.Context, name, region string, spec *v1alpha1.EdgeSpec) (*Edge, error) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		return nil, ErrNoHAProxy
	}
	// Sockets have short paths.
	dir, err := os.MkdirTemp("", "edge-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the edge: %w", err)
	}
	log, err := os.OpenFile(l.options.Dir+"/"+name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the edge's log: %w", err)
	}
	config := rest.CopyConfig(l.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + naming.DefaultSystemNamespace + ":" + EdgeAccount,
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}
	source, err := edge.NewKubernetesSource(config, region)
	if err != nil {
		return nil, err
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, fmt.Errorf("read the limit of open files: %w", err)
	}
	address, err := netip.ParseAddr(spec.Addresses[0])
	if err != nil {
		return nil, fmt.Errorf("edge address: %w", err)
	}
	made, err := edge.New(edge.Options{
		Name: name, Source: source, Check: 5 * time.Second,
		Config: haproxy.Config{Addresses: []netip.Addr{address}, First: spec.Ports.First, Last: spec.Ports.Last, Dir: dir, MaxFiles: int(files.Cur)},
		Log:    slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		return nil, err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &Edge{made: made, dir: dir, log: log, cancel: cancel, done: make(chan error, 1)}
	go func() { e.done <- made.Run(work) }()
	return e, nil
}

// Metrics are what the edge serves on its port for Prometheus.
func (e *Edge) Metrics() http.Handler { return e.made.Handler(false) }

// Stop ends the edge and its HAProxy.
func (e *Edge) Stop() error {
	e.cancel()
	err := errors.Join(<-e.done, e.made.EndHAProxy())
	_ = e.log.Close()
	return errors.Join(err, os.RemoveAll(e.dir))
}
