package edge

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The comparison of `make bench-edge`: our edge, the per-port configuration that
// is reloaded for each change, and a direct connection, in one run with one load.
// It measures; it fails only when something does not work.

// figures are what is written to bin/bench-edge.json.
type figures struct {
	Changes    []changeFigures   `json:"changes"`
	Ours       generationFigures `json:"oursOver20Changes"`
	Reference  generationFigures `json:"referenceOver20Changes"`
	Direct     kernelUse         `json:"kernelBytesPerDirectConnection"`
	Held       heldFigures       `json:"held"`
	Full       fullFigures       `json:"full"`
	Throughput throughput        `json:"smallMessages"`
	CPU        cpuFigures        `json:"haproxyCPU"`
	Seconds    float64           `json:"seconds"`
}

func TestBenchEdge(t *testing.T) {
	out := os.Getenv("SOCTALK_BENCH_EDGE")
	if out == "" {
		t.Skip("make bench-edge runs this")
	}
	manager := startHelper(t, "manager")
	target := manager.line()
	result := recorded(t, out)
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"changes", func() {
			result.Changes = nil
			for _, tenants := range []int{100, 1000, 5000} {
				result.Changes = append(result.Changes, benchChanges(t, tenants, target))
				printChanges(result.Changes[len(result.Changes)-1])
			}
		}},
		{"generations", func() {
			result.Direct = benchDirect(t, target)
			result.Ours = benchGenerations(t, "ours", oursWith(target))
			result.Reference = benchGenerations(t, "reference", referenceWith(target))
			printGenerations(result)
		}},
		{"held", func() {
			result.Held = benchHeld(t, target)
			printHeld(result.Held)
		}},
		{"full", func() {
			result.Full = benchFull(t, target)
			printFull(result.Full)
		}},
		{"load", func() {
			result.Throughput, result.CPU = benchThroughput(t, target), benchCPU(t, target)
			printLoad(result)
		}},
	} {
		if only := os.Getenv("SOCTALK_BENCH_PARTS"); only == "" || slices.Contains(strings.Fields(only), part.name) {
			begin := time.Now()
			part.run()
			result.Seconds += time.Since(begin).Seconds()
			record(t, out, result)
		}
	}
	if drawing := os.Getenv("SOCTALK_BENCH_PLOT"); drawing != "" {
		if err := os.WriteFile(drawing, plot(result), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	printGates(result)
}

// recorded is what a run of other parts has found before; nothing, for a whole run.
func recorded(t *testing.T, out string) (result figures) {
	t.Helper()
	if os.Getenv("SOCTALK_BENCH_PARTS") == "" {
		return result
	}
	text, err := os.ReadFile(out)
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return result
}

// record keeps what others have written into the file.
func record(t *testing.T, out string, result figures) {
	t.Helper()
	all := map[string]any{}
	if text, err := os.ReadFile(out); err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
	}
	ours, err := json.Marshal(result)
	if err == nil {
		err = json.Unmarshal(ours, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
