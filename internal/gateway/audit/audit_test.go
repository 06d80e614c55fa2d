package audit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func numbers(p Page) []uint64 {
	var n []uint64
	for _, r := range p.Records {
		n = append(n, r.Seq)
	}
	return n
}

// A reader that asks again and again gets every record once, and is told when it
// was too slow.
func TestReadingOn(t *testing.T) {
	l := New(slog.New(slog.DiscardHandler), "i", 4)
	if p := l.After(0, 10); p.Next != 0 || p.Missed || len(p.Records) != 0 {
		t.Errorf("an empty log: %+v", p)
	}
	for range 3 {
		l.Add(Record{Outcome: Enrolled})
	}
	first := l.After(0, 2)
	if diff := cmp.Diff([]uint64{1, 2}, numbers(first)); diff != "" || first.Next != 2 || first.Missed {
		t.Errorf("%s %+v", diff, first)
	}
	for range 3 {
		l.Add(Record{Outcome: Refused})
	}
	second := l.After(first.Next, 10)
	if diff := cmp.Diff([]uint64{3, 4, 5, 6}, numbers(second)); diff != "" || second.Missed || second.Next != 6 {
		t.Errorf("%s %+v", diff, second)
	}
	if p := l.After(1, 10); !p.Missed || len(p.Records) != 4 {
		t.Errorf("record 2 is lost: %+v", p)
	}
	if p := l.After(second.Next, 10); len(p.Records) != 0 || p.Next != 6 || p.Missed {
		t.Errorf("nothing new: %+v", p)
	}
	// A number from before a restart.
	if p := l.After(99, 10); len(p.Records) != 0 || p.Next != 6 {
		t.Errorf("a number that is not there yet: %+v", p)
	}
}

func TestALineHasWhatIsKnown(t *testing.T) {
	var out bytes.Buffer
	l := New(slog.New(slog.NewJSONHandler(&out, nil)), "i", 4)
	l.Add(Record{Source: "192.0.2.1", Name: strings.Repeat("n", 1000), Outcome: Refused, Reason: "unknown-secret"})
	text := out.String()
	if !strings.Contains(text, `"source":"192.0.2.1"`) || strings.Contains(text, `"token"`) || len(text) > 700 {
		t.Errorf("got %s", text)
	}
}
