package edge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// linesOf reads a file the way HAProxy does.
func linesOf(text []byte) []string {
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\r\n"); !strings.HasPrefix(line, "#") && strings.TrimLeft(line, " \t") != "" {
			lines = append(lines, strings.TrimLeft(line, " \t"))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestALineFileHoldsWhatItWasGiven(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		f := newLineFile(dir, "lines", 32)
		line := rapid.Custom(func(r *rapid.T) string { return fmt.Sprintf("%d line", rapid.IntRange(0, 200).Draw(r, "n")) })
		want := map[string]bool{}
		for _, l := range rapid.SliceOf(line).Draw(r, "first") {
			want[l] = true
		}
		if _, err := f.replace(slices.Sorted(maps.Keys(want))); err != nil {
			r.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(r, "changes") {
			add, remove := rapid.SliceOfDistinct(line, rapid.ID).Draw(r, "add"), rapid.SliceOfDistinct(line, rapid.ID).Draw(r, "remove")
			remove = without(remove, func(l string) bool { return slices.Contains(add, l) })
			if err := f.change(add, remove); err != nil {
				r.Fatal(err)
			}
			for _, l := range add {
				want[l] = true
			}
			for _, l := range remove {
				delete(want, l)
			}
			text := read(t, dir, "lines")
			if !bytes.Equal([]byte(text), f.image) {
				r.Fatal("the file is not what it is believed to be")
			}
			if have := linesOf([]byte(text)); !slices.Equal(have, slices.Sorted(maps.Keys(want))) {
				r.Fatalf("the file holds %q, want %v", have, want)
			}
		}
		if changed, err := f.replace(slices.Sorted(maps.Keys(want))); changed || err != nil {
			r.Fatalf("written again without need: %v, %v", changed, err)
		}
	})
}

// Whoever reads the file while it changes finds whole lines, and of a line that
// is exchanged the old one, the new one or both.
func TestAReaderFindsWholeLines(t *testing.T) {
	dir := t.TempDir()
	f := newLineFile(dir, "lines", routeWidth)
	state := func(n int) string {
		return fmt.Sprintf("15140 s7/A/10.99.0.1/1514/ev_0/1220/1220/%07d/%s", n, strings.Repeat(string('a'+rune(n%26)), 30))
	}
	if _, err := f.replace([]string{"15141 stays", state(0)}); err != nil {
		t.Fatal(err)
	}
	const changes = 300
	done := make(chan error, 1)
	go func() {
		for n := range changes {
			if err := f.change([]string{state(n + 1)}, []string{state(n)}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	known := map[string]bool{}
	for n := range changes + 1 {
		known[state(n)] = true
	}
	for reads := 0; ; reads++ {
		lines := linesOf([]byte(read(t, dir, "lines")))
		if len(lines) < 2 || len(lines) > 3 || !slices.Contains(lines, "15141 stays") {
			t.Fatalf("a reader finds %q", lines)
		}
		for _, line := range lines {
			if line != "15141 stays" && !known[line] {
				t.Fatalf("a reader finds a line nobody wrote: %q", line)
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d readings during %d changes", reads, changes)
			return
		default:
		}
	}
}

// A file that is not as it was left is not written into.
func TestALineFileOfSomebodyElse(t *testing.T) {
	dir := t.TempDir()
	f := newLineFile(dir, "lines", 32)
	if err := f.change([]string{"a"}, nil); err == nil {
		t.Error("a file of which nothing is known was written into")
	}
	if _, err := f.replace([]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lines"), []byte("c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.change(nil, []string{"a"}); err == nil {
		t.Error("somebody else's file was written into")
	}
	if changed, err := f.replace([]string{"b"}); !changed || err != nil {
		t.Fatalf("replaced: %v, %v", changed, err)
	}
	if have := linesOf([]byte(read(t, dir, "lines"))); !slices.Equal(have, []string{"b"}) {
		t.Errorf("the file holds %q", have)
	}
	if err := f.change([]string{strings.Repeat("x", 31)}, nil); err == nil {
		t.Error("a line that is too long was written")
	}
}

// The longest line there can be fits.
func TestEveryLineFits(t *testing.T) {
	longest := "65535 s65535/A/" + strings.Repeat("ffff:", 7) + "ffff/65535/ev_9999/9999999/9999999/9999999"
	if len(longest) > routeWidth-2 {
		t.Errorf("a route's line may have %d bytes", len(longest))
	}
	for _, line := range []string{"fd00:0:0:0:65:535:ffff:ffff/128", "fd01:65:535:ffff:ffff:ffff:ffff:ffff/128", "65535-" + strings.Repeat("ffff:", 7) + "ffff"} {
		if len(line) > networkWidth-2 {
			t.Errorf("%q is too long", line)
		}
	}
}

// The journal was cut off at any byte: what had been written whole counts.
func TestAJournalThatWasCutOff(t *testing.T) {
	a, b := routeFor(0, "127.0.0.1:1514").WithDefaults(), routeFor(1, "127.0.0.1:1514").WithDefaults()
	moved := a
	moved.Slot = 9
	var whole []byte
	states := map[int]string{0: ""}
	have := map[string]haproxy.Route{}
	for _, step := range []struct{ before, after map[string]haproxy.Route }{
		{nil, map[string]haproxy.Route{"t0": a}}, {nil, map[string]haproxy.Route{"t1": b}},
		{map[string]haproxy.Route{"t0": a}, map[string]haproxy.Route{"t0": moved}}, {map[string]haproxy.Route{"t1": b}, nil},
	} {
		line, err := journalOf(step.before, step.after)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, line...)
		for slug := range step.before {
			delete(have, slug)
		}
		maps.Copy(have, step.after)
		states[len(whole)] = describe(t, slices.Collect(maps.Values(have)))
	}
	want := ""
	for n := range len(whole) + 1 {
		if state, complete := states[n]; complete {
			want = state
		}
		routes, err := replay(saved{}, whole[:n])
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got := describe(t, routes); got != want {
			t.Fatalf("%d bytes: %s, want %s", n, got, want)
		}
	}
	for _, spoilt := range []string{"rubbish\n", "{}\n", `{"gone":"a","route":{}}` + "\n"} {
		if _, err := replay(saved{}, append([]byte(spoilt), whole...)); err == nil {
			t.Errorf("a journal that begins with %q is believed", spoilt)
		}
	}
}

func describe(t *testing.T, routes []haproxy.Route) string {
	t.Helper()
	if len(routes) == 0 {
		return ""
	}
	slices.SortFunc(routes, func(a, b haproxy.Route) int { return strings.Compare(a.Tenant, b.Tenant) })
	text, err := json.Marshal(routes)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A journal that has grown long is taken into the model, and says nothing then.
func TestALongJournalIsTakenIn(t *testing.T) {
	s := newStore(haproxy.Config{First: firstPort, Last: lastPort, Dir: t.TempDir()})
	route := routeFor(0, "127.0.0.1:1514").WithDefaults()
	if _, err := s.save([]haproxy.Route{route}); err != nil {
		t.Fatal(err)
	}
	many := map[string]haproxy.Route{}
	for n := 1; n < 1500; n++ {
		many[fmt.Sprintf("t%d", n)] = routeFor(n, "127.0.0.1:1514").WithDefaults()
	}
	for _, step := range []struct{ before, after map[string]haproxy.Route }{{nil, many}, {many, nil}} {
		if err := s.change(step.before, step.after); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.journal) < journalLimit {
		t.Fatalf("the journal has only %d bytes", len(s.journal))
	}
	if changed, err := s.save([]haproxy.Route{route}); changed || err != nil {
		t.Errorf("that is no drift: %v, %v", changed, err)
	}
	if text := read(t, s.dir, fileJournal); text != "" {
		t.Errorf("the journal still has %d bytes", len(text))
	}
	routes, err := newStore(s.config).load()
	if err != nil || len(routes) != 1 || !routes[0].Equal(route) {
		t.Errorf("read back: %v, %v", routes, err)
	}
}

// The power went between model and journal, after a change the journal knows nothing
// of: what was given up before does not come back.
func TestAJournalOfTheModelBefore(t *testing.T) {
	s := newStore(haproxy.Config{First: firstPort, Last: lastPort, Dir: t.TempDir()})
	if _, err := s.save(nil); err != nil {
		t.Fatal(err)
	}
	a, b := routeFor(0, "127.0.0.1:1514").WithDefaults(), routeFor(0, "127.0.0.1:1515").WithDefaults()
	b.Tenant = "t1"
	if err := s.change(nil, map[string]haproxy.Route{"t0": a}); err != nil {
		t.Fatal(err)
	}
	before := read(t, s.dir, fileJournal)
	if _, err := s.saveModel([]haproxy.Route{b}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, fileJournal), []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	again := newStore(s.config)
	routes, err := again.load()
	if err != nil || len(routes) != 1 || !routes[0].Equal(b) {
		t.Fatalf("read back %v, %v", routes, err)
	}
	// From here on the journal is the new model's.
	if _, err := again.save(routes); err != nil {
		t.Fatal(err)
	}
	if err := again.change(map[string]haproxy.Route{"t1": b}, map[string]haproxy.Route{"t0": a}); err != nil {
		t.Fatal(err)
	}
	if routes, err := newStore(s.config).load(); err != nil || len(routes) != 1 || !routes[0].Equal(a) {
		t.Errorf("read back %v, %v", routes, err)
	}
	if _, err := replay(saved{Generation: 1}, []byte("{\"of\":2}\n")); err == nil {
		t.Error("a journal of a later model is believed")
	}
}
