package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
)

// teller prints steps as they happen: prose with ticks, or JSON, one object a
// line. Data goes to out; progress and talk to err.
type teller struct {
	out, err io.Writer
	json     bool
	color    bool
	// interrupted says whether somebody has ended the story; what fails then is no news.
	interrupted func() bool

	mu       sync.Mutex
	lastLine time.Time
	steps    int
}

// told is one step in JSON.
type told struct {
	Step    string  `json:"step"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail,omitempty"`
	Error   string  `json:"error,omitempty"`
}

func newTeller(ctx context.Context, options Options) *teller {
	return &teller{out: options.Out, err: options.Err, json: options.JSON, color: options.Color,
		interrupted: func() bool { return ctx.Err() != nil }}
}

// step does one thing and tells whether it happened, how long it took, and what
// was seen.
func (t *teller) step(name string, do func() (seen string, err error)) error {
	begin := time.Now()
	seen, err := do()
	return t.seen(name, seen, time.Since(begin), err)
}

// seen tells of a step that somebody else has timed.
func (t *teller) seen(name, seen string, took time.Duration, err error) error {
	if err != nil && t.interrupted() {
		return err
	}
	t.steps++
	if t.json {
		line := told{Step: name, OK: err == nil, Seconds: took.Seconds(), Detail: seen}
		if err != nil {
			line.Error = err.Error()
		}
		if encodeErr := json.NewEncoder(t.out).Encode(line); encodeErr != nil {
			return encodeErr
		}
		return err
	}
	mark, color := "✓", "32"
	if err != nil {
		mark, color = "✗", "31"
	}
	fmt.Fprintf(t.out, "%s %-62s %6.1fs\n", t.paint(color, mark), name, took.Seconds())
	for _, line := range strings.Split(strings.TrimSpace(seen), "\n") {
		if line != "" {
			fmt.Fprintf(t.out, "    %s\n", t.paint("2", line))
		}
	}
	return err
}

// chapter is a heading; JSON has none.
func (t *teller) chapter(title string) {
	if !t.json {
		fmt.Fprintf(t.out, "\n%s\n", t.paint("1", title))
	}
}

// note is a line about the lines that follow; JSON has none.
func (t *teller) note(text string) {
	if !t.json {
		fmt.Fprintf(t.out, "  %s\n", t.paint("2", text))
	}
}

// say is talk around the story.
func (t *teller) say(text string) { fmt.Fprintln(t.err, text) }

// doing is progress within a step.
func (t *teller) doing(what string) {
	if !t.json {
		fmt.Fprintf(t.err, "  … %s\n", what)
	}
}

// building tells of the compilation every few seconds, however often it is called.
func (t *teller) building(progress controlplane.BuildProgress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.lastLine) < 5*time.Second {
		return
	}
	t.lastLine = time.Now()
	elapsed := progress.Elapsed.Round(time.Second)
	if progress.Waiting {
		fmt.Fprintf(t.err, "  … %s: another process is building the same; waiting\n", elapsed)
		return
	}
	fmt.Fprintf(t.err, "  … %s: %d of at most %d packages, %s\n", elapsed, progress.Done, progress.Total, progress.Package)
}

func (t *teller) end(took time.Duration) {
	if t.json {
		return
	}
	fmt.Fprintf(t.out, "\n%s %d steps in %.1fs\n", t.paint("32", "story done:"), t.steps, took.Seconds())
}

func (t *teller) paint(code, text string) string {
	if !t.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
