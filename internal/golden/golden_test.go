package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	text []string
}

func (r *recorder) Helper()                        {}
func (r *recorder) Errorf(format string, _ ...any) { r.text = append(r.text, format) }

func TestCompareTellsADifference(t *testing.T) {
	if Updating() {
		t.Skip("this test is about comparing")
	}
	file := filepath.Join(t.TempDir(), "want.yaml")
	if err := os.WriteFile(file, []byte("a: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	same, other := &recorder{TB: t}, &recorder{TB: t}
	Compare(same, file, []byte("a: 1\n"))
	Compare(other, file, []byte("a: 2\n"))
	if len(same.text) != 0 || len(other.text) != 1 {
		t.Errorf("equal bytes: %d failures, different bytes: %d failures; want 0 and 1", len(same.text), len(other.text))
	}
}

func TestWhyWantsAReason(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in.yaml")
	if err := os.WriteFile(file, []byte("a: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := &recorder{TB: t}
	Why(got, file)
	if len(got.text) != 1 {
		t.Errorf("a file without a first comment gave %d failures, want 1", len(got.text))
	}
}

func TestNormalizeAndDocuments(t *testing.T) {
	if got := string(Normalize(t, []byte("b: [1,2]\na: x"))); got != "a: x\nb:\n- 1\n- 2\n" {
		t.Errorf("Normalize = %q", got)
	}
	if got := string(Documents(t, []map[string]int{{"a": 1}, {"b": 2}})); strings.Count(got, "---\n") != 1 {
		t.Errorf("Documents = %q, want one separator", got)
	}
}
