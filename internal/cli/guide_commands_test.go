package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A page that shows a command nobody can run is worse than none: every command of
// ours exists and takes these flags and, in a shell block, this number of arguments.
func TestTheGuidesCommandsExist(t *testing.T) {
	pages := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*/*.md", "../../charts/*/README.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range shownCommands(string(text)) {
			seen++
			if err := wouldRun(words, true); err != nil {
				t.Errorf("%s: soctalk-ingress %s: %v", page, strings.Join(words, " "), err)
			}
		}
		for _, match := range inlineCommand.FindAllStringSubmatch(string(text), -1) {
			seen++
			if err := wouldRun(shownWords(match[1]), false); err != nil {
				t.Errorf("%s: %s: %v", page, match[0], err)
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d commands found; the pages show more", seen)
	}
}

var (
	shellBlock    = regexp.MustCompile("(?ms)^ *```sh\\n(.*?)^ *```")
	inlineCommand = regexp.MustCompile("`soctalk-ingress ([^`]+)`")
	shellWord     = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
)

// shownCommands are the arguments of each call of our program in shell blocks.
func shownCommands(page string) [][]string {
	var commands [][]string
	for _, block := range shellBlock.FindAllStringSubmatch(page, -1) {
		for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "bin/")
			rest, ours := strings.CutPrefix(line, "soctalk-ingress ")
			if !ours {
				continue
			}
			commands = append(commands, shownWords(rest))
		}
	}
	return commands
}

// shownWords are the words up to a comment, a pipe, or where the output goes.
func shownWords(line string) []string {
	var words []string
	for _, word := range shellWord.FindAllString(line, -1) {
		if strings.HasPrefix(word, "#") || strings.HasPrefix(word, ">") || word == "|" {
			break
		}
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(word))
	}
	return words
}

// wouldRun parses a command as the program does, and does not run it. What is not
// complete is named only: its arguments are not counted.
func wouldRun(words []string, complete bool) error {
	root := newRootCommand(newSession(Program{}))
	command, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	if !complete && !command.HasSubCommands() {
		return nil
	}
	return command.ValidateArgs(command.Flags().Args())
}
