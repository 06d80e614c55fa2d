package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// A manager answers 300 requests a minute, of everybody together. While somebody looks
// at a tenant's agents it is asked every lookEvery; who asks sooner gets what is known.
const (
	lookEvery = 5 * time.Second
	freshFor  = 4 * time.Second
	// openFor is how long ways to a manager stay open after the last look, and
	// reopenAfter when they are opened anew: the tenant may have changed.
	openFor     = time.Minute
	reopenAfter = 10 * time.Minute
	maxRosters  = 32
)

// openRoster is one person's look at one tenant's agents.
type openRoster struct {
	mu     sync.Mutex
	asked  *desk.Roster
	opened time.Time
	notes  []string
	rows   []roster.Row
	at     time.Time
	gone   bool

	used time.Time // under the visit's lock
}

// rosterOf is where a visit keeps its look at a tenant.
func (one *visit) rosterOf(slug string, now time.Time) (*openRoster, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	held := one.rosters[slug]
	if held == nil {
		if len(one.rosters) >= maxRosters {
			return nil, refuse(http.StatusServiceUnavailable, "", "you look at the agents of too many tenants at once", "close some, and try again in a minute")
		}
		held = &openRoster{}
		one.rosters[slug] = held
	}
	held.used = now
	return held, nil
}

// hangUp closes ways nobody looks through any more, all of them when the visit is over.
func (one *visit) hangUp(now time.Time) {
	over := one.over(now)
	one.mu.Lock()
	var idle []*openRoster
	for slug, held := range one.rosters {
		if over || now.Sub(held.used) > openFor {
			idle = append(idle, held)
			delete(one.rosters, slug)
		}
	}
	one.mu.Unlock()
	for _, held := range idle {
		held.mu.Lock()
		held.close()
		held.gone = true
		held.mu.Unlock()
	}
}

func (o *openRoster) close() {
	if o.asked != nil {
		o.asked.Close()
	}
	o.asked, o.rows, o.at, o.notes = nil, nil, time.Time{}, nil
}

// look asks who a tenant's agents are, or answers with what was heard a moment ago.
func (c *Console) look(ctx context.Context, one *visit, slug string) (wire.Agents, []roster.Row, error) {
	held, err := one.rosterOf(slug, c.options.Now())
	if err != nil {
		return wire.Agents{}, nil, err
	}
	held.mu.Lock()
	defer held.mu.Unlock()
	now := c.options.Now()
	if now.Sub(held.at) >= freshFor {
		if err := c.ask(ctx, one, held, slug, now); err != nil {
			held.close()
			return wire.Agents{}, nil, err
		}
	}
	agents := wire.Agents{Asked: held.at.UTC(), Agents: make([]wire.Agent, len(held.rows)), Notes: list(slices.Clone(held.notes))}
	for i, row := range held.rows {
		agents.Agents[i] = roster.ViewOf(row)
	}
	return agents, slices.Clone(held.rows), nil
}

func (c *Console) ask(ctx context.Context, one *visit, held *openRoster, slug string, now time.Time) error {
	if held.gone {
		return refuse(http.StatusServiceUnavailable, "", "the session has just ended its look at these agents", "try again")
	}
	if now.Sub(held.opened) > reopenAfter {
		held.close()
	}
	if held.asked == nil {
		tenant, err := one.desk.Tenant(ctx, slug)
		if err != nil {
			return err
		}
		// The ways outlive this request: they end with the visit.
		held.asked, err = one.desk.OpenRoster(one.ctx, tenant, desk.Where{
			Edges: c.options.Edges, Note: func(what string, err error) { held.notes = append(held.notes, what+": "+err.Error()) },
		})
		if err != nil {
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

func (c *Console) agents(w http.ResponseWriter, r *http.Request, one *visit) error {
	agents, _, err := c.look(r.Context(), one, r.PathValue("slug"))
	if err != nil {
		return err
	}
	return give(w, agents)
}

// revoke writes a Revocation for each agent that is meant, or says who would be.
func (c *Console) revoke(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.RevokeRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	slug := r.PathValue("slug")
	if !request.DryRun {
		if err := checkWhy(request.Why); err != nil {
			return err
		}
	}
	_, rows, err := c.look(r.Context(), one, slug)
	if err != nil {
		return err
	}
	chosen, err := meant(slug, request, rows)
	if err != nil {
		return err
	}
	revoked := wire.Revoked{DryRun: request.DryRun, Agents: []wire.Agent{}, Results: []wire.RevokeResult{}}
	for _, row := range chosen {
		revoked.Agents = append(revoked.Agents, roster.ViewOf(row))
	}
	if request.DryRun {
		return give(w, revoked)
	}
	for _, row := range chosen {
		result := wire.RevokeResult{ID: row.ID, Name: row.Name}
		done, err := one.desk.Revoke(r.Context(), slug, []roster.Row{row}, request.Sources, request.Why)
		switch {
		case err != nil && len(chosen) == 1:
			return err
		case err != nil:
			_, problem := problemOf(err)
			result.Error = problem.Error
		default:
			result.Revocation, result.Already = done[0].Name, done[0].Already
		}
		revoked.Results = append(revoked.Results, result)
	}
	c.options.Log.Info("agents revoked", "user", one.user, "tenant", slug, "agents", counted(len(chosen), "agent"))
	return give(w, revoked)
}

// meant are the agents a request chooses. One that chooses nobody in particular must
// not choose everybody.
func meant(slug string, request wire.RevokeRequest, rows []roster.Row) ([]roster.Row, error) {
	switch {
	case len(request.IDs) == 0 && request.Selector == "":
		return nil, refuse(http.StatusUnprocessableEntity, "ids", "say which agents: ids, or a selector", "")
	case len(request.IDs) > 0 && request.Selector != "":
		return nil, refuse(http.StatusUnprocessableEntity, "selector", "name agents or give a selector, not both", "")
	case request.Selector == "":
		return desk.Choose(slug, rows, request.IDs)
	}
	selector, err := roster.ParseSelector(request.Selector)
	if err != nil {
		return nil, inField("selector", err)
	}
	return roster.Select(rows, selector), nil
}

func (c *Console) revocations(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug := r.PathValue("slug")
	if _, err := one.desk.Tenant(r.Context(), slug); err != nil {
		return err
	}
	all, err := one.desk.Revocations(r.Context(), slug)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b v1alpha1.Revocation) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	views := []wire.Revocation{}
	for _, held := range all {
		view := wire.Revocation{
			Name: held.Name, AgentID: held.Spec.AgentID, AgentName: held.Spec.AgentName, Step: string(held.Status.Step),
			Evidence: list(held.Status.Evidence), Sources: list(held.Spec.SourceCIDRs), Why: held.Spec.Why, By: held.Spec.By,
			Created: held.CreationTimestamp.UTC(), Refused: held.Status.RefusedAttempts, LastTry: utc(held.Status.LastRefused),
		}
		if ready := meta.FindStatusCondition(held.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			view.Ready, view.Reason, view.Message = ready.Status == metav1.ConditionTrue, ready.Reason, ready.Message
		}
		view.Ended = desk.RevocationEnded(held.Status.Step, view.Reason)
		views = append(views, view)
	}
	return give(w, wire.Revocations{Revocations: views})
}

// unrevoke lifts the one ban of that name. What an agent is called counts for nothing:
// whoever enrols chooses that.
func (c *Console) unrevoke(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug, name := r.PathValue("slug"), r.PathValue("name")
	held, err := one.desk.Revocation(r.Context(), slug, name)
	if err != nil {
		return err
	}
	if err := one.desk.Unrevoke(r.Context(), held); err != nil {
		return err
	}
	c.options.Log.Info("ban lifted", "user", one.user, "tenant", slug, "revocation", name)
	return accept(w, "ban on agent "+strconv.Quote(held.Spec.AgentName)+" lifted", nil)
}
