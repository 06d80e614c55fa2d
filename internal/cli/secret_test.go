package cli

import (
	"strings"
	"testing"
	"time"
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

func TestRotationRequests(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 5, time.UTC)
	for overlap, want := range map[string]string{
		"":     "2026-11-23T04:00:00.000000005Z",
		"0":    "2026-11-23T04:00:00.000000005Z overlap=0s",
		"36h":  "2026-11-23T04:00:00.000000005Z overlap=36h0m0s",
		"-1h":  "",
		"soon": "",
	} {
		got, err := rotateFlags{overlap: overlap}.request(now)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("--overlap %q: %q, %v; want %q", overlap, got, err, want)
		}
	}
}
