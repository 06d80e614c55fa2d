package wazuh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// maxAPIResponse bounds what is read of one answer. A page of agents is well below it.
	maxAPIResponse = 8 << 20

	apiAttempts   = 4
	apiFirstPause = 500 * time.Millisecond
)

// APIOptions say where a manager's API is and who asks.
type APIOptions struct {
	URL      string // https://host:55000
	User     string
	Password Secret

	// HTTP carries the requests, with the caller's timeouts and trust. Nil is http.DefaultClient,
	// which doesn't trust the self-signed certificate a manager makes for itself.
	HTTP *http.Client

	// Pause waits between attempts; nil is a timer. Tests pass one that doesn't wait.
	Pause func(context.Context, time.Duration) error
}

// API is a client of one manager's REST API. It is safe for concurrent use. It keeps its token,
// because a manager counts logins per source address and blocks all of them together.
//
// It never reads /manager/configuration/auth/auth: that answer contains the enrollment secret.
type API struct {
	base     string
	user     string
	password Secret
	http     *http.Client
	pause    func(context.Context, time.Duration) error

	login       sync.Mutex // held during a login, so that concurrent requests share one
	loginMethod string     // POST, or GET once a manager before 4.4 turned out to know no other
	token       Secret

	nodes sync.Mutex
	node  string // the manager's name in its own cluster, once it turned out to be a Wazuh 5
}

// NewAPI checks the options; it doesn't connect.
func NewAPI(o APIOptions) (*API, error) {
	u, err := url.Parse(o.URL)
	if err == nil && u.User != nil {
		return nil, errors.New("manager API URL contains a user or password; pass them as User and Password")
	}
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("manager API URL %q: want https://host:55000", o.URL)
	}
	a := &API{loginMethod: http.MethodPost, base: strings.TrimSuffix(o.URL, "/"), user: o.User, password: o.Password, http: o.HTTP, pause: o.Pause}
	if a.http == nil {
		a.http = http.DefaultClient
	}
	if a.pause == nil {
		a.pause = pause
	}
	return a, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// do sends a request that may be repeated, until the manager is ready for it or the attempts run
// out, and decodes the data of the envelope into out. Every request this client makes may be
// repeated: reading changes nothing, and an agent that is already gone can't be deleted twice.
func (a *API) do(ctx context.Context, method, path string, query url.Values, out any) error {
	wait := apiFirstPause
	for attempt := 1; ; attempt++ {
		err := a.once(ctx, method, path, query, out)
		if err == nil || attempt == apiAttempts || !notReady(err) {
			return err
		}
		if perr := a.pause(ctx, wait); perr != nil {
			return errors.Join(err, perr)
		}
		wait *= 2
	}
}

// once sends a request, with a fresh token if the one we have isn't accepted any more.
func (a *API) once(ctx context.Context, method, path string, query url.Values, out any) error {
	token, err := a.currentToken(ctx, Secret{})
	if err != nil {
		return err
	}
	body, err := a.send(ctx, method, path, query, bearer(token))
	var problem *Problem
	if errors.As(err, &problem) && problem.Status == http.StatusUnauthorized {
		if token, err = a.currentToken(ctx, token); err != nil {
			return err
		}
		body, err = a.send(ctx, method, path, query, bearer(token))
	}
	if err != nil {
		return err
	}
	return decodeEnvelope(method+" "+path, body, out)
}

// currentToken returns the token, after logging in if there is none or it is the refused one.
func (a *API) currentToken(ctx context.Context, refused Secret) (Secret, error) {
	a.login.Lock()
	defer a.login.Unlock()
	if !a.token.IsZero() && !a.token.Equal(refused) {
		return a.token, nil
	}
	a.token = Secret{}
	body, err := a.logIn(ctx)
	var problem *Problem
	if errors.As(err, &problem) && problem.Status == http.StatusMethodNotAllowed {
		// Both ways, for a manager may have been updated since.
		a.loginMethod = map[string]string{http.MethodPost: http.MethodGet, http.MethodGet: http.MethodPost}[a.loginMethod]
		body, err = a.logIn(ctx)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("log in to the manager API as %q: %w", a.user, err)
	}
	var answer struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Token == "" {
		return Secret{}, fmt.Errorf("log in to the manager API as %q: the answer contains no token", a.user)
	}
	a.token = NewSecret(answer.Data.Token)
	return a.token, nil
}

func (a *API) logIn(ctx context.Context) ([]byte, error) {
	return a.send(ctx, a.loginMethod, "/security/user/authenticate", nil, func(r *http.Request) {
		r.SetBasicAuth(a.user, a.password.Reveal())
	})
}

func bearer(token Secret) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token.Reveal()) }
}

// send makes one round trip and returns the body of a success; anything else is a *Problem.
func (a *API) send(ctx context.Context, method, path string, query url.Values, authorize func(*http.Request)) ([]byte, error) {
	target := a.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	authorize(req)
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAPIResponse+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	if len(body) > maxAPIResponse {
		return nil, fmt.Errorf("%s %s: the answer is larger than %d bytes", method, path, maxAPIResponse)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, parseProblem(method+" "+path, res.StatusCode, body)
	}
	return body, nil
}
