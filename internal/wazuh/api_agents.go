package wazuh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// States of an agent, as its manager sees it.
const (
	StatusActive         = "active"
	StatusPending        = "pending"
	StatusNeverConnected = "never_connected"
	StatusDisconnected   = "disconnected"
)

const (
	managerID  = "000" // the manager is an agent of itself
	agentsPage = 500
	maxAgents  = 1_000_000 // a listing that never ends is an error, not a full memory
	idsAtOnce  = 200       // in one request line
)

// Agent is an enrolled agent. Fields a manager doesn't know yet are empty.
type Agent struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	IP            string    `json:"ip"`         // what the agent says of itself
	RegisterIP    string    `json:"registerIP"` // the address column of its key
	Status        string    `json:"status"`
	Version       string    `json:"version"`
	Groups        []string  `json:"group"`
	DateAdd       time.Time `json:"dateAdd"`
	LastKeepAlive time.Time `json:"lastKeepAlive"`
	OS            AgentOS   `json:"os"`
}

// AgentOS is what a keep-alive told of the agent's system.
type AgentOS struct {
	Name     string `json:"name"`
	Platform string `json:"platform"`
	Version  string `json:"version"`
}

// AgentFilter narrows a listing; its zero value is every agent.
type AgentFilter struct {
	Status []string
	Name   string
	Search string
	IDs    []string
}

func (f AgentFilter) query() url.Values {
	q := url.Values{"q": {"id!=" + managerID}, "sort": {"+id"}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("status", strings.Join(f.Status, ","))
	set("name", f.Name)
	set("search", f.Search)
	set("agents_list", strings.Join(f.IDs, ","))
	return q
}

// ListAgents returns the agents that match, page by page underneath, without the manager itself.
func (a *API) ListAgents(ctx context.Context, filter AgentFilter) ([]Agent, error) {
	var all []Agent
	query := filter.query()
	query.Set("limit", strconv.Itoa(agentsPage))
	for offset := 0; offset < maxAgents; offset += agentsPage {
		query.Set("offset", strconv.Itoa(offset))
		var page struct {
			Items []Agent `json:"affected_items"`
			Total int     `json:"total_affected_items"`
		}
		if err := a.do(ctx, http.MethodGet, "/agents", query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if len(page.Items) == 0 || offset+agentsPage >= page.Total {
			break
		}
	}
	return slices.DeleteFunc(all, func(agent Agent) bool { return agent.ID == managerID }), nil
}

// Summary counts agents by state, without the manager itself.
type Summary struct {
	Active         int `json:"active"`
	Disconnected   int `json:"disconnected"`
	NeverConnected int `json:"never_connected"`
	Pending        int `json:"pending"`
	Total          int `json:"total"`
}

// AgentsSummary counts the agents by state. Before 4.4 the numbers stand in data itself; a manager that
// has none is asked for each state.
func (a *API) AgentsSummary(ctx context.Context) (Summary, error) {
	var data struct {
		Connection *Summary `json:"connection"`
		Summary
	}
	err := a.do(ctx, http.MethodGet, "/agents/summary/status", nil, &data)
	var problem *Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return a.countAgents(ctx)
	}
	if data.Connection != nil {
		return *data.Connection, err
	}
	return data.Summary, err
}

// countAgents asks for the agents of each state, one at most, for the sake of their number. It is for
// a manager without a summary: Wazuh 5 was to lose it, and what its release has is not known for sure.
func (a *API) countAgents(ctx context.Context) (Summary, error) {
	var sum Summary
	for state, into := range map[string]*int{
		StatusActive: &sum.Active, StatusDisconnected: &sum.Disconnected, StatusNeverConnected: &sum.NeverConnected, StatusPending: &sum.Pending,
	} {
		query := AgentFilter{Status: []string{state}}.query()
		query.Set("limit", "1")
		var page struct {
			Total int `json:"total_affected_items"`
		}
		if err := a.do(ctx, http.MethodGet, "/agents", query, &page); err != nil {
			return Summary{}, err
		}
		*into = page.Total
		sum.Total += page.Total
	}
	return sum, nil
}

// DeleteAgents removes agents and returns the ids that are gone. An id the manager doesn't know
// counts as gone: that is what the caller wanted, and what a repeated request finds.
//
// It isn't a revocation by itself: a host that still has the enrollment secret enrolls again.
func (a *API) DeleteAgents(ctx context.Context, ids ...string) ([]string, error) {
	for _, id := range ids {
		if !ValidID(id) || id == managerID {
			return nil, fmt.Errorf("delete agent %q: want the id of an agent, such as \"007\"", id)
		}
	}
	var gone []string
	for chunk := range slices.Chunk(ids, idsAtOnce) {
		done, err := a.deleteAgents(ctx, strings.Join(chunk, ","))
		gone = append(gone, done...)
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// DeleteAllAgents removes every agent of the manager and returns their ids.
func (a *API) DeleteAllAgents(ctx context.Context) ([]string, error) {
	return a.deleteAgents(ctx, "all")
}

// deleteAgents always overrides the API's defaults, which spare every agent seen within seven days
// and keep its line in client.keys.
func (a *API) deleteAgents(ctx context.Context, list string) ([]string, error) {
	query := url.Values{"agents_list": {list}, "status": {"all"}, "older_than": {"0s"}, "purge": {"true"}}
	var data struct {
		Items []string `json:"affected_items"`
	}
	err := a.do(ctx, http.MethodDelete, "/agents", query, &data)
	var partial *PartialError
	if !errors.As(err, &partial) {
		return data.Items, err
	}
	gone := append(data.Items, partial.IDs(CodeNoAgent)...)
	failed := slices.DeleteFunc(slices.Clone(partial.Failed), func(f FailedItem) bool {
		return f.Error.Code == CodeNoAgent || list == "all" && f.Error.Code == CodeManagerAgent
	})
	if len(failed) == 0 {
		return gone, nil
	}
	return gone, &PartialError{Request: partial.Request, Message: partial.Message, Failed: failed}
}
