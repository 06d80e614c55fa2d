package manager

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Limits of the API (api/configuration.py).
const (
	tokenLife         = 900 * time.Second
	maxLogins         = 50
	loginBlock        = 300 * time.Second
	maxRequestsMinute = 300
	slowAnswer        = time.Second
)

// api is the REST API. Its counters are for all clients together, or per TCP peer: behind an edge
// that is the same.
type api struct {
	m        *Manager
	server   *http.Server
	listener net.Listener
	served   sync.WaitGroup

	mu       sync.Mutex
	tokens   map[string]time.Time // to their end
	failures map[string][]time.Time
	minute   time.Time
	requests int
}

func (m *Manager) startAPI(address string) (*api, error) {
	cert, err := m.keyPair(m.place.apiCert, m.place.apiKey, m.before(5, 0))
	if err != nil {
		return nil, fmt.Errorf("API: %w", err)
	}
	a := &api{m: m, tokens: map[string]time.Time{}, failures: map[string][]time.Time{}}
	if a.listener, err = net.Listen("tcp", address); err != nil {
		return nil, fmt.Errorf("API: %w", err)
	}
	a.server = &http.Server{
		Handler: a.routes(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelDebug),
	}
	secure := tls.NewListener(a.listener, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}})
	a.served.Go(func() { _ = a.server.Serve(secure) })
	return a, nil
}

func (a *api) stop() {
	_ = a.server.Close()
	a.served.Wait()
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	if !a.m.before(4, 4) {
		mux.HandleFunc("POST /security/user/authenticate", a.authenticate)
	}
	mux.HandleFunc("GET /security/user/authenticate", a.authenticate)
	for pattern, h := range map[string]http.HandlerFunc{
		"DELETE /security/user/authenticate": a.logout,
		"GET /{$}":                           a.about,
		"GET /agents":                        a.listAgents,
		"DELETE /agents":                     a.deleteAgents,
		"GET /agents/summary/status":         a.summary,
		"GET /agents/{id}/key":               a.agentKey,
		"PUT /agents/reconnect":              a.reconnect,
	} {
		mux.HandleFunc(pattern, a.authorized(h))
	}
	for pattern, h := range a.ofManager() {
		mux.HandleFunc(pattern, a.authorized(h))
	}
	mux.HandleFunc("POST /{path...}", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusMethodNotAllowed, "Method Not Allowed", "Specified method is invalid for this resource", 0)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusNotFound, "Not Found", "404: Not Found", 0)
	})
	return a.unkind(mux)
}

// ofManager has what a manager says of itself. Wazuh 5 has none of it under /manager, and no statistics
// of remoted.
func (a *api) ofManager() map[string]http.HandlerFunc {
	if !a.m.before(5, 0) {
		return map[string]http.HandlerFunc{
			"GET /cluster/local/info":              a.localInfo,
			"GET /cluster/" + thisNode + "/info":   a.managerInfo,
			"GET /cluster/" + thisNode + "/logs":   a.managerLogs,
			"GET /cluster/" + thisNode + "/status": a.managerStatus,
			"PUT /cluster/restart":                 a.restart,
		}
	}
	return map[string]http.HandlerFunc{
		"GET /manager/info":          a.managerInfo,
		"GET /manager/logs":          a.managerLogs,
		"GET /manager/status":        a.managerStatus,
		"GET /manager/stats/remoted": a.remotedStats,
		"PUT /manager/restart":       a.restart,
	}
}

// unkind applies the faults and the limit of requests before anything else.
func (a *api) unkind(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := &a.m.faults
		if f.has(FaultAPIDown) {
			panic(http.ErrAbortHandler) // net/http's way to drop a connection
		}
		if f.has(FaultAPISlow) {
			select {
			case <-time.After(slowAnswer):
			case <-r.Context().Done():
				return
			}
		}
		switch {
		case f.has(FaultAPIThrottled), a.tooMany():
			problem(w, http.StatusTooManyRequests, "Too Many Requests", "Maximum number of requests per minute reached", wazuh.CodeTooMany)
		case f.has(FaultAPINotReady):
			problem(w, http.StatusInternalServerError, "Wazuh Internal Error", "Some Wazuh daemons are not ready yet in node \"node01\" (wazuh-db->starting)", wazuh.CodeNotReady)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (a *api) tooMany() bool {
	now := a.m.store.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.minute) >= time.Minute {
		a.minute, a.requests = now, 0
	}
	a.requests++
	return a.requests > maxRequestsMinute
}

func (a *api) authenticate(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	if a.blocked(host) {
		problem(w, http.StatusForbidden, "Permission Denied", "Limit of login attempts reached. The current IP has been blocked due to a high number of login attempts", wazuh.CodeLoginsBlocked)
		return
	}
	user, password, ok := r.BasicAuth()
	right := wazuh.NewSecret(password).Equal(a.m.o.APIPassword)
	if !ok || user != a.m.o.APIUser || !right {
		a.noteFailure(host)
		problem(w, http.StatusUnauthorized, "Unauthorized", "Invalid credentials", 0)
		return
	}
	token := a.issue(user)
	if r.URL.Query().Get("raw") == "true" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(token))
		return
	}
	reply(w, map[string]any{"data": map[string]string{"token": token}, "error": 0})
}

func (a *api) blocked(host string) bool {
	now := a.m.store.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	recent := a.failures[host][:0]
	for _, at := range a.failures[host] {
		if now.Sub(at) < loginBlock {
			recent = append(recent, at)
		}
	}
	a.failures[host] = recent
	return len(recent) >= maxLogins
}

func (a *api) noteFailure(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failures[host] = append(a.failures[host], a.m.store.now())
}

// issue makes a token in the form of the real one. Its signature is random: only we check it.
func (a *api) issue(user string) string {
	now := a.m.store.now()
	end := now.Add(tokenLife)
	claims, _ := json.Marshal(map[string]any{
		"iss": "wazuh", "aud": "Wazuh API REST", "nbf": now.Unix(), "exp": end.Unix(),
		"sub": user, "run_as": false, "rbac_mode": "white",
	})
	var signature [66]byte
	_, _ = rand.Read(signature[:])
	enc := base64.RawURLEncoding.EncodeToString
	token := enc([]byte(`{"alg":"ES512","typ":"JWT"}`)) + "." + enc(claims) + "." + enc(signature[:])
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[token] = end
	return token
}

func (a *api) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			problem(w, http.StatusUnauthorized, "Unauthorized", "No authorization token provided", 0)
			return
		}
		if detail := a.check(token); detail != "" {
			problem(w, http.StatusUnauthorized, "Unauthorized", detail, 0)
			return
		}
		next(w, r)
	}
}

// check returns what is wrong with a token.
func (a *api) check(token string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	end, known := a.tokens[token]
	switch {
	case !known, a.m.faults.has(FaultAPITokens):
		return "Invalid token"
	case !a.m.store.now().Before(end):
		return "Token expired"
	}
	return ""
}

func (a *api) logout(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	clear(a.tokens)
	a.mu.Unlock()
	reply(w, map[string]any{"message": "User wazuh was successfully logged out", "error": 0})
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, title, detail string, code int) {
	body := map[string]any{"title": title, "detail": detail}
	if code != 0 {
		body["error"] = code
	}
	w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
