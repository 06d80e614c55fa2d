package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// A manager answers 300 requests a minute, of everybody together, and the operator is
// among them. While somebody looks at a tenant's agents it is asked every lookEvery, and
// less often when many look: all of them together send a request a second. Who asks
// sooner gets what is known. What one person was told is not given to another, whose
// rights are others.
const (
	lookEvery = 5 * time.Second
	// requestEvery is all those who look may ask one manager.
	requestEvery = time.Second
	// agentsPage is how many agents a manager tells at a time: one request each.
	agentsPage = 500
	// lookPatience bounds a look, with the opening of the ways.
	lookPatience = 40 * time.Second
	// openFor is how long ways to a manager stay open after the last look, and
	// reopenAfter when they are opened anew: the tenant may have changed, and so may the
	// person's rights, which nobody asks for while a way is open.
	openFor     = time.Minute
	reopenAfter = 2 * time.Minute
	maxRosters  = 32
)

// openRoster is one person's look at one tenant's agents.
type openRoster struct {
	// ctx ends with the look, and with it what is under way for it.
	ctx context.Context
	end context.CancelFunc
	// turn is held by who uses what follows.
	turn   chan struct{}
	asked  *desk.Roster
	hang   context.CancelFunc // hangs up on the ways of asked
	opened time.Time
	notes  []string
	rows   []roster.Row
	at     time.Time

	used time.Time // under the visit's lock
}

// rosterOf is where a visit keeps its look at a tenant.
func (one *visit) rosterOf(slug string, now time.Time) (*openRoster, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.ctx.Err() != nil {
		return nil, errSignedOut
	}
	held := one.rosters[slug]
	if held == nil {
		if len(one.rosters) >= maxRosters {
			return nil, refuse(http.StatusServiceUnavailable, "", "you look at the agents of too many tenants at once", "close some, and try again in a minute")
		}
		held = &openRoster{turn: make(chan struct{}, 1)}
		held.ctx, held.end = context.WithCancel(one.ctx)
		one.rosters[slug] = held
	}
	held.used = now
	return held, nil
}

// hangUp closes ways nobody looks through any more, all of them when the visit is over.
// It waits for nobody: a look that is under way is called off, and closed when it has
// come back.
func (one *visit) hangUp(now time.Time) {
	over := one.over(now)
	one.mu.Lock()
	defer one.mu.Unlock()
	for slug, held := range one.rosters {
		if over || now.Sub(held.used) > openFor {
			delete(one.rosters, slug)
			held.end()
			go func() {
				held.turn <- struct{}{}
				held.close()
			}()
		}
	}
}

func (o *openRoster) close() {
	if o.asked != nil {
		o.asked.Close()
		o.hang()
	}
	o.asked, o.rows, o.at, o.notes = nil, nil, time.Time{}, nil
}

// looking is how many people look at a tenant's agents.
func (v *visits) looking(slug string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	count := 0
	for _, one := range v.held {
		one.mu.Lock()
		if one.rosters[slug] != nil {
			count++
		}
		one.mu.Unlock()
	}
	return count
}

// pause is how long a manager is left alone by one of those who look at its agents.
func pause(looking, agents int) time.Duration {
	return max(lookEvery, time.Duration(max(looking, 1)*(agents/agentsPage+1))*requestEvery)
}

// look asks who a tenant's agents are, or answers with what was heard a moment ago.
func (c *Console) look(ctx context.Context, one *visit, slug string) (wire.Agents, []roster.Row, error) {
	held, err := one.rosterOf(slug, c.options.Now())
	if err != nil {
		return wire.Agents{}, nil, err
	}
	ctx, stop := context.WithTimeout(ctx, lookPatience)
	defer stop()
	defer context.AfterFunc(held.ctx, stop)()
	select {
	case held.turn <- struct{}{}:
		defer func() { <-held.turn }()
	case <-ctx.Done():
		return wire.Agents{}, nil, calledOff(held, ctx.Err())
	}
	now := c.options.Now()
	// A little less than the pause, so that who asks in time is not told what was.
	if now.Sub(held.at) >= pause(c.visits.looking(slug), len(held.rows))-time.Second {
		if err := c.ask(ctx, one, held, slug, now); err != nil {
			held.close()
			if ctx.Err() != nil || held.ctx.Err() != nil {
				err = calledOff(held, err)
			}
			return wire.Agents{}, nil, err
		}
	}
	agents := wire.Agents{Asked: held.at.UTC(), Agents: make([]wire.Agent, len(held.rows)), Notes: list(slices.Clone(held.notes))}
	for i, row := range held.rows {
		agents.Agents[i] = roster.ViewOf(row)
	}
	return agents, slices.Clone(held.rows), nil
}

// calledOff says why a look came to nothing: nobody answered in time, or it was ended.
func calledOff(held *openRoster, err error) error {
	if held.ctx.Err() != nil {
		return refuse(http.StatusServiceUnavailable, "", "the session has just ended its look at these agents", "try again")
	}
	if errors.Is(err, context.Canceled) {
		return err // by who asked; nobody reads it
	}
	return refuse(http.StatusServiceUnavailable, "", fmt.Sprintf("nobody told the agents within %s", lookPatience), "try again; the manager may be busy or starting")
}

// ask must have the roster's turn. The API server hears of every look, so that a token
// that has ended sees nothing more through ways that are open.
func (c *Console) ask(ctx context.Context, one *visit, held *openRoster, slug string, now time.Time) error {
	tenant, err := one.desk.Tenant(ctx, slug)
	if err != nil {
		return err
	}
	if now.Sub(held.opened) > reopenAfter {
		held.close()
	}
	if held.asked == nil {
		if err := c.open(ctx, one, held, tenant); err != nil {
			return err
		}
		held.opened = now
	}
	rows, err := held.asked.Rows(ctx, now)
	if err != nil {
		return err
	}
	held.rows, held.at = rows, now
	return nil
}

// open opens the ways to who knows the agents. They outlive the request and end with the
// look; only until they are open the request's end is theirs too.
func (c *Console) open(ctx context.Context, one *visit, held *openRoster, tenant v1alpha1.Tenant) error {
	ways, hang := context.WithCancel(held.ctx)
	settle := context.AfterFunc(ctx, hang)
	asked, err := one.desk.OpenRoster(ways, tenant, desk.Where{
		Edges: c.options.Edges, Note: func(what string, err error) { held.notes = append(held.notes, what+": "+err.Error()) },
	})
	if err != nil {
		hang()
		return err
	}
	if !settle() {
		asked.Close()
		hang()
		return ctx.Err()
	}
	held.asked, held.hang = asked, hang
	return nil
}
