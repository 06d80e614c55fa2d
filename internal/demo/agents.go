package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// timeScale makes an agent's minute last three seconds.
const timeScale = "20"

// door is everything an agent is given: what the onboarding sheet says, and the
// secret, which travels in a file.
type door struct {
	host               string
	events, enrollment int32
	secretFile, caFile string
}

// doorOf reads a tenant's way in, as its customer's administrator would be given it.
func (s *story) doorOf(ctx context.Context, slug string) (door, error) {
	var tenant v1alpha1.Tenant
	if err := s.lab.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
		return door{}, err
	}
	d := door{host: tenant.Status.Hostname}
	for _, port := range tenant.Status.Ports {
		switch port.Name {
		case naming.PortEvents:
			d.events = port.Port
		case naming.PortEnrollment:
			d.enrollment = port.Port
		}
	}
	var err error
	if d.secretFile, err = s.saveKey(ctx, slug, slug, naming.SecretEnrollment, naming.KeyEnrollment); err != nil {
		return door{}, err
	}
	d.caFile, err = s.saveKey(ctx, slug, slug, naming.SecretTLS, naming.KeyTLSCA)
	return d, err
}

// saveKey writes one key of a tenant's Secret into a file whose name begins with as.
func (s *story) saveKey(ctx context.Context, as, slug, secret, key string) (string, error) {
	var held corev1.Secret
	if err := s.lab.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace(slug), Name: secret}, &held); err != nil {
		return "", err
	}
	file := filepath.Join(s.lab.Dir(), as+"-"+key)
	return file, os.WriteFile(file, held.Data[key], 0o600)
}

// agent is a simulated Wazuh agent in a process of its own.
type agent struct {
	name    string
	process *process.Process

	mu    sync.Mutex
	steps []agentStep
	ended bool
	done  chan struct{}
}

// agentStep is one line wazuhsim prints.
type agentStep struct {
	Step   string `json:"step"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// startAgent runs an agent against a door; extra arguments come last.
func (s *story) startAgent(ctx context.Context, name string, d door, extra ...string) (*agent, error) {
	arguments := append([]string{
		"agent", "--test-only", "--json", "--name", name,
		"--enroll", fmt.Sprintf("%s:%d", d.host, d.enrollment),
		"--events", fmt.Sprintf("%s:%d", d.host, d.events),
		"--password-file", d.secretFile, "--ca", d.caFile,
		"--resolver", s.registry.resolver(s.lab.Standin.DNSAddress()),
		"--time-scale", timeScale,
	}, extra...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := &agent{name: name, done: make(chan struct{})}
	out, in := io.Pipe()
	var err error
	// Neither context nor terminal ends it, but stop, or the end of this process.
	if a.process, err = process.Start(process.Spec{Name: "agent " + name, Path: s.options.Simulator, Args: arguments, Stdout: in}); err != nil {
		return nil, err
	}
	go func() {
		<-a.process.Done()
		_ = in.Close()
	}()
	go a.listen(out)
	s.agents = append(s.agents, a)
	return a, nil
}

// listen keeps the steps an agent prints, until it ends.
func (a *agent) listen(out io.Reader) {
	defer close(a.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var step agentStep
		if json.Unmarshal(lines.Bytes(), &step) == nil {
			a.mu.Lock()
			a.steps = append(a.steps, step)
			a.mu.Unlock()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
}

// reach waits until the agent has told of a step.
func (a *agent) reach(ctx context.Context, step string) (agentStep, error) {
	var found agentStep
	err := lab.Until(ctx, 30*time.Second, fmt.Sprintf("agent %s: %s", a.name, step), func(context.Context) (bool, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, told := range a.steps {
			if told.Step == step {
				found = told
				return true, nil
			}
		}
		if a.ended {
			return false, fmt.Errorf("the agent ended; its last word was %s", a.lastReason())
		}
		return false, errors.New("not yet; the last word was " + a.lastReason())
	})
	return found, err
}

// told says whether the agent has told of a step so far.
func (a *agent) told(step string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.steps, func(told agentStep) bool { return told.Step == step })
}

func (a *agent) lastReason() string {
	if len(a.steps) == 0 {
		return "nothing"
	}
	last := a.steps[len(a.steps)-1]
	return last.Step + " " + last.Reason
}

// agentGrace is how long an agent may take to say goodbye.
const agentGrace = 5 * time.Second

func (a *agent) stop() {
	a.process.Stop(agentGrace)
	<-a.done
}
