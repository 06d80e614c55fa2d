package uses

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func reserve(t *testing.T, l *Ledger, key string, limit int) bool {
	t.Helper()
	ok, err := l.Reserve(key, limit)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestUsesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for _, want := range []bool{true, true, false} {
		if got := reserve(t, l, "berlin", 2); got != want {
			t.Fatalf("reserve: got %t, want %t", got, want)
		}
	}
	reserve(t, l, "unlimited", 0)
	if err := l.Release("berlin"); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	l = open(t, dir)
	if diff := cmp.Diff(map[string]int{"berlin": 1, "unlimited": 1}, l.Counts()); diff != "" {
		t.Error(diff)
	}
	if !reserve(t, l, "berlin", 2) || reserve(t, l, "berlin", 2) {
		t.Error("the released use isn't there once")
	}
	for range 3 {
		if err := l.Release("never used"); err != nil {
			t.Fatal(err)
		}
	}
	if l.Counts()["never used"] != 0 {
		t.Error("a token has less than no uses")
	}
}

// Whatever length the journal was cut at, no use that was granted is forgotten.
func TestACrashForgetsNothingGranted(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	const granted = 5
	for range granted {
		reserve(t, l, "t", granted)
	}
	whole, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	line := len(whole) / granted
	for cut := 1; cut <= line; cut++ { // within a sixth line that was never granted
		torn := string(whole) + strings.Repeat("t +1\n", 1)[:cut-1]
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := open(t, dir).Counts()["t"]; got != granted {
			t.Errorf("cut after %d bytes: %d uses, want %d", cut-1, got, granted)
		}
	}
}

func TestADamagedFileIsNotGuessedAt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("t +1\nrubbish\nt +1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "line 2 is damaged") {
		t.Errorf("got %v", err)
	}
}

// What cannot be written down is not granted, and does not damage the journal.
func TestAFullDiskGrantsNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	reserve(t, l, "t", 2)
	good := l.file
	readOnly, err := os.Open(good.Name())
	if err != nil {
		t.Fatal(err)
	}
	l.file = readOnly
	if _, err := l.Reserve("t", 2); err == nil {
		t.Error("a use was granted that is nowhere written")
	}
	_ = readOnly.Close()
	l.file = good
	if !reserve(t, l, "t", 2) || reserve(t, l, "t", 2) {
		t.Error("the failed attempt counted")
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	var granted atomic.Int64
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if ok, err := l.Reserve("t", 20); ok && err == nil {
				granted.Add(1)
			}
		})
	}
	wait.Wait()
	if granted.Load() != 20 {
		t.Errorf("%d granted, want 20", granted.Load())
	}
}

func TestTheJournalStaysSmall(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for i := range compactAfter + 100 {
		reserve(t, l, fmt.Sprint("t", i%3), 0)
	}
	text, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines > 200 {
		t.Errorf("the journal has %d lines", lines)
	}
	want := l.Counts()
	_ = l.Close()
	if diff := cmp.Diff(want, open(t, dir).Counts()); diff != "" {
		t.Error(diff)
	}
}

func FuzzReplay(f *testing.F) {
	f.Add("a +1\na -1\nb +3\n")
	f.Add("a +1")
	f.Fuzz(func(t *testing.T, text string) {
		counts, err := replay(text)
		if err != nil {
			return
		}
		for key, n := range counts {
			if n < 0 || key == "" {
				t.Errorf("%q: %d", key, n)
			}
		}
	})
}
