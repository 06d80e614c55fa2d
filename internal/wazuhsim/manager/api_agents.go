package manager

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const (
	self         = "000" // the manager, in its own list of agents
	defaultLimit = 500
	maxLimit     = 100_000
	apiTime      = "2006-01-02T15:04:05Z"
)

// AgentView is a row as the API shows it. Fields that aren't known are absent.
type AgentView map[string]any

func view(r row, hostname string) AgentView {
	v := AgentView{
		"id": r.ID, "name": r.Name, "registerIP": r.RegisterIP, "ip": r.IP, "status": r.Status, "status_code": 0,
		"dateAdd": r.Added.UTC().Format(apiTime), "node_name": "node01", "group_config_status": "not synced",
	}
	if r.IP == "" {
		v["ip"] = r.RegisterIP
	}
	if r.LastSeen.IsZero() {
		return v
	}
	v["manager"], v["version"] = hostname, r.Version
	if r.ID != self {
		v["group"], v["mergedSum"] = r.Groups, r.MergedSum
	}
	v["lastKeepAlive"] = r.LastSeen.UTC().Format(apiTime)
	if platform, _, ok := strings.Cut(r.System, " "); ok {
		v["os"] = map[string]string{"platform": strings.ToLower(platform), "uname": r.System}
	}
	if r.Status == wazuh.StatusDisconnected {
		v["disconnection_time"] = r.Disconnected.UTC().Format(apiTime)
	}
	return v
}

// rows returns the agent database as of now, by id, without the manager.
func (m *Manager) rows() []row {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	var all []row
	for id := range m.store.rows {
		r, _ := m.store.state(id, m.conf.Global.DisconnectionTime)
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b row) int { return byNumber(a.ID, b.ID) })
	return all
}

func (m *Manager) selfRow() row {
	return row{
		ID: self, Name: m.o.Hostname, RegisterIP: "127.0.0.1", IP: "127.0.0.1", Status: wazuh.StatusActive,
		Added: m.store.start, LastSeen: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Version: "Wazuh " + m.o.Version, System: "Linux |" + m.o.Hostname,
	}
}

func (a *api) listAgents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	offset, ok1 := number(q, "offset", 0, 0)
	limit, ok2 := number(q, "limit", defaultLimit, 1)
	if !ok1 || !ok2 || limit > maxLimit {
		problem(w, http.StatusBadRequest, "Bad Request", "Failed validation of offset or limit", 0)
		return
	}
	all := append([]row{a.m.selfRow()}, a.m.rows()...)
	var failed []wazuh.FailedItem
	if list := q.Get("agents_list"); list != "" {
		all, failed = choose(all, strings.Split(list, ","))
	}
	all = slices.DeleteFunc(all, func(r row) bool { return !matches(r, q) })
	if sort := q.Get("sort"); strings.HasPrefix(sort, "-") {
		slices.Reverse(all)
	}
	total := len(all)
	all = all[min(offset, total):min(offset+limit, total)]
	items := []AgentView{}
	for _, r := range all {
		items = append(items, view(r, a.m.o.Hostname))
	}
	a.envelope(w, items, total, failed, [3]string{"All selected agents information was returned", "Some agents information was not returned", "No agents information was returned"})
}

func number(q url.Values, name string, absent, least int) (int, bool) {
	text := q.Get(name)
	if text == "" {
		return absent, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least
}

// choose picks rows by id; an id that isn't there fails with 1701.
func choose(all []row, ids []string) (chosen []row, failed []wazuh.FailedItem) {
	for _, id := range ids {
		at := slices.IndexFunc(all, func(r row) bool { return r.ID == id })
		if at < 0 {
			failed = addFailure(failed, wazuh.CodeNoAgent, id)
			continue
		}
		chosen = append(chosen, all[at])
	}
	return chosen, failed
}

// matches applies the filters we know; of q, comparisons with = and != joined by semicolons.
func matches(r row, q url.Values) bool {
	if s := q.Get("status"); s != "" && s != "all" && !slices.Contains(strings.Split(s, ","), r.Status) {
		return false
	}
	if s := q.Get("name"); s != "" && s != r.Name {
		return false
	}
	if s := q.Get("group"); s != "" && !slices.Contains(r.Groups, s) {
		return false
	}
	if s := q.Get("search"); s != "" && !strings.Contains(strings.Join([]string{r.ID, r.Name, r.IP, r.Status, r.Version}, "\n"), s) {
		return false
	}
	column := map[string]string{"id": r.ID, "name": r.Name, "status": r.Status, "ip": r.IP}
	for term := range strings.SplitSeq(q.Get("q"), ";") {
		if field, value, ok := strings.Cut(term, "!="); ok {
			if column[field] == value {
				return false
			}
			continue
		}
		if field, value, ok := strings.Cut(term, "="); ok && column[field] != value {
			return false
		}
	}
	return true
}

func (a *api) summary(w http.ResponseWriter, _ *http.Request) {
	if a.m.faults.has(FaultAPINoSummary) {
		problem(w, http.StatusNotFound, "Not Found", "404: Not Found", 0)
		return
	}
	count := map[string]int{wazuh.StatusActive: 0, wazuh.StatusDisconnected: 0, wazuh.StatusNeverConnected: 0, wazuh.StatusPending: 0}
	rows := a.m.rows()
	for _, r := range rows {
		count[r.Status]++
	}
	count["total"] = len(rows)
	if a.m.before(4, 4) {
		reply(w, map[string]any{"data": count, "error": 0})
		return
	}
	configuration := map[string]int{"synced": 0, "not_synced": len(rows), "total": len(rows)}
	reply(w, map[string]any{"data": map[string]any{"connection": count, "configuration": configuration}, "error": 0})
}

// deleteAgents keeps the API's defaults, which a careless client trips over: only agents not seen
// for seven days, and both agents_list and status are required.
func (a *api) deleteAgents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !q.Has("agents_list") || !q.Has("status") {
		problem(w, http.StatusBadRequest, "Bad Request", "Missing query parameter 'agents_list' or 'status'", 0)
		return
	}
	older, ok := parseDuration(cmp.Or(q.Get("older_than"), "7d"))
	if !ok {
		problem(w, http.StatusBadRequest, "Bad Request", "Failed validation: 'older_than' is not a 'timeframe'", 0)
		return
	}
	list := a.m.rows()
	var failed []wazuh.FailedItem
	if ids := q.Get("agents_list"); ids != "all" {
		list, failed = choose(append([]row{a.m.selfRow()}, list...), strings.Split(ids, ","))
	}
	purge := q.Get("purge") == "true" || a.m.conf.Auth.Purge
	gone := []string{}
	for _, r := range list {
		if code := a.deleteOne(r, q, older, purge); code != 0 {
			failed = addFailure(failed, code, r.ID)
			continue
		}
		gone = append(gone, r.ID)
	}
	a.envelope(w, gone, len(gone), failed, [3]string{"All selected agents were deleted", "Some agents were not deleted", "No agents were deleted"})
}

// deleteOne returns the error code of an agent that stays.
func (a *api) deleteOne(r row, q url.Values, older time.Duration, purge bool) int {
	last := r.LastSeen
	if last.IsZero() {
		last = r.Added
	}
	switch {
	case r.ID == self:
		return wazuh.CodeManagerAgent
	case a.m.faults.has(FaultDelete1726) || !a.m.authdRuns():
		return wazuh.CodeAuthdDown
	case !matches(r, q) || a.m.store.now().Sub(last) < older:
		return wazuh.CodeFilteredOut
	}
	a.m.store.mu.Lock()
	defer a.m.store.mu.Unlock()
	if err := a.m.store.remove(r.ID, purge); err != nil {
		a.m.log.Error("remove agent", "id", r.ID, "error", err)
		return wazuh.CodeAuthdDown
	}
	return 0
}

// agentKey answers with the agent's line of client.keys. An agent without a row has no key here
// either: the API looks into the database first.
func (a *api) agentKey(w http.ResponseWriter, r *http.Request) {
	messages := [3]string{"Obtained keys for all selected agents", "Some keys could not be obtained", "No keys were obtained"}
	id := r.PathValue("id")
	a.m.store.mu.Lock()
	_, known := a.m.store.rows[id]
	key := a.m.store.keys[id]
	a.m.store.mu.Unlock()
	if !known || key.Removed {
		a.envelope(w, []any{}, 0, addFailure(nil, wazuh.CodeNoAgent, id), messages)
		return
	}
	line := base64.StdEncoding.EncodeToString(key.AppendLine(nil))
	a.envelope(w, []any{map[string]string{"id": id, "key": line}}, 1, nil, messages)
}

// reconnect asks connected agents to dial again.
func (a *api) reconnect(w http.ResponseWriter, r *http.Request) {
	list := a.m.rows()
	var failed []wazuh.FailedItem
	if ids := r.URL.Query().Get("agents_list"); ids != "" {
		list, failed = choose(list, strings.Split(ids, ","))
	}
	asked := []string{}
	for _, agent := range list {
		if err := a.m.remoted.sendTo(agent.ID, []byte(wazuh.ReconnectMessage)); err != nil {
			const notActive = 1707
			failed = addFailure(failed, notActive, agent.ID)
			continue
		}
		asked = append(asked, agent.ID)
	}
	a.envelope(w, asked, len(asked), failed, [3]string{"Force reconnect command was sent to all agents", "Force reconnect command was not sent to some agents", "Force reconnect command was not sent to any agent"})
}

func addFailure(failed []wazuh.FailedItem, code int, id string) []wazuh.FailedItem {
	at := slices.IndexFunc(failed, func(f wazuh.FailedItem) bool { return f.Error.Code == code })
	if at < 0 {
		f := wazuh.FailedItem{}
		f.Error.Code, f.Error.Message = code, failureText(code)
		at, failed = len(failed), append(failed, f)
	}
	failed[at].IDs = append(failed[at].IDs, id)
	return failed
}

func failureText(code int) string {
	switch code {
	case wazuh.CodeNoAgent:
		return "Agent does not exist"
	case wazuh.CodeManagerAgent:
		return "Action not available for Manager (agent 000)"
	case wazuh.CodeAuthdDown:
		return "Ossec authd is not running"
	case wazuh.CodeFilteredOut:
		return "Agent is not eligible for the action to be performed"
	}
	return "Agent is not active"
}

// envelope answers with HTTP 200 whatever has failed: 0 nothing, 1 everything, 2 some of it. The
// three messages are for these cases, in the order nothing, some, everything.
func (a *api) envelope(w http.ResponseWriter, items any, total int, failed []wazuh.FailedItem, messages [3]string) {
	message, code := messages[0], 0
	lost := 0
	for _, f := range failed {
		lost += len(f.IDs)
	}
	if lost > 0 {
		message, code = messages[1], 2
	}
	if lost > 0 && total == 0 {
		message, code = messages[2], 1
	}
	if failed == nil {
		failed = []wazuh.FailedItem{}
	}
	reply(w, map[string]any{
		"data":    map[string]any{"affected_items": items, "total_affected_items": total, "total_failed_items": lost, "failed_items": failed},
		"message": message, "error": code,
	})
}
