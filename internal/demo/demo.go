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
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/leftover"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// Options say how to tell the story.
type Options struct {
	// Check ends after the story instead of waiting for Ctrl-C.
	Check bool
	// JSON prints one object per step instead of prose.
	JSON bool
	// Prepare builds what demo and tests run, and does nothing else.
	Prepare bool
	// Full builds the real peers the demo can do without, where they are not built yet.
	Full bool
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

// ErrInterrupted is Run's error when the context ended before the story did.
var ErrInterrupted = errors.New("interrupted before the story was over; nothing is left running")

// Run tells the story. The error says which step did not happen.
func Run(ctx context.Context, options Options) error {
	err := run(ctx, options)
	if err != nil && ctx.Err() != nil {
		// What failed then failed because of that.
		return ErrInterrupted
	}
	return err
}

func run(ctx context.Context, options Options) error {
	tell := newTeller(ctx, options)
	if options.Prepare {
		return prepare(ctx, tell)
	}
	tell.note("Customers of a security provider get a way in of their own. Each ✓ was just seen to happen.")
	tell.note("Agents and managers are simulators, nodes and network are stood in for; the rest is real.")
	cast, err := findCast(ctx, tell, options)
	if err != nil {
		return err
	}
	options.Simulator = cast.simulator // the agents are of the same program
	dir, leave, err := folder(options.Keep, tell)
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer leave()
	defer cast.issuer.stop()
	defer cast.registry.stop()
	begin := time.Now()
	var started *lab.Lab
	err = tell.step("A Kubernetes control plane, its kinds and the operator", func() (string, error) {
		started, err = lab.Start(ctx, lab.Options{
			Binary: cast.plane, MetalLB: cast.giver.program, Simulator: cast.simulator, Program: cast.program, Dir: dir, Keep: options.Keep,
			// A real manager looks at its keys every 10 s, a real agent waits 20 s after
			// enrolling; the demo's are quicker so that the story is.
			KeyReload: 500 * time.Millisecond,
			Before:    cast.before,
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
	story := &story{lab: started, tell: tell, options: options, giver: cast.giver, issuer: cast.issuer, registry: cast.registry}
	defer story.end()
	err = story.run(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return err // Run says so; there is no log to look at
	case err != nil:
		return fmt.Errorf("%w\nthe operator's log is in %s", err, keepLog(started))
	}
	tell.end(time.Since(begin))
	if options.Check {
		return nil
	}
	story.next(ctx, dir)
	<-ctx.Done()
	tell.say("ending: agents, operator, managers, control plane")
	return nil
}

// cast is what the story is told with: the programs, who gives addresses,
// who signs, and who writes names.
type cast struct {
	plane     string // etcd, kube-apiserver and so on
	program   string // this one, which runs the gateways beside the managers
	simulator string
	giver     giver
	issuer    *issuer
	registry  *registry
}

// before is what must be there when the operator starts.
func (c cast) before(ctx context.Context, l *lab.Lab) error {
	if err := c.issuer.start(ctx, l); err != nil {
		return err
	}
	return c.registry.start(ctx, l)
}

// findCast finds them, and builds what is missing.
func findCast(ctx context.Context, tell *teller, options Options) (c cast, err error) {
	if c.plane, err = build(ctx, tell, controlplane.Kubernetes); err != nil {
		return c, err
	}
	if c.giver, err = findMetalLB(ctx, tell, options.Full); err != nil {
		return c, err
	}
	if c.issuer, err = findCertManager(ctx, tell, options.Full); err != nil {
		return c, err
	}
	if c.registry, err = findRegistry(ctx, tell, options.Full); err != nil {
		return c, err
	}
	if c.program, err = os.Executable(); err != nil {
		return c, fmt.Errorf("find this program: %w", err)
	}
	if c.simulator = options.Simulator; c.simulator == "" {
		c.simulator, err = beside("wazuhsim")
	}
	return c, err
}

// prefix begins the name of the demo's folder.
const prefix = "soctalk-ingress-"

// folder makes the demo's folder, removes those of demos that were killed, and
// sends what Kubernetes' libraries log of themselves to the stand-in's log there:
// on a terminal it would interrupt the story. Leave removes the folder, unless it
// is to be kept.
func folder(keep bool, tell *teller) (dir string, leave func(), err error) {
	remove := func() error { return nil }
	if keep {
		dir, err = os.MkdirTemp("", prefix)
	} else {
		var made *leftover.Folder
		if made, err = leftover.Make(prefix); err == nil {
			dir, remove = made.Path, made.Remove
		}
	}
	if err != nil {
		return "", nil, err
	}
	if _, err := leftover.Sweep(prefix); err != nil {
		tell.say(err.Error()) // no reason not to start
	}
	log, err := os.OpenFile(filepath.Join(dir, "standin.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(log, nil)))
	return dir, func() {
		if err := remove(); err != nil {
			tell.say(err.Error())
		}
	}, nil
}

// prepare builds everything that demo and tests run and the product does not
// contain.
func prepare(ctx context.Context, tell *teller) error {
	for _, program := range controlplane.Programs() {
		if _, err := build(ctx, tell, program); err != nil {
			return err
		}
	}
	return nil
}

// build makes sure that a program is there and tells how far its compilation is:
// the first one takes minutes.
func build(ctx context.Context, tell *teller, program controlplane.Program) (string, error) {
	options := controlplane.BuildOptions{Program: program, Progress: tell.building}
	binary, cached, err := controlplane.Cached(ctx, options)
	if err != nil {
		return "", err
	}
	name := program.Title + ", built before"
	if !cached {
		name = program.Title + ", built from their Go modules (once; some minutes)"
	}
	err = tell.step(name, func() (string, error) {
		binary, err = controlplane.Build(ctx, options)
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
