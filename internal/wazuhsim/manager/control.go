package manager

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// control is the port that tests steer the manager by. It listens on loopback only, and never shows
// a key or a password.
//
//	GET    /state                   addresses, counts, what authd has read, faults that are on
//	GET    /agents                  the agent database, as the API shows it
//	GET    /alerts?q=TEXT           alerts whose JSON contains TEXT, in the form of an indexer's search
//	GET    /faults                  every fault, what it does, whether it is on
//	POST   /faults/NAME             turn a fault on
//	DELETE /faults/NAME             turn it off
//	POST   /restart?daemon=authd    read certificate, password and <auth> again; sessions stay
//	POST   /restart?daemon=all      the same, and drop every session
type control struct {
	server   *http.Server
	listener net.Listener
	served   sync.WaitGroup
}

// State is what the control port tells of the manager.
type State struct {
	Addresses   Addresses `json:"addresses"`
	Faults      []string  `json:"faults"`
	Agents      int       `json:"agents"`
	Connections int       `json:"connections"` // on the events port
	Events      int       `json:"events"`
	Alerts      int       `json:"alerts"`
	Authd       Authd     `json:"authd"`
}

// Authd is what the running authd has read when it started.
type Authd struct {
	Running     bool   `json:"running"`
	Password    bool   `json:"password"` // whether it asks for one
	Fingerprint string `json:"fingerprint,omitempty"`
	Connections int    `json:"connections"`
}

func (m *Manager) startControl(address string) (*control, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("control port: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { reply(w, m.State()) })
	mux.HandleFunc("GET /agents", func(w http.ResponseWriter, _ *http.Request) { reply(w, m.Agents()) })
	mux.HandleFunc("GET /alerts", m.searchAlerts)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, m.faultTable()) })
	mux.HandleFunc("POST /faults/{name}", func(w http.ResponseWriter, r *http.Request) { m.switchFault(w, r, true) })
	mux.HandleFunc("DELETE /faults/{name}", func(w http.ResponseWriter, r *http.Request) { m.switchFault(w, r, false) })
	mux.HandleFunc("POST /restart", m.restartDaemon)
	c := &control{listener: l, server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
	c.served.Go(func() { _ = c.server.Serve(l) })
	return c, nil
}

func (c *control) stop() {
	_ = c.server.Close()
	c.served.Wait()
}

// State returns the manager's state.
func (m *Manager) State() State {
	events, alerts := m.alerts.counted()
	s := State{
		Addresses: m.Addresses(), Faults: m.faults.list(), Agents: len(m.rows()),
		Connections: m.remoted.conns.count(), Events: events, Alerts: alerts,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.authd; a != nil {
		sum := sha256.Sum256(a.tls.Certificates[0].Certificate[0])
		s.Authd = Authd{Running: true, Password: !a.password.IsZero(), Fingerprint: hex.EncodeToString(sum[:]), Connections: a.conns.count()}
	}
	return s
}

// Agents returns the agents as the API shows them, without the manager itself.
func (m *Manager) Agents() []AgentView {
	views := []AgentView{}
	for _, r := range m.rows() {
		views = append(views, view(r, m.o.Hostname))
	}
	return views
}

// searchAlerts answers in the form of an indexer's search.
func (m *Manager) searchAlerts(w http.ResponseWriter, r *http.Request) {
	type hit struct {
		Index  string `json:"_index"`
		ID     string `json:"_id"`
		Source Alert  `json:"_source"`
	}
	hits := []hit{}
	for _, a := range m.alerts.search(r.URL.Query().Get("q")) {
		day := "wazuh-alerts-4.x-" + m.store.now().UTC().Format("2006.01.02")
		hits = append(hits, hit{Index: day, ID: a.ID, Source: a})
	}
	reply(w, map[string]any{"hits": map[string]any{"total": map[string]int{"value": len(hits)}, "hits": hits}})
}

func (m *Manager) faultTable() map[string]any {
	table := map[string]any{}
	for f, what := range Faults() {
		table[string(f)] = map[string]any{"effect": what, "on": m.faults.has(f)}
	}
	return table
}

func (m *Manager) switchFault(w http.ResponseWriter, r *http.Request, on bool) {
	if err := m.faults.set(r.PathValue("name"), on); err != nil {
		complain(w, http.StatusNotFound, err)
		return
	}
	reply(w, map[string]any{"faults": m.faults.list()})
}

func (m *Manager) restartDaemon(w http.ResponseWriter, r *http.Request) {
	restart := map[string]func() error{"authd": m.RestartAuthd, "all": m.Restart}
	name := r.URL.Query().Get("daemon")
	do, ok := restart[name]
	if !ok {
		complain(w, http.StatusBadRequest, fmt.Errorf("daemon %q can't be restarted; want authd or all", name))
		return
	}
	if err := do(); err != nil {
		complain(w, http.StatusInternalServerError, err)
		return
	}
	reply(w, m.State())
}

func complain(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
