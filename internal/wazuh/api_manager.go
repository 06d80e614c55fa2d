package wazuh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ManagerInfo is what a manager says of itself.
type ManagerInfo struct {
	Version string `json:"version"`
	Type    string `json:"type"`
}

// ManagerInfo asks for the manager's version.
func (a *API) ManagerInfo(ctx context.Context) (ManagerInfo, error) {
	return firstOfManager[ManagerInfo](ctx, a, "info")
}

// Daemon states of ManagerStatus.
const (
	DaemonRunning = "running"
	DaemonStopped = "stopped"
	DaemonFailed  = "failed" // it left its pid file behind
)

// DaemonStatus maps the manager's daemons to their states.
type DaemonStatus map[string]string

// RequiredDaemons are the ones agents need to enroll, to connect and to be heard.
func RequiredDaemons() []string {
	return []string{"wazuh-analysisd", "wazuh-authd", "wazuh-db", "wazuh-remoted"}
}

// NotRunning returns the required daemons that aren't running, sorted. Wazuh 5 has "manager" in their
// names; here they go by those of Wazuh 4.
func (s DaemonStatus) NotRunning() []string {
	return slices.DeleteFunc(RequiredDaemons(), func(name string) bool {
		return s[name] == DaemonRunning || s[strings.Replace(name, "wazuh-", "wazuh-manager-", 1)] == DaemonRunning
	})
}

// Names returns the daemons, sorted.
func (s DaemonStatus) Names() []string { return slices.Sorted(maps.Keys(s)) }

// ManagerStatus asks which daemons run. It works even while most of them don't.
func (a *API) ManagerStatus(ctx context.Context) (DaemonStatus, error) {
	return firstOfManager[DaemonStatus](ctx, a, "status")
}

// TCPSessions asks how many connections are open on the events port, whoever holds them: agents,
// probes, silent strangers. remoted writes the number down every 5 seconds, so it is that old. A
// manager without this statistic answers with a *Problem of status 404.
func (a *API) TCPSessions(ctx context.Context) (int, error) {
	stats, err := firstItem[struct {
		Sessions *float64 `json:"tcp_sessions"`
	}](ctx, a, "/manager/stats/remoted")
	if err == nil && stats.Sessions == nil {
		err = errors.New("GET /manager/stats/remoted: the answer has no tcp_sessions")
	}
	if err != nil {
		return 0, err
	}
	return int(*stats.Sessions), nil
}

// Reconnect asks every connected agent to hang up and connect again. Agents obey; who only holds a
// connection does not. It returns how many were asked: nobody, by a manager that has no such request.
func (a *API) Reconnect(ctx context.Context) (int, error) {
	var data struct {
		Items []string `json:"affected_items"`
	}
	err := a.do(ctx, http.MethodPut, "/agents/reconnect", nil, &data)
	var partial *PartialError
	if errors.As(err, &partial) {
		return len(data.Items), nil // the others are not connected, which is as good
	}
	var problem *Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return 0, nil
	}
	return len(data.Items), err
}

// RestartManager restarts all of the manager's daemons, which closes every connection. The manager
// answers before it does.
func (a *API) RestartManager(ctx context.Context) error {
	var data struct{}
	return a.ofManager(ctx, http.MethodPut, "restart", nil, &data)
}

// ofManager asks for what a manager says of itself. Wazuh 4 has it under /manager; Wazuh 5, where
// every manager is a cluster, be it of one, has removed those paths and has it under the node's name.
func (a *API) ofManager(ctx context.Context, method, what string, query url.Values, out any) error {
	node := a.knownNode()
	if node == "" {
		err := a.do(ctx, method, "/manager/"+what, query, out)
		var problem *Problem
		if !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
			return err
		}
		if node, err = a.askNode(ctx); err != nil {
			return err
		}
	}
	path := "/cluster/" + url.PathEscape(node) + "/" + what
	if method == http.MethodPut {
		path = "/cluster/" + what // a restart names its nodes in the query, and is of all of them without
	}
	return a.do(ctx, method, path, query, out)
}

func (a *API) knownNode() string {
	a.nodes.Lock()
	defer a.nodes.Unlock()
	return a.node
}

// askNode asks a Wazuh 5 for its name in its cluster, once: requests are counted.
func (a *API) askNode(ctx context.Context) (string, error) {
	local, err := firstItem[struct {
		Node string `json:"node"`
	}](ctx, a, "/cluster/local/info")
	if err == nil && local.Node == "" {
		err = errors.New("GET /cluster/local/info: the answer names no node")
	}
	if err != nil {
		return "", err
	}
	a.nodes.Lock()
	defer a.nodes.Unlock()
	a.node = local.Node
	return local.Node, nil
}

func firstItem[T any](ctx context.Context, a *API, path string) (T, error) {
	return first[T]("GET "+path, func(out any) error { return a.do(ctx, http.MethodGet, path, nil, out) })
}

func firstOfManager[T any](ctx context.Context, a *API, what string) (T, error) {
	return first[T]("GET the manager's "+what, func(out any) error { return a.ofManager(ctx, http.MethodGet, what, nil, out) })
}

func first[T any](request string, ask func(out any) error) (T, error) {
	var data struct {
		Items []T `json:"affected_items"`
	}
	var none T
	if err := ask(&data); err != nil {
		return none, err
	}
	if len(data.Items) == 0 {
		return none, fmt.Errorf("%s: the answer is empty", request)
	}
	return data.Items[0], nil
}
