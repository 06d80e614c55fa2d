package gateway

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/upstream"
)

// managerHealth is how the last question to authd went.
type managerHealth struct {
	mu sync.Mutex
	s  admin.ManagerState
}

func (h *managerHealth) saw(now time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.s = admin.ManagerState{Up: err == nil, Checked: now}
	if err != nil {
		h.s.Problem = lasting(err)
	}
}

// lasting is an error without our own port, which differs at each attempt: what is
// reported must stay the same as long as the trouble does.
func lasting(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	before, _, _ := strings.Cut(err.Error(), op.Error())
	return before + op.Op + ": " + op.Err.Error()
}

func (h *managerHealth) state() admin.ManagerState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.s
}

// checkDown is how often a manager is asked that did not serve us last time.
const checkDown = time.Second

// watchManager asks authd now and then whether it runs and knows us. It takes
// its place in the queue like everybody else; a full queue says nothing about
// authd.
func (g *Gateway) watchManager(ctx context.Context) {
	for {
		err := g.upstream.Check(ctx, g.wait(g.policies.get().Limits.WithDefaults()))
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, upstream.ErrQueueFull), errors.Is(err, upstream.ErrQueueTimeout):
		default:
			g.sawManager(err)
		}
		pause := g.c.CheckManager
		if !g.manager.state().Up {
			pause = min(pause, checkDown) // it may just be starting, as we were
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) sawManager(err error) {
	before := g.manager.state()
	g.manager.saw(g.c.Now(), err)
	switch {
	case err != nil && (before.Up || before.Checked.IsZero()):
		g.log.Error("the manager does not serve enrollments", "error", err)
	case err == nil && !before.Up:
		g.log.Info("the manager serves enrollments")
	}
}
