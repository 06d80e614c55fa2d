package agent

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// What wazuh-agentd does, in its own time.
const (
	enrollPause     = 5 * time.Second // grows by itself with each failure
	maxEnrollPause  = 60 * time.Second
	delayAfterKey   = 20 * time.Second // gives remoted time to read client.keys
	connectAttempts = 5
	connectPause    = 10 * time.Second
	notifyTime      = 20 * time.Second
	silence         = 60 * time.Second
	answerTime      = 60 * time.Second

	// leastPatience bounds from below how long the network gets, however fast the clock.
	leastPatience = 10 * time.Second
)

// Names of the steps an agent reports.
const (
	StepEnrolled     = "enrolled"
	StepReenroll     = "reenroll" // about to ask for a new key
	StepRefused      = "refused"
	StepConnected    = "connected"
	StepEventSent    = "event-sent"
	StepDelivered    = "delivered" // a keep-alive behind the events was acknowledged
	StepFailed       = "failed"    // a connection or enrollment attempt, for another reason than a refusal
	StepDisconnected = "disconnected"
	StepStopped      = "stopped"
	StepGaveUp       = "gave-up" // an agent of a fleet that should have done its work once
)

// Step is something that happened to an agent.
type Step struct {
	Step   string `json:"step"`
	Name   string `json:"name"`
	ID     string `json:"id,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Options describe an agent. Name, EnrollAddress and EventsAddress must be set.
type Options struct {
	Name, Group, Version, IP     string
	EnrollAddress, EventsAddress string
	Password                     wazuh.Secret
	CA                           *x509.CertPool // nil accepts any certificate, as agents do by default

	KeyDir string // keeps client.keys between runs; empty keeps the key in memory

	Event    string // a log line to send once connected
	Count    int    // how often; 0 is once
	Every    time.Duration
	Location string // default /var/log/auth.log

	TimeScale float64 // 60 makes a minute of the agent's waits last a second; 0 is real time
	Report    func(Step)
	Dial      wazuh.DialFunc
	Seal      wazuh.SealOptions

	// EnrollGate, when set, is taken during an enrollment: managers of 4.14 damage their database
	// when two happen at a time.
	EnrollGate chan struct{}
}

// Agent is a simulated agent.
type Agent struct {
	o       Options
	key     wazuh.Key
	has     bool // a key
	sum     string
	counter wazuh.Counter
	greeted bool // whether "Agent started" was sent; only once in a process
}

// New checks the options, and reads the key of an earlier run.
func New(o Options) (*Agent, error) {
	if !wazuh.ValidName(o.Name) {
		return nil, fmt.Errorf("agent name %q: want 2 to 128 of A-Z a-z 0-9 . _ -, not starting with a dot", o.Name)
	}
	if o.EnrollAddress == "" || o.EventsAddress == "" {
		return nil, errors.New("agent needs the address of the enrollment port and of the events port")
	}
	o.Version = cmp.Or(o.Version, wazuh.DefaultVersion)
	o.Location = cmp.Or(o.Location, "/var/log/auth.log")
	o.TimeScale = cmp.Or(o.TimeScale, 1)
	o.Count = cmp.Or(o.Count, 1)
	if o.TimeScale < 0 {
		return nil, fmt.Errorf("time scale %v: want a positive number", o.TimeScale)
	}
	if o.Report == nil {
		o.Report = func(Step) {}
	}
	a := &Agent{o: o}
	if o.KeyDir == "" {
		return a, nil
	}
	var err error
	a.key, a.has, err = loadKey(o.KeyDir)
	return a, err
}

// Key returns the agent's key, if it has one.
func (a *Agent) Key() (wazuh.Key, bool) { return a.key, a.has }

func (a *Agent) report(step, reason string) {
	a.o.Report(Step{Step: step, Name: a.o.Name, ID: a.key.ID, Reason: reason})
}

// wait pauses for d of the agent's time.
func (a *Agent) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(a.scaled(d))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *Agent) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / a.o.TimeScale)
}

func (a *Agent) patience(d time.Duration) time.Duration { return max(a.scaled(d), leastPatience) }

// enroll asks once for a key. With a key already, it sends the key's hash along, and keeps the key
// if the manager refuses.
func (a *Agent) enroll(ctx context.Context) error {
	if a.o.EnrollGate != nil {
		select {
		case a.o.EnrollGate <- struct{}{}:
			defer func() { <-a.o.EnrollGate }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	request := wazuh.EnrollRequest{Password: a.o.Password, Name: a.o.Name, Version: a.o.Version, Groups: a.o.Group}
	if a.has {
		a.report(StepReenroll, "")
		request.KeyHash = a.key.Hash()
	}
	key, err := wazuh.Enroll(ctx, wazuh.EnrollOptions{
		Address: a.o.EnrollAddress, Request: request, CA: a.o.CA, Timeout: a.patience(answerTime), Dial: a.o.Dial,
	})
	if err != nil {
		a.failed(err)
		return err
	}
	a.key, a.has, a.counter = key, true, wazuh.Counter{}
	if a.o.KeyDir != "" {
		if err := saveKey(a.o.KeyDir, key); err != nil {
			a.report(StepFailed, "keep the key: "+err.Error()) // and live with it in memory
		}
	}
	a.report(StepEnrolled, "")
	return nil
}

// failed reports an attempt that came to nothing, and tells a refusal from the rest.
func (a *Agent) failed(err error) {
	var refused *wazuh.Refused
	var session *wazuh.SessionRefused
	switch {
	case errors.As(err, &refused):
		a.report(StepRefused, refused.Reason)
	case errors.As(err, &session):
		a.report(StepRefused, session.Message)
	default:
		a.report(StepFailed, err.Error())
	}
}

// connect tries once.
func (a *Agent) connect(ctx context.Context) (*wazuh.Session, error) {
	seal := a.o.Seal
	seal.Counter = a.counter
	s, err := wazuh.Dial(ctx, a.o.EventsAddress, wazuh.SessionOptions{
		Key: a.key, Version: a.o.Version, AgentIP: a.o.IP, MergedSum: a.sum, Seal: seal, Dial: a.o.Dial,
		Handshake: a.patience(answerTime), Notify: a.scaled(notifyTime), Silence: a.patience(silence),
	})
	if err != nil {
		if ctx.Err() == nil {
			a.failed(err)
		}
		return nil, err
	}
	a.report(StepConnected, "")
	return s, nil
}

// remember keeps what outlives a session.
func (a *Agent) remember(s *wazuh.Session) {
	a.counter, a.sum = s.Counter(), s.MergedSum()
}
