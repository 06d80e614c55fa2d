package chart

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// The operator computes values in internal/plan. What its golden cases decided
// must be values this chart accepts.
func TestValuesOfThePlanAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../plan/testdata/*/want.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rendered := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var decided struct {
			Desired struct {
				Values map[string]any `json:"values"`
			} `json:"desired"`
		}
		if err := yaml.Unmarshal(text, &decided); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if decided.Desired.Values == nil {
			continue // a tenant the plan refuses
		}
		rendered++
		if _, err := Render(decided.Desired.Values, Options{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if rendered == 0 {
		t.Errorf("none of %d cases has values under desired.values", len(files))
	}
}
