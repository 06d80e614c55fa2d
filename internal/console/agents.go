package console

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

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
	ban, err := one.desk.NewBan(r.Context(), request.Sources, request.Why)
	if err != nil {
		return err
	}
	written := 0
	for _, row := range chosen {
		result := wire.RevokeResult{ID: row.ID, Name: row.Name}
		done, err := one.desk.RevokeOne(r.Context(), slug, row, ban)
		switch {
		case err != nil && len(chosen) == 1:
			return err
		case err != nil:
			_, problem := problemOf(err)
			result.Error = problem.Error
		default:
			result.Revocation, result.Already = done.Name, done.Already
			if !done.Already {
				written++
			}
		}
		revoked.Results = append(revoked.Results, result)
	}
	c.options.Log.Info("agents revoked", "user", one.user, "tenant", slug, "agents", written, "of", len(chosen))
	return give(w, revoked)
}

// maxRevoked is how many agents one request revokes: it answers when all are written.
const maxRevoked = 500

// meant are the agents a request chooses, no more than can be answered for at once.
func meant(slug string, request wire.RevokeRequest, rows []roster.Row) ([]roster.Row, error) {
	chosen, err := chosenBy(slug, request, rows)
	if len(chosen) > maxRevoked {
		return nil, refuse(http.StatusUnprocessableEntity, field(request),
			fmt.Sprintf("%d agents are meant, and at most %d are revoked at once", len(chosen), maxRevoked), "choose fewer, and go on with the rest after that")
	}
	return chosen, err
}

// chosenBy does not let a request that chooses nobody in particular choose everybody.
func chosenBy(slug string, request wire.RevokeRequest, rows []roster.Row) ([]roster.Row, error) {
	switch {
	case len(request.IDs) == 0 && request.Selector == "":
		return nil, refuse(http.StatusUnprocessableEntity, "ids", "say which agents: ids, or a selector", "")
	case len(request.IDs) > 0 && request.Selector != "":
		return nil, refuse(http.StatusUnprocessableEntity, "selector", "name agents or give a selector, not both", "")
	case request.Selector == "":
		return byID(slug, rows, request.IDs)
	}
	selector, err := roster.ParseSelector(request.Selector)
	if err != nil {
		return nil, inField("selector", err)
	}
	return roster.Select(rows, selector), nil
}

// byID finds agents by their ids alone, all of them or none: an agent chooses its own
// name, and might be called as another's id.
func byID(slug string, rows []roster.Row, ids []string) ([]roster.Row, error) {
	var chosen []roster.Row
	var missing []error
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		at := slices.IndexFunc(rows, func(row roster.Row) bool { return row.ID == id })
		if at < 0 {
			missing = append(missing, fmt.Errorf("tenant %q has no agent with id %q", slug, id))
			continue
		}
		chosen = append(chosen, rows[at])
	}
	if missing != nil {
		return nil, fault.New(fault.NotFound, errors.Join(missing...), "")
	}
	return chosen, nil
}

// field is what chose the agents.
func field(request wire.RevokeRequest) string {
	if request.Selector != "" {
		return "selector"
	}
	return "ids"
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
