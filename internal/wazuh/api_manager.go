package wazuh

import (
	"context"
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
