// Package fault gives errors what a person needs beside their text: a class, which
// says whose turn it is, and the next step. The command line makes exit codes and
// hints of them, the console makes answers. [Explain] reads any error so, also those
// of the API server and the planner, which then sound alike.
package fault

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// Class says how a request ended. Its numbers are the command line's exit codes.
type Class int

// The classes.
const (
	// Failed: the cluster or the manager could not be reached, or refused the user.
	Failed Class = iota + 1
	// Usage: the request itself is wrong.
	Usage
	// NotFound: there is no such tenant, agent, token, link or report.
	NotFound
	// Refused: the specification is wrong, or the tenant is not in a state for this.
	Refused
	// Timeout: it did not come true in time.
	Timeout
)

// Error is an error with its class, and a hint what to do next: at the command line, and
// on a page, where nobody can type commands.
type Error struct {
	Class Class
	Err   error
	Hint  string
	Page  string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// New gives an error a class and a hint that holds everywhere.
func New(class Class, err error, hint string, args ...any) error {
	text := fmt.Sprintf(hint, args...)
	return &Error{Class: class, Err: err, Hint: text, Page: text}
}

// NewShell gives an error a class and a hint for the command line; page is what is said on
// a page instead, and may be empty where the page shows it anyway.
func NewShell(class Class, err error, page, hint string, args ...any) error {
	return &Error{Class: class, Err: err, Hint: fmt.Sprintf(hint, args...), Page: page}
}

// AsUsage marks an error as one of the request; nil stays nil, and an error that has
// a class keeps it.
func AsUsage(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &Error{Class: Usage, Err: err}
}

// ClassOf is the one table from errors to classes.
func ClassOf(err error) Class {
	var known *Error
	var problem *plan.Problem
	var missing *onboard.Missing
	switch {
	case errors.As(err, &known):
		return known.Class
	case errors.As(err, &problem), errors.As(err, &missing):
		return Refused
	case apierrors.IsNotFound(err):
		return NotFound
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		return Refused
	}
	return Failed
}
