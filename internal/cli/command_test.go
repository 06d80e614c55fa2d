package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"mvdan.cc/sh/v3/shell"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

// everyCommand walks the tree and calls run with each command of ours.
func everyCommand(t *testing.T, run func(t *testing.T, command *cobra.Command)) {
	t.Setenv("POD_NAMESPACE", "")
	var walk func(command *cobra.Command)
	walk = func(command *cobra.Command) {
		if command.Name() == "help" || command.Name() == "completion" {
			return // cobra's own
		}
		t.Run(strings.ReplaceAll(command.CommandPath(), " ", "-"), func(t *testing.T) { run(t, command) })
		for _, child := range command.Commands() {
			walk(child)
		}
	}
	walk(newRootCommand(newSession(Program{})))
}

func TestEveryCommandExplainsItself(t *testing.T) {
	everyCommand(t, func(t *testing.T, command *cobra.Command) {
		if command.Short == "" || command.Long == "" {
			t.Error("short or long text is missing")
		}
		if r := []rune(command.Short); len(r) > 0 && unicode.IsUpper(r[0]) && !unicode.IsUpper(r[1]) {
			t.Errorf("short text %q: lower case", command.Short)
		}
		if strings.HasSuffix(command.Short, ".") {
			t.Errorf("short text %q: no full stop", command.Short)
		}
		if command.RunE == nil || command.HasSubCommands() && command.HasParent() {
			return // text, or a group
		}
		if command.Example == "" {
			t.Error("no example")
		}
		if command.Args == nil {
			t.Error("takes any arguments")
		}
	})
}

func TestHelp(t *testing.T) {
	everyCommand(t, func(t *testing.T, command *cobra.Command) {
		var out, errOut bytes.Buffer
		args := append(strings.Fields(command.CommandPath())[1:], "--help")
		if code := Main(context.Background(), args, IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut}); code != exitOK {
			t.Fatalf("exit code %d: %s", code, errOut.String())
		}
		golden.Compare(t, filepath.Join("testdata/help", strings.ReplaceAll(command.CommandPath(), " ", "-")+".txt"), out.Bytes())
	})
}

// TestExamplesAreCommands parses the flags of every example, so that none shows
// a flag that is gone.
func TestExamplesAreCommands(t *testing.T) {
	everyCommand(t, func(t *testing.T, command *cobra.Command) {
		// A backslash continues a line, as in a shell.
		for _, line := range strings.Split(strings.ReplaceAll(command.Example, "\\\n", " "), "\n") {
			line = strings.TrimSpace(line)
			words, ok := strings.CutPrefix(line, "soctalk-ingress ")
			if !ok {
				if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "kubectl ") {
					t.Errorf("neither a comment nor a command: %q", line)
				}
				continue
			}
			words, _, _ = strings.Cut(words, " | ")
			words, _, _ = strings.Cut(words, " > ")
			root := newRootCommand(newSession(Program{}))
			arguments, err := shell.Fields(words, nil)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			found, rest, err := root.Find(arguments)
			if err != nil {
				t.Errorf("%s: %v", line, err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
}
