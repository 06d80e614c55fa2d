// Package golden compares what a test produced with what a reviewer has seen:
// a file under testdata. It is for tests only.
//
// A case is a folder, so a new case is a new folder and no Go. Run a test with
// -update to rewrite the files, and read the diff before committing it.
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// update is registered once, by whichever test binary imports the package.
var update = flag.Bool("update", false, "rewrite the golden files instead of comparing with them")

// Updating tells whether the run rewrites golden files.
func Updating() bool { return *update }

// Compare fails the test when got differs from the file, or writes the file
// when the run updates. The failure shows what is missing and what is new.
func Compare(t testing.TB, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run the test with -update to make it, then read it)", err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs (-want +got), -update rewrites it:\n%s", file,
			cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")))
	}
}

// Folders runs one subtest for every folder in dir, named after it. An empty
// dir fails: a test without cases proves nothing.
func Folders(t *testing.T, dir string, run func(t *testing.T, folder string)) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		found++
		t.Run(entry.Name(), func(t *testing.T) { run(t, filepath.Join(dir, entry.Name())) })
	}
	if found == 0 {
		t.Fatalf("no case folders in %s", dir)
	}
}

// Why returns the first line of a case file, which must be a comment that says
// why the case exists.
func Why(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	text, ok := strings.CutPrefix(line, "# ")
	if !ok || len(text) < 10 {
		t.Errorf("%s: the first line is %q; make it a comment that says why the case exists", file, line)
	}
	return text
}

// YAML writes a value as YAML with sorted keys and a trailing newline, the form
// golden files have.
func YAML(t testing.TB, value any) []byte {
	t.Helper()
	out, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Documents writes values as one YAML stream, "---" between them.
func Documents[T any](t testing.TB, values []T) []byte {
	t.Helper()
	docs := make([][]byte, len(values))
	for i, value := range values {
		docs[i] = YAML(t, value)
	}
	return bytes.Join(docs, []byte("---\n"))
}

// Normalize reads YAML strictly, a doubled key is an error, and writes it in
// the form of [YAML]; two texts that mean the same become the same bytes.
func Normalize(t testing.TB, text []byte) []byte {
	t.Helper()
	var value any
	if err := yaml.UnmarshalStrict(text, &value); err != nil {
		t.Fatal(err)
	}
	return YAML(t, value)
}

// Read reads a case file strictly into value: an unknown field is an error.
func Read(t testing.TB, file string, value any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(content, value); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
