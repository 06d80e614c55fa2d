package gateway

import (
	"context"
	"errors"
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
		h.s.Problem = err.Error()
	}
}

func (h *managerHealth) state() admin.ManagerState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.s
}

// watchManager asks authd now and then whether it runs and knows us. It takes
// its place in the queue like everybody else; a full queue says nothing about
// authd.
func (g *Gateway) watchManager(ctx context.Context) {
	ticker := time.NewTicker(g.c.CheckManager)
	defer ticker.Stop()
	for {
		err := g.upstream.Check(ctx, g.wait(g.policies.get().Limits.WithDefaults()))
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, upstream.ErrQueueFull), errors.Is(err, upstream.ErrQueueTimeout):
		default:
			g.sawManager(err)
		}
		select {
		case <-ticker.C:
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
