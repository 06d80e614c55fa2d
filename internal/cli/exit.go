package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/demo"
	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// Exit codes. Scripts depend on them: the text below and the numbers change together.
const (
	exitOK       = 0
	exitFailed   = int(fault.Failed)
	exitUsage    = int(fault.Usage)
	exitNotFound = int(fault.NotFound)
	exitRefused  = int(fault.Refused)
	exitTimeout  = int(fault.Timeout)
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
type failure = fault.Error

// hinted gives an error an exit code and a hint.
func hinted(code int, err error, hint string, args ...any) error {
	return fault.New(fault.Class(code), err, hint, args...)
}

// asUsage marks an error as one of the command line; nil stays nil.
func asUsage(err error) error { return fault.AsUsage(err) }

// usageError is an error of the command line.
func usageError(format string, args ...any) error { return asUsage(fmt.Errorf(format, args...)) }

// codeOf is the exit code of an error.
func codeOf(err error) int {
	if errors.Is(err, demo.ErrInterrupted) {
		return exitInterrupted
	}
	return int(fault.ClassOf(err))
}
