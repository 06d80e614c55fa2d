package kubelet

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestSeekLastLines(t *testing.T) {
	for _, c := range []struct {
		text  string
		lines int
		want  string
	}{
		{"one\ntwo\nthree\n", 2, "two\nthree\n"},
		{"one\ntwo\nthree", 1, "three"},
		{"one\ntwo\n", 5, "one\ntwo\n"},
		{"one\n", 0, ""},
		{"", 3, ""},
		{"\n\n", 1, "\n"},
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := seekLastLines(file, c.lines); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(file)
		if err != nil || string(got) != c.want {
			t.Errorf("last %d lines of %q: %q, %v; want %q", c.lines, c.text, got, err, c.want)
		}
		_ = file.Close()
	}
}
