package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// Choose finds the agents of a tenant that were called by id or name, all of them
// or none.
func Choose(slug string, rows []roster.Row, called []string) ([]roster.Row, error) {
	var chosen []roster.Row
	var missing []error
	for _, name := range called {
		row, err := roster.Find(rows, name)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		if !slices.ContainsFunc(chosen, func(r roster.Row) bool { return r.ID == row.ID }) {
			chosen = append(chosen, row)
		}
	}
	if missing != nil {
		return nil, fault.NewShell(fault.NotFound, errors.Join(missing...), shownInList, "soctalk-ingress agents list %s shows all of them", slug)
	}
	return chosen, nil
}

// Revoked is what became of the request to revoke one agent.
type Revoked struct {
	Agent roster.Row
	// Name of the Revocation, and whether it was there before.
	Name    string
	Already bool
}

// Ban is what a revocation says beside the agent: whom else it refuses, why, and by whom.
type Ban struct {
	sources []string
	why, by string
}

// NewBan asks the API server who bans.
func (d *Desk) NewBan(ctx context.Context, sources []string, why string) (Ban, error) {
	if err := reveal.CheckWhy(why); err != nil {
		return Ban{}, fault.AsUsage(err)
	}
	by, err := reveal.Who(ctx, d)
	return Ban{sources: sources, why: strings.TrimSpace(why), by: by}, err
}

// Revoke writes one Revocation for each agent. On an error, those written so far are
// returned beside it.
func (d *Desk) Revoke(ctx context.Context, slug string, rows []roster.Row, ban Ban) ([]Revoked, error) {
	var done []Revoked
	for _, row := range rows {
		one, err := d.RevokeOne(ctx, slug, row, ban)
		if err != nil {
			return done, fmt.Errorf("%d of %d revocations are written: %w", len(done), len(rows), err)
		}
		done = append(done, one)
	}
	return done, nil
}

// RevokeOne writes the Revocation of one agent.
func (d *Desk) RevokeOne(ctx context.Context, slug string, row roster.Row, ban Ban) (Revoked, error) {
	revocation := &v1alpha1.Revocation{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: naming.Namespace(slug), Name: naming.Revocation(row.Name, row.ID),
			Labels: map[string]string{naming.LabelTenant: slug},
		},
		Spec: v1alpha1.RevocationSpec{AgentID: row.ID, AgentName: row.Name, SourceCIDRs: ban.sources, Why: ban.why, By: ban.by},
	}
	err := d.Create(ctx, revocation)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return Revoked{}, fmt.Errorf("revoke agent %s (%s): %w", row.ID, row.Name, err)
	}
	return Revoked{Agent: row, Name: revocation.Name, Already: err != nil}, nil
}

// Revocations lists a tenant's.
func (d *Desk) Revocations(ctx context.Context, slug string) ([]v1alpha1.Revocation, error) {
	var list v1alpha1.RevocationList
	if err := d.List(ctx, &list, client.InNamespace(naming.Namespace(slug))); err != nil {
		return nil, fmt.Errorf("list revocations of tenant %q: %w", slug, err)
	}
	return list.Items, nil
}

// Revocation finds one by its own name.
func (d *Desk) Revocation(ctx context.Context, slug, name string) (v1alpha1.Revocation, error) {
	var revocation v1alpha1.Revocation
	err := d.Get(ctx, client.ObjectKey{Namespace: naming.Namespace(slug), Name: name}, &revocation)
	if apierrors.IsNotFound(err) {
		return revocation, fault.NewShell(fault.NotFound, fmt.Errorf("tenant %q has no revocation %q", slug, name), shownInList, "soctalk-ingress agents revocations %s shows all of them", slug)
	}
	if err != nil {
		return revocation, fmt.Errorf("get revocation %q of tenant %q: %w", name, slug, err)
	}
	return revocation, nil
}

// RevocationEnded is true for a revocation that is done, however it stands.
func RevocationEnded(step v1alpha1.RevocationStep, reason string) bool {
	return step == v1alpha1.RevocationDone && reason != v1alpha1.ReasonRevoking && reason != v1alpha1.ReasonWaitingForGateway
}

// CalledRevocations finds the revocations that are meant by their own name, else by the
// former id of an agent, else by an agent's name, which may have several. Agents choose
// their names, so that the name of one must not stand beside what is meant by more.
func CalledRevocations(slug string, all []v1alpha1.Revocation, called []string) ([]v1alpha1.Revocation, error) {
	var meant []v1alpha1.Revocation
	for _, name := range called {
		var found []v1alpha1.Revocation
		for _, is := range []func(v1alpha1.Revocation) bool{
			func(r v1alpha1.Revocation) bool { return r.Name == name },
			func(r v1alpha1.Revocation) bool { return r.Spec.AgentID == name },
			func(r v1alpha1.Revocation) bool { return strings.EqualFold(r.Spec.AgentName, name) },
		} {
			if found = slices.DeleteFunc(slices.Clone(all), func(r v1alpha1.Revocation) bool { return !is(r) }); len(found) > 0 {
				break
			}
		}
		if len(found) == 0 {
			return nil, fault.NewShell(fault.NotFound, fmt.Errorf("nothing revoked is called %q", name), shownInList, "soctalk-ingress agents revocations %s shows all of them", slug)
		}
		meant = append(meant, found...)
	}
	return meant, nil
}

// Unrevoke lifts one ban.
func (d *Desk) Unrevoke(ctx context.Context, revocation v1alpha1.Revocation) error {
	uid := revocation.UID
	if err := d.Delete(ctx, &revocation, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("lift the ban on agent %q: %w", revocation.Spec.AgentName, err)
	}
	return nil
}
