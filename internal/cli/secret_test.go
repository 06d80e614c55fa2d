package cli

import (
	"strings"
	"testing"
)

func TestRevealRefusesBeforeItSpends(t *testing.T) {
	for name, c := range map[string]struct {
		flags    revealFlags
		terminal bool
		want     string
	}{
		"no reason":              {revealFlags{}, false, "say why"},
		"a reason of two lines":  {revealFlags{why: "a\nb"}, false, "one line"},
		"a terminal":             {revealFlags{why: "w"}, true, "nothing was revealed"},
		"both targets":           {revealFlags{why: "w", show: true, toFile: "x"}, false, "exclude"},
		"a terminal, on purpose": {revealFlags{why: "w", show: true}, true, ""},
		"a terminal and a file":  {revealFlags{why: "w", toFile: "x"}, true, ""},
		"a pipe":                 {revealFlags{why: "w"}, false, ""},
	} {
		err := c.flags.check(c.terminal)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
