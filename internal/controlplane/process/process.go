// Package process runs one child program for the demo and the integration
// tests: it keeps the program's last lines of output, stops it politely and
// then firmly, and sees to it that nothing outlives the parent.
//
// It knows nothing about what the program does. Start with [Start].
package process

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Spec describes a child program.
type Spec struct {
	// Name is how errors and log files call the program.
	Name string
	// Path is the file to run.
	Path string
	// Args are the arguments after the program's name. They are visible to every
	// user of the machine: no secrets.
	Args []string
	// Env is the whole environment; nil means the parent's.
	Env []string
	// Dir is the working directory; empty means the parent's.
	Dir string
	// LogFile receives what the program prints, appended; empty means nowhere.
	LogFile string
	// Stdout, when set, receives standard output instead of LogFile.
	Stdout io.Writer
}

// Process is a started child program.
type Process struct {
	name string
	pid  int
	tail *tail
	done chan struct{}
	err  error // valid once done is closed
}

// Start runs the program and returns as soon as it runs.
func Start(spec Spec) (*Process, error) {
	p := &Process{name: spec.Name, tail: newTail(tailLines), done: make(chan struct{})}
	log, err := openLog(spec)
	if err != nil {
		return nil, err
	}
	command := exec.Command(spec.Path, spec.Args...)
	command.Env, command.Dir = spec.Env, spec.Dir
	command.SysProcAttr = attributes()
	var outputs []*pipe
	command.Stderr, outputs, err = addPipe(outputs, io.MultiWriter(p.tail, log))
	command.Stdout = command.Stderr
	if err == nil && spec.Stdout != nil {
		command.Stdout, outputs, err = addPipe(outputs, io.MultiWriter(p.tail, spec.Stdout))
	}
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		// The kernel's death signal belongs to the thread that started the child,
		// so that thread waits here for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		for _, output := range outputs {
			output.follow(err == nil)
		}
		if err == nil {
			p.pid = command.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		p.err = command.Wait()
		// Whatever the child left in its group goes with it. Now, not in Stop:
		// later the id could belong to somebody else.
		kill(p.pid)
		for _, output := range outputs {
			output.drain()
		}
		_ = log.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		_ = log.Close()
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// PID is the child's process id, and the id of its process group.
func (p *Process) PID() int { return p.pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running says whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Tail is the last lines the child printed.
func (p *Process) Tail() string { return p.tail.String() }

// Err explains why the child ended, with its last lines; nil while it runs.
func (p *Process) Err() error {
	if p.Running() {
		return nil
	}
	how := "it exited with status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	lines := strings.TrimSpace(p.Tail())
	if lines == "" {
		lines = "(it printed nothing)"
	}
	return fmt.Errorf("%s ended: %s; its last lines:\n%s", p.name, how, lines)
}

// Stop asks the child and its whole group to end, waits up to grace, then kills
// them. It returns when the child has gone; stopping twice is harmless.
func (p *Process) Stop(grace time.Duration) {
	if !p.Running() {
		return
	}
	terminate(p.pid)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return
	case <-timer.C:
	}
	kill(p.pid)
	<-p.done
}

// ExitCode is the child's exit status; -1 while it runs or when a signal ended it.
func (p *Process) ExitCode() int {
	if p.Running() {
		return -1
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	if p.err != nil {
		return -1
	}
	return 0
}
