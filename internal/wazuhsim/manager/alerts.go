package manager

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// keptEvents bounds what a long load test leaves in memory.
const keptEvents = 10_000

// sshdFailed is the one rule we have: the line that a canary sends.
var sshdFailed = regexp.MustCompile(`^(\w{3} +\d+ \d\d:\d\d:\d\d) (\S+) sshd\[\d+\]: Failed password for (\S+) from (\S+) port (\d+)`)

// Alert is a line of alerts.json, and a document in the indexer.
type Alert struct {
	Timestamp  string            `json:"timestamp"`
	Rule       Rule              `json:"rule"`
	Agent      AlertAgent        `json:"agent"`
	Manager    NamedThing        `json:"manager"`
	ID         string            `json:"id"`
	FullLog    string            `json:"full_log"`
	Predecoder map[string]string `json:"predecoder,omitempty"`
	Decoder    map[string]string `json:"decoder,omitempty"`
	Data       map[string]string `json:"data,omitempty"`
	Location   string            `json:"location"`
}

// Rule is why an event became an alert.
type Rule struct {
	Level       int      `json:"level"`
	Description string   `json:"description"`
	ID          string   `json:"id"`
	FiredTimes  int      `json:"firedtimes"`
	Groups      []string `json:"groups"`
}

// AlertAgent is who sent the event: whose key opened it, not what the text says.
type AlertAgent struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	IP   string `json:"ip,omitempty"` // as reported by the agent; never the TCP peer
}

// NamedThing is an object with only a name.
type NamedThing struct {
	Name string `json:"name"`
}

// analysis stands for analysisd and everything behind it.
type analysis struct {
	m *Manager

	mu     sync.Mutex
	alerts []Alert
	events int
	fired  int
}

// analyse turns an event into an alert if the rule matches.
func (a *analysis) analyse(key wazuh.Key, msg []byte) {
	e, err := wazuh.ParseEvent(msg)
	if err != nil || strings.HasPrefix(e.Location, "keepalive") {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events++
	found := sshdFailed.FindStringSubmatch(e.Text)
	const level = 5
	if found == nil || level < a.m.conf.Global.AlertLevel {
		return
	}
	a.fired++
	now := a.m.store.now().UTC()
	alert := Alert{
		Timestamp:  now.Format("2006-01-02T15:04:05.000-0700"),
		Rule:       Rule{Level: level, Description: "sshd: authentication failed.", ID: "5760", FiredTimes: a.fired, Groups: []string{"syslog", "sshd", "authentication_failed"}},
		Agent:      AlertAgent{ID: key.ID, Name: key.Name, IP: a.m.reportedIP(key.ID)},
		Manager:    NamedThing{a.m.o.Hostname},
		ID:         fmt.Sprintf("%d.%d", now.Unix(), a.fired),
		FullLog:    e.Text,
		Predecoder: map[string]string{"program_name": "sshd", "timestamp": found[1], "hostname": found[2]},
		Decoder:    map[string]string{"parent": "sshd", "name": "sshd"},
		Data:       map[string]string{"dstuser": found[3], "srcip": found[4], "srcport": found[5]},
		Location:   e.Location,
	}
	a.keep(alert)
}

func (a *analysis) keep(alert Alert) {
	if len(a.alerts) == keptEvents {
		a.alerts = append(a.alerts[:0], a.alerts[keptEvents/2:]...)
	}
	a.alerts = append(a.alerts, alert)
	line, err := json.Marshal(alert)
	if err == nil {
		err = a.m.root.appendTo(alertsFile, append(line, '\n'))
	}
	if err != nil {
		a.m.log.Error("write alerts.json", "error", err)
	}
}

// search returns the alerts whose JSON contains text.
func (a *analysis) search(text string) []Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	hits := []Alert{}
	for _, alert := range a.alerts {
		line, err := json.Marshal(alert)
		if err == nil && strings.Contains(string(line), text) {
			hits = append(hits, alert)
		}
	}
	return hits
}

func (a *analysis) counted() (events, alerts int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.events, a.fired
}

func (m *Manager) reportedIP(id string) string {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	if r, ok := m.store.rows[id]; ok {
		return r.IP
	}
	return ""
}

// versionOf takes the agent's version from the end of its description of the system.
func versionOf(system string) string {
	if at := strings.LastIndex(system, " - Wazuh "); at >= 0 {
		return system[at+len(" - "):]
	}
	return ""
}
