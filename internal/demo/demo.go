// Package demo tells, on one machine and with a real Kubernetes API server, what
// the product is for: two tenants get a way in each, their agents enroll and
// send events, and nobody gets in at the wrong door.
//
// Every line it prints is something that was just seen to happen; a step that
// does not happen fails the story. The story is in story.go, how it is told in
// teller.go, the agents in agents.go. Start with [Run].
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// Options say how to tell the story.
type Options struct {
	// Check ends after the story instead of waiting for Ctrl-C.
	Check bool
	// JSON prints one object per step instead of prose.
	JSON bool
	// Prepare builds the control plane and does nothing else.
	Prepare bool
	// Keep leaves the files.
	Keep bool
	// Simulator is the wazuhsim program; empty means the one beside this program.
	Simulator string
	// Program is how this program was called, for the lines to try next.
	Program string
	// Color allows colour in prose.
	Color bool
	// Out receives the story, Err what is said around it.
	Out, Err io.Writer
}

// Run tells the story. The error says which step did not happen.
func Run(ctx context.Context, options Options) error {
	tell := newTeller(options)
	binary, err := build(ctx, tell)
	if err != nil || options.Prepare {
		return err
	}
	if options.Simulator == "" {
		if options.Simulator, err = beside("wazuhsim"); err != nil {
			return err
		}
	}
	begin := time.Now()
	var started *lab.Lab
	err = tell.step("A Kubernetes control plane, its kinds and the operator", func() (string, error) {
		started, err = lab.Start(ctx, lab.Options{
			Binary: binary, Simulator: options.Simulator, Keep: options.Keep,
			// A real manager looks at its keys every 10 s, a real agent waits 20 s after
			// enrolling; the demo's are quicker so that the story is.
			KeyReload: 500 * time.Millisecond,
			Progress:  tell.doing,
		})
		if err != nil {
			return "", err
		}
		return started.Config.Host, nil
	})
	if err != nil {
		return err
	}
	defer started.Stop()
	story := &story{lab: started, tell: tell, options: options}
	defer story.end()
	if err := story.run(ctx); err != nil {
		return fmt.Errorf("%w\nthe operator's log is in %s", err, keepLog(started))
	}
	tell.end(time.Since(begin))
	if options.Check {
		return nil
	}
	story.next()
	<-ctx.Done()
	tell.say("ending: agents, operator, managers, control plane")
	return nil
}

// build makes sure that the control plane's programs are there and tells how far
// their compilation is: the first one takes minutes.
func build(ctx context.Context, tell *teller) (string, error) {
	var binary string
	_, cached, err := controlplane.Cached(ctx, controlplane.BuildOptions{})
	if err != nil {
		return "", err
	}
	name := "Kubernetes programs, built before"
	if !cached {
		name = "Kubernetes programs, built from their Go modules (once; some minutes)"
	}
	err = tell.step(name, func() (string, error) {
		binary, err = controlplane.Build(ctx, controlplane.BuildOptions{Progress: tell.building})
		return binary, err
	})
	return binary, err
}

// keepLog copies the operator's log out of the lab, which removes its files.
func keepLog(l *lab.Lab) string {
	text, err := os.ReadFile(l.OperatorLog())
	if err != nil {
		return l.OperatorLog() + " (" + err.Error() + ")"
	}
	file, err := os.CreateTemp("", "soctalk-ingress-operator-*.log")
	if err != nil {
		return l.OperatorLog()
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Write(text); err != nil {
		return l.OperatorLog()
	}
	return file.Name()
}

// beside finds a program next to this one, where make build leaves both.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	program := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(program); err != nil {
		return "", errors.Join(fmt.Errorf("%s is not beside %s; run make build, or name it with --simulator", name, self), err)
	}
	return program, nil
}
