package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/leftover"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// Options says how to run a control plane. Only Binary is required.
type Options struct {
	// Binary holds the programs; see [Build].
	Binary string
	// Dir keeps keys, data and logs; default: a new temporary folder. What is made
	// in it is removed by Stop unless Keep is set.
	Dir string
	// Keep leaves the files for somebody to look at.
	Keep bool
	// Log, when set, receives one line per step.
	Log io.Writer
	// EgressSocket is where the stand-in listens for what the API server dials
	// inside the cluster. It need not exist yet.
	EgressSocket string
	// Address is where real nodes reach the API server, instead of a stand-in's on
	// loopback: it listens there, and the controllers that look after nodes work.
	Address netip.Addr
	// ServiceRange is where cluster IPs come from, such as 127.100.0.0/16 for a
	// stand-in that listens at them; default 10.96.0.0/16, which nobody dials.
	ServiceRange netip.Prefix
	// Audit records every request's metadata; see [ControlPlane.AuditLog].
	Audit bool
	// Authentication is an AuthenticationConfiguration, YAML: whose tokens the API server
	// takes beside its own. Empty means nobody's, and no way to change that later; see
	// [NoIssuers] and [ControlPlane.SetAuthentication].
	Authentication string
	// Controllers changes the controller-manager's list: "name" adds one, "-name"
	// removes one.
	Controllers []string
	// FeatureGates are "Name=true" pairs for API server and controller-manager.
	FeatureGates []string
	// ReadyTimeout bounds Start; default three minutes, for slow machines.
	ReadyTimeout time.Duration
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	layout    layout
	options   Options
	url       string
	token     string
	processes []*process.Process // in the order started
	ownDir    *leftover.Folder   // set when Dir was not given
	sockets   *leftover.Folder
}

// How temporary folders are called.
const (
	dirPrefix     = "controlplane-"
	socketsPrefix = "cp-"
)

// bindAttempts is how often a lost race for a port is tried again.
const bindAttempts = 5

// Start runs the programs and returns when the API is ready and the controllers
// work. On error nothing is left running.
func Start(ctx context.Context, options Options) (_ *ControlPlane, err error) {
	c := &ControlPlane{options: options}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if options.ReadyTimeout == 0 {
		options.ReadyTimeout = 3 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, options.ReadyTimeout,
		fmt.Errorf("not ready after %s", options.ReadyTimeout))
	defer cancel()
	if err := c.prepare(); err != nil {
		return nil, fmt.Errorf("prepare the control plane's folder: %w", err)
	}
	c.sweep()
	c.say("starting etcd")
	etcd, err := c.run(c.layout.etcdArguments())
	if err != nil {
		return nil, err
	}
	if err := until(ctx, etcd, c.etcdListens); err != nil {
		return nil, err
	}
	if err := c.startAPIServer(ctx); err != nil {
		return nil, err
	}
	c.say("starting kube-controller-manager")
	controllers, err := c.run(c.layout.controllersArguments(options))
	if err != nil {
		return nil, err
	}
	if err := until(ctx, controllers, c.controllersWork); err != nil {
		return nil, err
	}
	c.say("control plane ready at " + c.url)
	return c, nil
}

func (c *ControlPlane) prepare() (err error) {
	if c.options.Binary == "" {
		return errors.New("no binary named: build one first")
	}
	switch {
	case c.options.Dir != "":
	case c.options.Keep: // nobody's to sweep
		if c.options.Dir, err = os.MkdirTemp("", dirPrefix); err != nil {
			return err
		}
	default:
		if c.ownDir, err = leftover.Make(dirPrefix); err != nil {
			return err
		}
		c.options.Dir = c.ownDir.Path
	}
	c.layout.dir = filepath.Join(c.options.Dir, "controlplane")
	if err := os.MkdirAll(c.layout.dir, 0o700); err != nil {
		return err
	}
	// Not below Dir, whose path may be too long for a socket.
	if c.sockets, err = leftover.Make(socketsPrefix); err != nil {
		return err
	}
	c.layout.sockets = c.sockets.Path
	if c.layout.pki, err = newPKI(filepath.Join(c.layout.dir, "pki"), c.options.address()); err != nil {
		return err
	}
	c.token = newToken()
	return c.layout.writeConfiguration(c.token, c.options)
}

// sweep removes what control planes left that were killed. Failing is no reason
// not to start: what stays behind harms nobody.
func (c *ControlPlane) sweep() {
	for _, prefix := range []string{socketsPrefix, dirPrefix} {
		removed, err := leftover.Sweep(prefix)
		for _, dir := range removed {
			c.say("removed " + dir + ", which a killed control plane left")
		}
		if err != nil {
			c.say(err.Error())
		}
	}
}

// startAPIServer picks a port, and another one should somebody take it meanwhile.
func (c *ControlPlane) startAPIServer(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		port, err := freePort(c.options.address())
		if err != nil {
			return err
		}
		c.url = "https://" + netip.AddrPortFrom(c.options.address(), port).String()
		if err := c.writeKubeconfigs(); err != nil {
			return err
		}
		c.say("starting kube-apiserver at " + c.url)
		server, err := c.run(c.layout.apiserverArguments(port, c.options))
		if err != nil {
			return err
		}
		err = until(ctx, server, c.apiReady)
		if err == nil {
			return nil
		}
		if attempt == bindAttempts || !strings.Contains(server.Tail(), "address already in use") {
			return err
		}
		server.Stop(0)
		c.processes = c.processes[:len(c.processes)-1]
	}
}

func freePort(address netip.Addr) (uint16, error) {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}

// run starts one of the binary's programs.
func (c *ControlPlane) run(arguments []string) (*process.Process, error) {
	child, err := process.Start(process.Spec{
		Name:    arguments[0],
		Path:    c.options.Binary,
		Args:    arguments,
		Env:     environment(),
		Dir:     c.layout.dir,
		LogFile: filepath.Join(c.LogDir(), arguments[0]+".log"),
	})
	if err != nil {
		return nil, err
	}
	c.processes = append(c.processes, child)
	return child, nil
}

// environment keeps proxies and a foreign KUBECONFIG out of loopback traffic.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "HOME=/nonexistent"}
}

func (c *ControlPlane) say(line string) {
	if c.options.Log != nil {
		fmt.Fprintln(c.options.Log, line)
	}
}

// Stop ends every process, last started first, and removes what Start made. It
// may be called more than once.
func (c *ControlPlane) Stop() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		// The state is thrown away, so there is little to wait for.
		c.processes[i].Stop(2 * time.Second)
	}
	c.processes = nil
	if c.sockets != nil {
		_ = c.sockets.Remove()
	}
	if c.options.Keep || c.layout.dir == "" {
		return
	}
	_ = os.RemoveAll(c.layout.dir)
	if c.ownDir != nil {
		_ = c.ownDir.Remove()
	}
}

// URL is the API server's address.
func (c *ControlPlane) URL() string { return c.url }

// Kubeconfig is a file, readable by this user only, that makes its reader the
// cluster's administrator.
func (c *ControlPlane) Kubeconfig() string { return c.layout.kubeconfig() }

// LogDir holds one log file per program.
func (c *ControlPlane) LogDir() string { return filepath.Join(c.layout.dir, "logs") }

// Binary is the program file, which also holds kubectl.
func (c *ControlPlane) Binary() string { return c.options.Binary }

// PIDs are the processes that run, for a test that wants to see them end.
func (c *ControlPlane) PIDs() []int {
	var pids []int
	for _, child := range c.processes {
		pids = append(pids, child.PID())
	}
	return pids
}

// Config makes a client the cluster's administrator. The caller owns the copy.
func (c *ControlPlane) Config() *rest.Config {
	return &rest.Config{
		Host:            c.url,
		BearerToken:     c.token,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.layout.pki.caPEM},
		// A demo on one machine needs no client-side throttling.
		QPS: -1,
	}
}
