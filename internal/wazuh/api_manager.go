package wazuh

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// ManagerInfo is what a manager says of itself.
type ManagerInfo struct {
	Version string `json:"version"`
	Type    string `json:"type"`
}

// ManagerInfo asks for the manager's version.
func (a *API) ManagerInfo(ctx context.Context) (ManagerInfo, error) {
	return firstItem[ManagerInfo](ctx, a, "/manager/info")
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

// NotRunning returns the required daemons that aren't running, sorted.
func (s DaemonStatus) NotRunning() []string {
	return slices.DeleteFunc(RequiredDaemons(), func(name string) bool { return s[name] == DaemonRunning })
}

// Names returns the daemons, sorted.
func (s DaemonStatus) Names() []string { return slices.Sorted(maps.Keys(s)) }

// ManagerStatus asks which daemons run. It works even while most of them don't.
func (a *API) ManagerStatus(ctx context.Context) (DaemonStatus, error) {
	return firstItem[DaemonStatus](ctx, a, "/manager/status")
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
// connection does not. It returns how many were asked.
func (a *API) Reconnect(ctx context.Context) (int, error) {
	var data struct {
		Items []string `json:"affected_items"`
	}
	err := a.do(ctx, http.MethodPut, "/agents/reconnect", nil, &data)
	var partial *PartialError
	if errors.As(err, &partial) {
		return len(data.Items), nil // the others are not connected, which is as good
	}
	return len(data.Items), err
}

// RestartManager restarts all of the manager's daemons, which closes every connection. The manager
// answers before it does.
func (a *API) RestartManager(ctx context.Context) error {
	var data struct{}
	return a.do(ctx, http.MethodPut, "/manager/restart", nil, &data)
}

func firstItem[T any](ctx context.Context, a *API, path string) (T, error) {
	var data struct {
		Items []T `json:"affected_items"`
	}
	var none T
	if err := a.do(ctx, http.MethodGet, path, nil, &data); err != nil {
		return none, err
	}
	if len(data.Items) == 0 {
		return none, fmt.Errorf("GET %s: the answer is empty", path)
	}
	return data.Items[0], nil
}
