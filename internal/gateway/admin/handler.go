package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
)

// Backend is the gateway, as the operator sees it.
type Backend interface {
	// Offer puts a policy in force. Its error is an *Outdated, or names what is
	// wrong with the policy.
	Offer(text []byte) (Pushed, error)
	State() State
	Enrollments(after uint64, limit int) audit.Page
}

// maxPage bounds what one request may read of the log.
const maxPage = 1000

// Handler serves the API. Token returns the bearer token; it is asked for each
// request, since the file it comes from may change.
func Handler(b Backend, token func() string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/policy", func(w http.ResponseWriter, r *http.Request) { putPolicy(w, r, b) })
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, b.State()) })
	mux.HandleFunc("GET /v1/enrollments", func(w http.ResponseWriter, r *http.Request) { getEnrollments(w, r, b) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !authorized(r, token()) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			complain(w, http.StatusUnauthorized, errors.New("the bearer token is missing or wrong"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// authorized compares digests, so that not even the token's length shows. An
// empty token authorizes nobody.
func authorized(r *http.Request, token string) bool {
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(shown))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && ok && token != ""
}

func putPolicy(w http.ResponseWriter, r *http.Request, b Backend) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPolicy))
	if err != nil {
		complain(w, http.StatusRequestEntityTooLarge, err)
		return
	}
	pushed, err := b.Offer(text)
	var outdated *Outdated
	switch {
	case errors.As(err, &outdated):
		answer(w, http.StatusConflict, problem{Error: err.Error(), Generation: outdated.Generation})
	case err != nil:
		complain(w, http.StatusBadRequest, err)
	default:
		answer(w, http.StatusOK, pushed)
	}
}

func getEnrollments(w http.ResponseWriter, r *http.Request, b Backend) {
	after, err := number(r, "after", 0)
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	limit, err := number(r, "limit", maxPage)
	if err != nil {
		complain(w, http.StatusBadRequest, err)
		return
	}
	answer(w, http.StatusOK, b.Enrollments(after, int(min(limit, maxPage))))
}

func number(r *http.Request, name string, otherwise uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errors.New(name + " " + strconv.Quote(text) + ": want a number from 0")
	}
	return n, nil
}

// problem is the body of every answer but the good ones.
type problem struct {
	Error      string `json:"error"`
	Generation int64  `json:"generation,omitempty"`
}

func complain(w http.ResponseWriter, status int, err error) {
	answer(w, status, problem{Error: err.Error()})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
