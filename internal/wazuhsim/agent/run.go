package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// goodbyeTime is how long an agent that is told to stop takes to say so.
const goodbyeTime = 2 * time.Second

// Once enrolls if need be, connects, sends the events, makes sure they were read, and says goodbye.
// It makes the attempts of a real agent's first round, and no more.
func (a *Agent) Once(ctx context.Context) error {
	fresh := !a.has
	if fresh {
		if err := a.enroll(ctx); err != nil {
			return err
		}
	}
	s, err := a.firstRound(ctx, fresh)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.KeepAlive(ctx); err != nil {
		return err
	}
	if err := a.sendEvents(ctx, s); err != nil {
		return err
	}
	if err := s.KeepAlive(ctx); err != nil { // events aren't acknowledged, but come before this
		return err
	}
	a.report(StepDelivered, "")
	a.remember(s)
	if err := s.Shutdown(ctx); err != nil {
		return err
	}
	a.report(StepStopped, "")
	return nil
}

// firstRound is the five attempts that follow a start. A new key gets the delay that gives the
// manager time to read it.
func (a *Agent) firstRound(ctx context.Context, fresh bool) (*wazuh.Session, error) {
	if fresh {
		if err := a.wait(ctx, delayAfterKey); err != nil {
			return nil, err
		}
	}
	var last error
	for attempt := range connectAttempts {
		if attempt > 0 {
			if err := a.wait(ctx, connectPause); err != nil {
				return nil, errors.Join(last, err)
			}
		}
		s, err := a.connect(ctx)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, fmt.Errorf("no connection after %d attempts: %w", connectAttempts, last)
}

// Run lives as an agent does, until the context ends; then it says goodbye. Nothing that a manager
// does can end it.
func (a *Agent) Run(ctx context.Context) {
	if a.firstKey(ctx) != nil {
		return // the context ended; no session to say goodbye on
	}
	for {
		s, err := a.stayConnected(ctx)
		if err != nil {
			return
		}
		err = a.serve(ctx, s)
		a.remember(s)
		if ctx.Err() != nil {
			a.goodbye(s)
			return
		}
		_ = s.Close()
		a.report(StepDisconnected, err.Error())
	}
}

// firstKey tries until it has a key, with growing pauses.
func (a *Agent) firstKey(ctx context.Context) error {
	pause := enrollPause
	for !a.has {
		if err := a.enroll(ctx); err == nil {
			return a.wait(ctx, delayAfterKey)
		}
		if err := a.wait(ctx, pause); err != nil {
			return err
		}
		pause = min(pause+enrollPause, maxEnrollPause)
	}
	return nil
}

// stayConnected tries to connect for ever; after each round of failures it asks for a new key. This
// is how a deleted agent comes back.
func (a *Agent) stayConnected(ctx context.Context) (*wazuh.Session, error) {
	for {
		s, err := a.firstRound(ctx, false)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		pause := delayAfterKey
		if a.enroll(ctx) != nil {
			pause = connectPause // and on with the old key
		}
		if err := a.wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// serve holds a session until it or the context ends, and returns why.
func (a *Agent) serve(ctx context.Context, s *wazuh.Session) error {
	if err := a.sendEvents(ctx, s); err != nil {
		return err
	}
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // a session lost during the first pause must not wait it out
		select {
		case <-s.Done():
			cancel()
		case <-wait.Done():
		}
	}()
	// The first keep-alive of a real agent comes a whole notify_time after its start.
	if err := a.wait(wait, notifyTime); err != nil {
		if lost := s.Err(); lost != nil {
			return lost
		}
		return err
	}
	return s.Run(ctx)
}

func (a *Agent) goodbye(s *wazuh.Session) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		a.report(StepStopped, err.Error())
		return
	}
	a.report(StepStopped, "")
}

// sendEvents says that the agent has started, once in its life, and sends its log lines.
func (a *Agent) sendEvents(ctx context.Context, s *wazuh.Session) error {
	if a.greeted {
		return nil
	}
	started := wazuh.Event{Queue: wazuh.QueueLocalFile, Location: "wazuh-agent", Text: fmt.Sprintf("ossec: Agent started: '%s->%s'.", a.key.Name, a.key.IP)}
	if err := s.SendEvent(ctx, started); err != nil {
		return err
	}
	if err := a.sendLines(ctx, s); err != nil {
		return err
	}
	a.greeted = true
	return nil
}

func (a *Agent) sendLines(ctx context.Context, s *wazuh.Session) error {
	if a.o.Event == "" {
		return nil
	}
	msg := wazuh.AppendEvent(nil, wazuh.Event{Queue: wazuh.QueueLocalFile, Location: a.o.Location, Text: a.o.Event})
	for n := range a.o.Count {
		if n > 0 && a.o.Every > 0 {
			if err := a.wait(ctx, a.o.Every); err != nil {
				return err
			}
		}
		if err := s.Send(ctx, msg); err != nil {
			return err
		}
		a.report(StepEventSent, "")
	}
	return nil
}
