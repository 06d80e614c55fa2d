package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/website"
)

const (
	// maxBody is far above what any request needs.
	maxBody = 64 << 10
	// policy lets the pages run their own scripts and styles and nothing else, and
	// talk to where they came from and nowhere else.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// patience is how long a request may wait for the cluster. It is over before the server
// hangs up, so that whoever asked is told.
const patience = 90 * time.Second

// bounded ends what a request does when it has lasted too long.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, done := context.WithTimeout(r.Context(), patience)
		defer done()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// guarded puts what keeps the console to itself on every answer, errors too, and writes
// down where a panic was: not what it said, which could be anything.
func (c *Console) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch failure := recover(); failure {
			case nil:
			case http.ErrAbortHandler:
				panic(failure)
			default:
				c.options.Log.Error("a request ended in a panic", "method", r.Method, "kind", fmt.Sprintf("%T", failure), "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler) // part of an answer may be out
			}
		}()
		website.Guard(w, policy)
		next.ServeHTTP(w, r)
	})
}

// open answers anybody; an error becomes a Problem.
func open(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := handle(w, r); err != nil {
			status, problem := problemOf(err)
			answer(w, status, problem)
		}
	})
}

// take reads a request's body, and refuses fields nobody knows.
func take(_ http.ResponseWriter, r *http.Request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return refuse(http.StatusBadRequest, "", "the body is not application/json", "")
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "", "the body cannot be read: "+strings.TrimPrefix(err.Error(), "json: "), "")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "", "the body goes on after its end", "")
	}
	return nil
}

func give(w http.ResponseWriter, value any) error {
	answer(w, http.StatusOK, value)
	return nil
}

// accept answers that the operator goes on with it.
func accept(w http.ResponseWriter, message string, warning error) error {
	accepted := wire.Accepted{Message: message}
	if warning != nil {
		accepted.Warning = warning.Error()
	}
	answer(w, http.StatusAccepted, accepted)
	return nil
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // whoever asked has gone; there is nobody to tell
}

// problemOf is the one table from errors to answers. The words are the command line's,
// but for what to type next.
func problemOf(err error) (int, wire.Problem) {
	if known := asRefusal(err); known != nil {
		return known.status, known.Problem
	}
	var problems []wire.Problem
	for _, finding := range fault.Explain(err) {
		problems = append(problems, wire.Problem{Error: finding.Message, Field: finding.Field, Next: finding.Page})
	}
	first := problems[0]
	first.More = problems[1:]
	status := statusOf(err)
	if errors.Is(err, context.DeadlineExceeded) {
		first.Next = "no answer came in time; try again"
	}
	if status == http.StatusForbidden {
		first.Next = "ask the cluster's administrator for the right that is named here"
	}
	return status, first
}

func statusOf(err error) int {
	var problem *plan.Problem
	var missing *onboard.Missing
	var unready *desk.NotReady
	var forbidden *desk.Forbidden
	switch {
	case apierrors.IsForbidden(err), errors.As(err, &forbidden):
		return http.StatusForbidden
	case errors.As(err, &missing), errors.As(err, &unready), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	case errors.As(err, &problem), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return http.StatusUnprocessableEntity
	}
	switch fault.ClassOf(err) {
	case fault.Usage:
		return http.StatusUnprocessableEntity
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Refused:
		return http.StatusConflict
	case fault.Timeout:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// list is a list that is written as [] when it is empty.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
