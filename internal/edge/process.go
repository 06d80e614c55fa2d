package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// startPatience is how long a new process may take to answer; at 5,000 tenants
// it takes less than a second.
const startPatience = 30 * time.Second

// process is HAProxy: a master that holds the listening sockets, and a worker
// that carries the traffic. It outlives us on purpose: a restarted edge finds it
// serving, and takes it over.
type process struct {
	program string
	config  haproxy.Config
	// external means that somebody else, such as systemd, starts and restarts it.
	external bool
	log      *slog.Logger
	// exited is closed when the process we started ends; nil for one we found.
	exited chan struct{}
}

func (p *process) runtime() runtime { return runtime{socket: p.config.File(haproxy.FileSocket)} }

// askMaster asks the master. One that has just started, or is starting a worker,
// does not listen yet, and is asked again.
func (p *process) askMaster(ctx context.Context, line string) (string, error) {
	master := runtime{socket: p.config.File(haproxy.FileMaster), hangUp: true}
	for deadline := time.Now().Add(startPatience); ; {
		answer, err := master.ask(ctx, line)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// former are the pids of workers of before a reload. Right after one the master may not
// tell them apart yet; it does once it names the worker that answers us as the present one.
func (p *process) former(ctx context.Context) ([]string, error) {
	info, err := p.runtime().info(ctx)
	if err != nil {
		return nil, err
	}
	for {
		answer, err := p.askMaster(ctx, "show proc")
		if err != nil {
			return nil, err
		}
		current, old := haproxy.ParseWorkers(answer)
		if slices.Contains(current, info["Pid"]) {
			return old, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("haproxy's master does not name worker %s: %w", info["Pid"], ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ensure makes a process serve with the configuration of that description:
// adopts it, reloads it, or starts it. It tells whether the maps were read anew.
func (p *process) ensure(ctx context.Context, description string) (fresh bool, err error) {
	info, err := p.runtime().info(ctx)
	switch {
	case err == nil && info["description"] == description:
		return false, nil
	case err == nil:
		p.log.Info("haproxy runs with another configuration and is reloaded", "have", info["description"], "want", description)
		return true, p.reload(ctx, description)
	case p.external:
		return true, p.await(ctx, description, "")
	}
	return true, p.start(ctx, description)
}

// start runs HAProxy in a process group of its own, so that what ends us does not end it.
func (p *process) start(ctx context.Context, description string) error {
	file := p.config.File(haproxy.FileConfig)
	check := exec.CommandContext(ctx, p.program, "-c", "-q", "-f", file)
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("haproxy refuses %s: %w: %s", file, err, strings.TrimSpace(string(out)))
	}
	log, err := os.OpenFile(filepath.Join(p.config.Dir, fileLog), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(p.program, "-W", "-S", p.config.File(haproxy.FileMaster), "-p", p.config.File(haproxy.FilePID), "-f", file)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start haproxy: %w", err)
	}
	exited := make(chan struct{})
	p.exited = exited
	go func() {
		_ = command.Wait() // however it ended, it is started again
		close(exited)
	}()
	p.log.Info("haproxy started", "pid", command.Process.Pid)
	return p.await(ctx, description, "")
}

// reload has the master start a new worker that takes the listening sockets
// over; the old one serves its sessions to their end. It is needed for another
// version of HAProxy or another range of ports, never for a tenant.
func (p *process) reload(ctx context.Context, description string) error {
	before := ""
	if info, err := p.runtime().info(ctx); err == nil {
		before = info["Pid"]
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	refused := make(chan error, 1)
	go func() {
		answer, err := p.askMaster(ctx, "reload")
		if err := refusal(answer, err); err != nil {
			refused <- err
		}
	}()
	serves := make(chan error, 1)
	go func() { serves <- p.await(ctx, description, before) }()
	select {
	case err := <-refused:
		return err
	case err := <-serves:
		return err
	}
}

// refusal is what is wrong with a master's answer to reload. Since 2.7 it says
// whether the new worker has started, and why not. Up to 2.6 it hangs up as it
// starts itself anew; and one that goes back to 2.6 never answers. So only a clear
// word counts: whether the new worker serves is seen by asking it.
func refusal(answer string, err error) error {
	switch {
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		return fmt.Errorf("reload: %w", err)
	}
	if text, failed := strings.CutPrefix(strings.TrimSpace(answer), "Success=0"); failed {
		return fmt.Errorf("haproxy refuses to reload, and the old worker serves on: %s", strings.TrimSpace(strings.TrimLeft(text, "\n-")))
	}
	return nil
}

// await returns once a worker other than that of pid not answers to description.
func (p *process) await(ctx context.Context, description, not string) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	last := "it does not answer"
	for {
		if info, err := p.runtime().info(ctx); err == nil {
			if info["description"] == description && info["Pid"] != not {
				return nil
			}
			last = fmt.Sprintf("it still answers as %q, pid %s", info["description"], info["Pid"])
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for haproxy to serve as %q: %s; see %s", description, last, p.says())
		case <-p.exited:
			text, _ := os.ReadFile(filepath.Join(p.config.Dir, fileLog))
			return fmt.Errorf("haproxy ended at its start: %s", strings.TrimSpace(string(text)))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// says is where to read what HAProxy says: who starts it keeps that.
func (p *process) says() string {
	if p.external {
		return "what haproxy itself says: the journal of its unit, or in the cluster kubectl logs of its pod, container haproxy"
	}
	return filepath.Join(p.config.Dir, fileLog)
}

// alive looks for the master without disturbing it.
func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
	}
	pid, err := p.masterPID()
	return err == nil && syscall.Kill(pid, 0) == nil
}

func (p *process) masterPID() (int, error) {
	text, err := os.ReadFile(p.config.File(haproxy.FilePID))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(strings.SplitN(string(text), "\n", 2)[0]))
}

// stop ends HAProxy and every session it carries.
func (p *process) stop() error {
	pid, err := p.masterPID()
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGTERM)
}

// Reload hands the sockets of the edge in a folder over to a new worker of the
// program that is there now. The edge that runs beside it notices by itself.
func Reload(ctx context.Context, dir string) error {
	config, err := os.ReadFile(filepath.Join(dir, haproxy.FileConfig))
	if err != nil {
		return fmt.Errorf("%w; is --dir the folder of the edge?", err)
	}
	p := &process{config: haproxy.Config{Dir: dir}}
	return p.reload(ctx, haproxy.Description(config))
}

// EndHAProxy ends HAProxy too, which otherwise outlives its edge: for machines
// that are taken down, and for tests.
func (e *Edge) EndHAProxy() error { return e.process.stop() }
