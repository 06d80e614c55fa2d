package mount

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// swap does what a kubelet does.
func swap(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(filepath.Join(dir, version), 0o755))
	for name, content := range files {
		check(os.WriteFile(filepath.Join(dir, version, name), []byte(content), 0o600))
	}
	check(os.Symlink(version, filepath.Join(dir, "..tmp")))
	check(os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, dataLink)))
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	swap(t, dir, "..1", map[string]string{"a": "one", "b": "one"})
	loads, complaints := make(chan string, 10), make(chan error, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		Follow(ctx, time.Millisecond, dir, []string{"a", "b"}, func(files map[string][]byte) error {
			if strings.HasPrefix(string(files["a"]), "bad") {
				return errors.New("bad")
			}
			loads <- string(files["a"]) + string(files["b"])
			return nil
		}, func(err error) { complaints <- err })
	})
	want := func(text string) {
		t.Helper()
		if got := <-loads; got != text {
			t.Errorf("loaded %q, want %q", got, text)
		}
	}
	want("oneone")
	swap(t, dir, "..2", map[string]string{"a": "two", "b": "two"})
	want("twotwo")
	swap(t, dir, "..3", map[string]string{"a": "bad", "b": "three"})
	<-complaints
	swap(t, dir, "..4", map[string]string{"a": "bad again", "b": "three"})
	<-complaints
	swap(t, dir, "..5", map[string]string{"a": "five"})
	if err := <-complaints; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want b to be missing", err)
	}
	swap(t, dir, "..6", map[string]string{"a": "six", "b": "six"})
	want("sixsix")
	cancel()
	wait.Wait()
	if len(loads)+len(complaints) != 0 {
		t.Errorf("%d loads and %d complaints too many", len(loads), len(complaints))
	}
}

// Not every folder is a kubelet's.
func TestReadPlainFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ReadFile(filepath.Join(dir, "a")); err != nil || string(text) != "x" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := Read(dir, "a", "b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
