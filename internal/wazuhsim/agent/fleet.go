package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// FleetOptions describe many agents alike.
type FleetOptions struct {
	Agent    Options // Name is the beginning of every name
	Agents   int
	Parallel int           // enrollments at a time; 0 is one, the only safe number for a real 4.14
	Once     bool          // send the events and leave, instead of staying until the context ends
	Stagger  time.Duration // between the starts of two agents
}

// Summary counts what happened to a fleet.
type Summary struct {
	Agents  int            `json:"agents"`
	Steps   map[string]int `json:"steps"`
	Errors  []string       `json:"errors,omitempty"` // the first few
	Seconds float64        `json:"seconds"`
}

// keptErrors bounds the summary; a thousand agents mostly fail alike.
const keptErrors = 5

// RunFleet runs the agents, each in a goroutine, and returns when all are done.
func RunFleet(ctx context.Context, o FleetOptions) (Summary, error) {
	if o.Agents < 1 {
		return Summary{}, fmt.Errorf("a fleet of %d agents: want at least 1", o.Agents)
	}
	begun := time.Now()
	f := &fleet{sum: Summary{Agents: o.Agents, Steps: map[string]int{}}, pass: o.Agent.Report}
	shared := o.Agent
	shared.KeyDir = "" // one folder holds one key
	shared.Report = f.count
	shared.EnrollGate = make(chan struct{}, max(o.Parallel, 1))
	shared.Seal.Pool = new(wazuh.Pool)
	var all sync.WaitGroup
	for n := range o.Agents {
		one := shared
		one.Name = fmt.Sprintf("%s-%05d", o.Agent.Name, n+1)
		a, err := New(one)
		if err != nil {
			return f.sum, err // the first fails if any does
		}
		all.Go(func() { f.run(ctx, a, o.Once, time.Duration(n)*o.Stagger) })
	}
	all.Wait()
	f.sum.Seconds = time.Since(begun).Seconds()
	return f.sum, nil
}

type fleet struct {
	mu   sync.Mutex
	sum  Summary
	pass func(Step)
}

func (f *fleet) count(s Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum.Steps[s.Step]++
	if f.pass != nil {
		f.pass(s)
	}
}

func (f *fleet) run(ctx context.Context, a *Agent, once bool, delay time.Duration) {
	if a.wait(ctx, delay) != nil {
		return
	}
	if !once {
		a.Run(ctx)
		return
	}
	err := a.Once(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sum.Steps[StepGaveUp]++
	if len(f.sum.Errors) < keptErrors {
		f.sum.Errors = append(f.sum.Errors, err.Error())
	}
}
