package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/internal/demo"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// Exit codes. Scripts depend on them: the text below and the numbers change together.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotFound = 3
	exitRefused  = 4
	exitTimeout  = 5
	// As a shell counts a program that SIGINT ended.
	exitInterrupted = 130
)

const exitCodesText = `  0  done
  1  failed: the cluster or the manager could not be reached, or refused the user
  2  usage: the command line is wrong
  3  not found: no such tenant, agent, token, link, report, edge or Region
  4  refused: the specification is wrong, or the tenant is not in a state for this
  5  timed out: --timeout passed before what was waited for came true
  130  the demo was interrupted`

// newExitCodesTopic is text only: soctalk-ingress help exit-codes.
func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "what the exit codes mean",
		Long:  "Exit codes:\n\n" + exitCodesText,
	}
}

// failure is an error with an exit code and a hint what to do next.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// hinted gives an error an exit code and a hint.
func hinted(code int, err error, hint string, args ...any) error {
	return &failure{code: code, err: err, hint: fmt.Sprintf(hint, args...)}
}

// asUsage marks an error as one of the command line; nil stays nil.
func asUsage(err error) error {
	var known *failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &failure{code: exitUsage, err: err}
}

// usageError is an error of the command line.
func usageError(format string, args ...any) error { return asUsage(fmt.Errorf(format, args...)) }

// codeOf is the one table from errors to exit codes.
func codeOf(err error) int {
	var known *failure
	var problem *plan.Problem
	var missing *onboard.Missing
	switch {
	case errors.As(err, &known):
		return known.code
	case errors.Is(err, demo.ErrInterrupted):
		return exitInterrupted
	case errors.As(err, &problem), errors.As(err, &missing):
		return exitRefused
	case apierrors.IsNotFound(err):
		return exitNotFound
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsAlreadyExists(err), apierrors.IsConflict(err):
		return exitRefused
	}
	return exitFailed
}
