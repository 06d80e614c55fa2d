package controller

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const (
	// rollAge is how old a list of agents may be, for each page it takes: a manager's
	// API answers 300 requests a minute, of everybody together.
	rollAge = 3 * time.Second
	// rollPage is how many agents a page has.
	rollPage = 500
	// singleRate is how many requests about single agents a second one manager gets
	// from us.
	singleRate, singleBurst = 2, 6
)

// rolls are the managers' lists of agents, each shared by all revocations of its tenant.
type rolls struct {
	now func() time.Time

	mu      sync.Mutex
	tenants map[string]*roll
}

type roll struct {
	single *rate.Limiter

	mu      sync.Mutex
	asked   time.Time // when the list was begun
	agents  []wazuh.Agent
	deleted map[string]time.Time

	read    time.Time // when remoted's refusals were read
	refused map[string]time.Time
}

func newRolls(now func() time.Time) *rolls {
	return &rolls{now: now, tenants: map[string]*roll{}}
}

func (s *rolls) of(slug string) *roll {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tenants[slug] == nil {
		s.tenants[slug] = &roll{single: rate.NewLimiter(singleRate, singleBurst), deleted: map[string]time.Time{}}
	}
	return s.tenants[slug]
}

func (s *rolls) forget(slug string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants, slug)
}

// list returns the manager's agents as they were after since, and after id was
// deleted, from memory where that allows. A wait says that asking once more would
// be too often: come back after it.
func (s *rolls) list(ctx context.Context, slug string, api *wazuh.API, since time.Time, id string) (agents []wazuh.Agent, wait time.Duration, err error) {
	r := s.of(slug)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := s.now()
	age := now.Sub(r.asked)
	enough := rollAge * time.Duration(1+len(r.agents)/rollPage)
	if age < enough {
		if r.asked.After(since) && r.asked.After(r.deleted[id]) {
			return r.agents, 0, nil
		}
		return nil, enough - age, nil
	}
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	if r.agents, err = api.ListAgents(ctx, wazuh.AgentFilter{}); err != nil {
		r.asked = time.Time{}
		return nil, 0, err
	}
	r.asked = now
	maps.DeleteFunc(r.deleted, func(_ string, at time.Time) bool { return at.Before(now) })
	return r.agents, 0, nil
}

// seenIn is what a list says of a revocation's agent. Names are compared as the
// gateway compares them, but an id belongs to exactly one spelling.
func seenIn(agents []wazuh.Agent, spec v1alpha1.RevocationSpec) plan.AgentSeen {
	seen := plan.AgentSeen{Asked: true}
	for _, agent := range agents {
		switch {
		case agent.ID == spec.AgentID:
			seen.Name, seen.Status, seen.Version = agent.Name, agent.Status, strings.TrimPrefix(agent.Version, "Wazuh ")
		case strings.EqualFold(agent.Name, spec.AgentName):
			seen.Namesakes = append(seen.Namesakes, agent.ID)
		}
	}
	return seen
}

// turned is when remoted last refused a message of an id, at or after since.
func (s *rolls) turned(ctx context.Context, slug string, api *wazuh.API, id string, since time.Time) (time.Time, error) {
	r := s.of(slug)
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := s.now(); now.Sub(r.read) >= rollAge {
		ctx, cancel := context.WithTimeout(ctx, apiTimeout)
		defer cancel()
		refused, err := api.RefusedIDs(ctx)
		r.read = now // also after an error: it is one observation more, and no hurry
		if err != nil {
			return time.Time{}, err
		}
		r.refused = refused
	}
	if at := r.refused[id]; !at.Before(since) {
		return at, nil
	}
	return time.Time{}, nil
}

// deletedNow remembers that an agent was deleted: only a list begun later tells
// whether it is gone.
func (r *roll) deletedNow(id string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deleted[id] = now
}
