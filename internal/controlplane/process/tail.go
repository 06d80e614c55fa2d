package process

import (
	"bytes"
	"strings"
	"sync"
)

// tailLines is how much of a child's output an error quotes.
const tailLines = 30

// maxPartial bounds a line that never ends.
const maxPartial = 16 << 10

// tail remembers the last lines written to it.
type tail struct {
	mu      sync.Mutex
	keep    int
	lines   []string
	partial []byte
}

func newTail(keep int) *tail { return &tail{keep: keep} }

// Write never fails: output that nobody reads must not stop a child.
func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	written := len(data)
	for {
		line, rest, ended := bytes.Cut(data, []byte("\n"))
		if room := maxPartial - len(t.partial); len(line) > room {
			line = line[:room]
		}
		t.partial = append(t.partial, line...)
		if !ended {
			return written, nil
		}
		t.lines = append(t.lines, string(t.partial))
		if extra := len(t.lines) - t.keep; extra > 0 {
			t.lines = append(t.lines[:0], t.lines[extra:]...)
		}
		t.partial, data = t.partial[:0], rest
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	if len(t.partial) > 0 {
		lines = append(lines[:len(lines):len(lines)], string(t.partial))
	}
	return strings.Join(lines, "\n")
}
