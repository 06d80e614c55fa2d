package upstream

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Errors of waiting for a turn.
var (
	ErrQueueFull    = errors.New("too many enrollments wait for the manager")
	ErrQueueTimeout = errors.New("the enrollment waited too long for its turn at the manager")
)

// queue lets one at a time through, in the order of their coming.
type queue struct {
	turn    chan struct{} // holds a value while somebody has the turn
	waiting atomic.Int64
}

func newQueue() *queue { return &queue{turn: make(chan struct{}, 1)} }

// take waits for the turn, at most so long and behind at most so many others.
func (q *queue) take(ctx context.Context, most int, patience time.Duration) error {
	select {
	case q.turn <- struct{}{}: // overtakes nobody: the turn is handed to whoever waits
		return nil
	default:
	}
	if q.waiting.Add(1) > int64(most) {
		q.waiting.Add(-1)
		return ErrQueueFull
	}
	defer q.waiting.Add(-1)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case q.turn <- struct{}{}: // the runtime serves blocked senders first come, first served
		return nil
	case <-timer.C:
		return ErrQueueTimeout
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (q *queue) give() { <-q.turn }
