package edge

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
	Held       heldFigures       `json:"held"`
	Throughput throughput        `json:"smallMessages"`
	Seconds    float64           `json:"seconds"`
}

func TestBenchEdge(t *testing.T) {
	out := os.Getenv("SOCTALK_BENCH_EDGE")
	if out == "" {
		t.Skip("make bench-edge runs this")
	}
	begin := time.Now()
	manager := startHelper(t, "manager")
	target := manager.line()
	var result figures
	for _, tenants := range []int{100, 1000, 5000} {
		row := benchChanges(t, tenants, target)
		result.Changes = append(result.Changes, row)
		printChanges(row)
	}
	result.Ours = benchGenerations(t, "ours", oursWith(target))
	result.Reference = benchGenerations(t, "reference", referenceWith(target))
	printGenerations(result.Ours, result.Reference)
	result.Held = benchHeld(t, target)
	printHeld(result.Held)
	result.Throughput = benchThroughput(t, target)
	fmt.Printf("1 kB messages per second: direct %.0f, reference %.0f, ours %.0f; ours is %.2f of the reference, %.2f of direct\n",
		result.Throughput.Direct, result.Throughput.Reference, result.Throughput.Ours, result.Throughput.ToReference, result.Throughput.ToDirect)
	result.Seconds = time.Since(begin).Seconds()
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if drawing := os.Getenv("SOCTALK_BENCH_PLOT"); drawing != "" {
		if err := os.WriteFile(drawing, plot(result), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func printChanges(row changeFigures) {
	fmt.Printf("%5d tenants            ours p50      p99 ms   reference p50 ms   ratio\n", row.Tenants)
	line := func(what string, ours spread, reference float64) {
		fmt.Printf("  %-20s %10.2f %10.2f %15.0f %9.0fx\n", what, ours.P50, ours.P99, reference, reference/ours.P50)
	}
	line("add at the socket", row.AddSocket, row.ReferenceAdd.P50)
	line("delete at the socket", row.DeleteSocket, row.ReferenceDelete.P50)
	line("add to first byte", row.AddWire, row.ReferenceAdd.P50)
	line("delete to reset", row.DeleteWire, row.ReferenceDelete.P50)
	fmt.Printf("  resync %.0f ms, haproxy starts in %.0f ms, %d processes with %.0f MB\n",
		row.ResyncMs, row.RestartMs, row.Processes, row.MB)
}

func printGenerations(ours, reference generationFigures) {
	fmt.Printf("%d changes at %d tenants, %d sessions held    ours   reference\n", generations, generationTenants, generationHeld)
	last := func(g generationFigures) float64 { return g.MB[len(g.MB)-1] }
	fmt.Printf("  MB before                         %10.0f %10.0f\n  MB after                          %10.0f %10.0f\n", ours.MB[0], reference.MB[0], last(ours), last(reference))
	fmt.Printf("  processes                         %10d %10d\n", ours.Processes, reference.Processes)
	fmt.Printf("  new connection p50 idle, changing %5.1f %4.1f %5.1f %4.1f ms\n", ours.Idle.P50, ours.Changing.P50, reference.Idle.P50, reference.Changing.P50)
	fmt.Printf("  new connection p99 idle, changing %5.1f %4.1f %5.1f %4.1f ms\n", ours.Idle.P99, ours.Changing.P99, reference.Idle.P99, reference.Changing.P99)
	fmt.Printf("  new connections failed            %10d %10d\n", ours.Changing.Failed, reference.Changing.Failed)
	fmt.Printf("  HAProxy's memory per idle session %8.1fkB %8.1fkB\n", ours.BytesPerHeld/1000, reference.BytesPerHeld/1000)
	fmt.Printf("  sessions lost                     %10d %10d\n", ours.Lost, reference.Lost)
}

func printHeld(h heldFigures) {
	fmt.Printf("%d sessions held through %d changes and a resync: %d lost, same process %v, %d -> %d processes, %.0f -> %.0f MB\n",
		h.Held, h.Changes, h.Lost, h.SameProcess, h.ProcessesBefore, h.ProcessesAfter, h.MBBefore, h.MBAfter)
	fmt.Printf("  a change, files included: p50 %.1f, p99 %.1f ms; resync %.0f ms\n", h.Apply.P50, h.Apply.P99, h.ResyncMs)
	fmt.Printf("  new connections idle p50 %.1f p99 %.1f ms, during changes p50 %.1f p99 %.1f ms, %d of %d failed\n",
		h.Idle.P50, h.Idle.P99, h.Changing.P50, h.Changing.P99, h.Changing.Failed, h.Changing.Calls)
	fmt.Printf("  a suspension cuts the last of 100 sessions after %.1f ms\n", h.SuspendMs)
}
