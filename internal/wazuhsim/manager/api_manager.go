package manager

import "net/http"

// oneItem is the envelope of what a manager says of itself.
func (a *api) oneItem(w http.ResponseWriter, item any, message string) {
	a.envelope(w, []any{item}, 1, nil, [3]string{message})
}

func (a *api) about(w http.ResponseWriter, _ *http.Request) {
	reply(w, map[string]any{"error": 0, "data": map[string]any{
		"title": "Wazuh API REST", "api_version": a.m.o.Version[1:], "revision": 1, "license_name": "GPL 2.0",
		"license_url": "https://github.com/wazuh/wazuh/blob/" + a.m.o.Version + "/LICENSE",
		"hostname":    a.m.o.Hostname, "timestamp": a.m.store.now().UTC().Format(apiTime),
	}})
}

// thisNode is the manager's name in its cluster of one.
const thisNode = "node01"

func (a *api) localInfo(w http.ResponseWriter, _ *http.Request) {
	a.oneItem(w, map[string]any{"node": thisNode, "cluster": "wazuh", "type": "master"}, "All selected information was returned")
}

func (a *api) managerInfo(w http.ResponseWriter, _ *http.Request) {
	a.oneItem(w, map[string]any{
		"path": a.m.root.home, "version": a.m.o.Version, "type": "server", "max_agents": "unlimited",
		"openssl_support": "yes", "tz_offset": "+0000", "tz_name": "UTC",
	}, "Basic information was successfully read in specified node")
}

func (a *api) managerStatus(w http.ResponseWriter, _ *http.Request) {
	const running, stopped = "running", "stopped"
	status := map[string]string{}
	if !a.m.before(5, 0) { // fewer daemons, of other names
		for _, name := range []string{"analysisd", "remoted", "db", "apid", "modulesd", "clusterd"} {
			status["wazuh-manager-"+name] = running
		}
		status["wazuh-manager-authd"] = map[bool]string{true: running, false: stopped}[a.m.authdRuns()]
		a.oneItem(w, status, "Processes status was successfully read in specified node")
		return
	}
	for _, name := range []string{"analysisd", "remoted", "db", "apid", "modulesd", "execd", "monitord", "syscheckd", "logcollector"} {
		status["wazuh-"+name] = running
	}
	for _, name := range []string{"clusterd", "maild", "agentlessd", "integratord", "csyslogd", "reportd", "authd"} {
		status["wazuh-"+name] = stopped
	}
	if a.m.authdRuns() {
		status["wazuh-authd"] = running
	}
	a.oneItem(w, status, "Processes status was successfully read in specified node")
}

// remotedStats reads what remoted wrote down last, as the real one reads wazuh-remoted.state: every
// value is a float there. The counters of messages are not kept here and are left out.
func (a *api) remotedStats(w http.ResponseWriter, _ *http.Request) {
	a.oneItem(w, map[string]any{
		"queue_size": 0.0, "total_queue_size": 131072.0, "tcp_sessions": float64(a.m.remoted.sessions.Load()),
	}, "Statistical information for each node was successfully read")
}

// restart answers first, as the real one does: the API itself goes down with the rest.
func (a *api) restart(w http.ResponseWriter, _ *http.Request) {
	a.envelope(w, []string{thisNode}, 1, nil, [3]string{"Restart request sent to all specified nodes"})
	a.m.requestRestart()
}
