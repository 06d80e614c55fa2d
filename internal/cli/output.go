package cli

// The rules of everything this program prints:
//
//   - Standard output carries the answer and nothing else; it can be piped.
//     Progress, questions, warnings and errors go to standard error.
//   - An error is "error: ..." and says field and quoted value; "hint: ..." on the
//     next line says what to do. Several faults give several pairs.
//   - Lower case, no full stop, no exclamation mark; names in double quotes.
//   - Colour only where a person looks: on a terminal, and neither with NO_COLOR in
//     the environment nor with --no-color. Marks (✓ ✗ …) carry the meaning without it.
//   - Tables come from the API server where it has one: the columns are defined
//     with the kind. -o json and -o yaml give the whole object.
//   - No secret is ever printed, not even with -o yaml.

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fatih/color"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// talk says something along the way, on standard error.
func (s *session) talk(format string, args ...any) {
	fmt.Fprintf(s.streams.ErrOut, format+"\n", args...)
}

// reportError prints what went wrong and what to do about it.
func reportError(w io.Writer, err error, command *cobra.Command) {
	for _, finding := range fault.Explain(err) {
		fmt.Fprintf(w, "error: %s\n", finding.Message)
		if finding.Hint != "" {
			fmt.Fprintf(w, "hint: %s\n", finding.Hint)
		}
	}
	var known *failure
	if command != nil && errors.As(err, &known) && known.Class == fault.Usage && known.Hint == "" {
		fmt.Fprintf(w, "hint: see %s --help\n", command.CommandPath())
	}
}

// Marks of a condition or a step.
type mark int

const (
	markGood mark = iota
	markBad
	markWaiting
)

// painter writes marks, in colour where the rules allow it.
type painter struct{ coloured bool }

// painter for an output: NO_COLOR counts when it is set to anything at all.
func (s *session) painter(w io.Writer) painter {
	return painter{coloured: isTerminal(w) && !s.noColor && os.Getenv("NO_COLOR") == ""}
}

func (p painter) mark(m mark) string {
	sign, paint := "…", color.New(color.FgYellow)
	switch m {
	case markGood:
		sign, paint = "✓", color.New(color.FgGreen)
	case markBad:
		sign, paint = "✗", color.New(color.FgRed)
	}
	if !p.coloured {
		return sign
	}
	paint.EnableColor() // the library's own guess looks at os.Stdout only
	return paint.Sprint(sign)
}

// isTerminal is true for a file a person looks at or types into.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
