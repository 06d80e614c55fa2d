package edge

import (
	"fmt"
	"slices"
	"strings"
)

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
	if direct := row.Direct; direct != nil {
		fmt.Printf("  enrollment at the managers: add %.2f ms at the socket, %.1f ms to the first byte; %.0f MB\n",
			direct.AddSocket.P50, direct.AddWire.P50, direct.MB)
	}
}

func printGenerations(result figures) {
	ours, reference := result.Ours, result.Reference
	fmt.Printf("%d changes at %d tenants, %d sessions held    ours   reference\n", generations, generationTenants, generationHeld)
	last := func(g generationFigures) float64 { return g.MB[len(g.MB)-1] }
	fmt.Printf("  MB before                         %10.0f %10.0f\n  MB after                          %10.0f %10.0f\n", ours.MB[0], reference.MB[0], last(ours), last(reference))
	fmt.Printf("  processes                         %10d %10d\n", ours.Processes, reference.Processes)
	fmt.Printf("  new connection p50 idle, changing %5.1f %4.1f %5.1f %4.1f ms\n", ours.Idle.P50, ours.Changing.P50, reference.Idle.P50, reference.Changing.P50)
	fmt.Printf("  new connection p99 idle, changing %5.1f %4.1f %5.1f %4.1f ms\n", ours.Idle.P99, ours.Changing.P99, reference.Idle.P99, reference.Changing.P99)
	fmt.Printf("  new connections failed            %10d %10d\n", ours.Changing.Failed, reference.Changing.Failed)
	fmt.Printf("  HAProxy's memory per idle session %8.1fkB %8.1fkB\n", ours.BytesPerHeld/1000, reference.BytesPerHeld/1000)
	fmt.Printf("  the kernel's, measured two ways   %7.1f, %.1f %7.1f, %.1f kB\n",
		result.kernel(ours)/1000, ours.Kernel.Charged/1000, result.kernel(reference)/1000, reference.Kernel.Charged/1000)
	fmt.Printf("  sessions lost                     %10d %10d\n", ours.Lost, reference.Lost)
}

func printHeld(h heldFigures) {
	fmt.Printf("%d sessions held through %d changes and a resync: %d lost, same process %v, %d -> %d processes, %.0f -> %.0f MB\n",
		h.Held, h.Changes, h.Lost, h.SameProcess, h.ProcessesBefore, h.ProcessesAfter, h.MBBefore, h.MBAfter)
	fmt.Printf("  a change, files included: p50 %.1f, p99 %.1f ms; resync %.0f ms\n", h.Apply.P50, h.Apply.P99, h.ResyncMs)
	fmt.Printf("  new connections idle p50 %.1f p99 %.1f ms, during changes p50 %.1f p99 %.1f ms, %d of %d failed\n",
		h.Idle.P50, h.Idle.P99, h.Changing.P50, h.Changing.P99, h.Changing.Failed, h.Changing.Calls)
	fmt.Printf("  a suspension cuts the last of 100 sessions after %.1f ms, an enrollment after %.1f ms\n", h.Suspend.Events, h.Suspend.Enrollment)
}

func printFull(f fullFigures) {
	fmt.Printf("%d tenants, %d sessions held, 30 changes a second: %d lost\n", f.Tenants, f.Held, f.Lost)
	fmt.Printf("  a change, files included: p50 %.1f, p99 %.1f ms\n", f.Apply.P50, f.Apply.P99)
	fmt.Printf("  new connections idle p50 %.1f p99 %.1f ms, during changes p50 %.1f p99 %.1f ms, %d of %d failed\n",
		f.Idle.P50, f.Idle.P99, f.Changing.P50, f.Changing.P99, f.Changing.Failed, f.Changing.Calls)
	for _, round := range f.Rounds {
		fmt.Printf("    of which one round idle p99 %.2f ms, during changes p99 %.2f ms\n", round.Idle.P99, round.Changing.P99)
	}
	fmt.Printf("  HAProxy's CPU for a new connection among young sessions %.0f us, among sessions older than two minutes %.0f us\n", f.YoungMicros, f.OldMicros)
	fmt.Printf("  a suspension cuts the last of 100 sessions after %.1f ms, an enrollment after %.1f ms\n", f.Suspend.Events, f.Suspend.Enrollment)
	fmt.Printf("  %d changes in %.0f s: %.1f -> %.1f MB; resync of %d routes' lines %.0f ms\n",
		f.Many, f.ManySeconds, f.MBBefore, f.MBAfter, f.Lines, f.ResyncMs)
}

func printLoad(result figures) {
	messages, cpu := result.Throughput, result.CPU
	fmt.Printf("1 kB messages per second: direct %.0f, reference %.0f, ours %.0f; ours is %.2f of the reference, %.2f of direct\n",
		messages.Direct, messages.Reference, messages.Ours, messages.ToReference, messages.ToDirect)
	fmt.Printf("HAProxy's CPU for a message: reference %.1f us, ours %.1f us, ratio %.2f; for a connection: %.0f us, %.0f us, ratio %.2f\n",
		cpu.Message.ReferenceMicros, cpu.Message.OursMicros, cpu.Message.Ratio, cpu.Connection.ReferenceMicros, cpu.Connection.OursMicros, cpu.Connection.Ratio)
}

// kernel is a proxy's part for a session: all there is, without agents' and managers'.
func (f figures) kernel(g generationFigures) float64 { return g.Kernel.All - f.Direct.All }

// printGates says which of the figures we have set ourselves hold in this run, and
// which nobody has measured.
func printGates(f figures) {
	gate := func(measured, holds bool, what string, args ...any) {
		word := "not measured"
		switch {
		case !measured:
			args = nil
			what, _, _ = strings.Cut(what, ": ")
		case holds:
			word = "holds"
		default:
			word = "does not hold"
		}
		fmt.Printf("%-14s %s\n", word, fmt.Sprintf(what, args...))
	}
	gatesOfChanges(f, gate)
	full, held := f.Full, f.Held
	gate(held.Held > 0, held.Lost == 0 && held.SameProcess && held.ProcessesAfter == held.ProcessesBefore,
		"9,000 held: %d through %d changes, %d lost, processes %d -> %d", held.Held, held.Changes, held.Lost, held.ProcessesBefore, held.ProcessesAfter)
	for _, of := range []struct {
		what           string
		idle, changing latencies
	}{{"9,000 held", held.Idle, held.Changing}, {"all tenants", full.Idle, full.Changing}} {
		gate(of.changing.Calls > 0, of.changing.P99 <= 2*of.idle.P99, "new connection's p99 during 30 changes/s within 2x of idle, "+of.what+": %.2f -> %.2f ms", of.idle.P99, of.changing.P99)
	}
	gate(full.OldMicros > 0, full.OldMicros <= 1.5*full.YoungMicros, "CPU of a connection among sessions older than 2 minutes within 1.5x of that among young ones: %.0f -> %.0f us", full.YoungMicros, full.OldMicros)
	user, kernel := f.Ours.BytesPerHeld/1000, f.kernel(f.Ours)/1000
	gate(user > 0 && kernel > 0, user+kernel <= 12, "memory of a held connection <= 12 kB: %.1f user + %.1f kernel = %.1f", user, kernel, user+kernel)
	gate(full.Many > 0, full.MBAfter <= full.MBBefore*1.02, "memory constant: %d changes, %.1f -> %.1f MB", full.Many, full.MBBefore, full.MBAfter)
	gate(f.Throughput.ToReference > 0, f.Throughput.ToReference >= .95, "throughput >= 0.95 of the per-port configuration: %.2f", f.Throughput.ToReference)
	gate(f.CPU.Message.Ratio > 0, f.CPU.Message.Ratio <= 1.05, "CPU per message within 5 %%: %.2f", f.CPU.Message.Ratio)
	gate(f.CPU.Connection.Ratio > 0, f.CPU.Connection.Ratio <= 1.25, "CPU per connection within 25 %%: %.2f", f.CPU.Connection.Ratio)
	longest := slices.Max(slices.Concat(held.Suspend.Events, full.Suspend.Events, []float64{0}))
	gate(longest > 0, longest < 50, "suspension cuts 100 events sessions within 50 ms: longest %.1f", longest)
}

// gatesOfChanges are those that depend on how many tenants there are.
func gatesOfChanges(f figures, gate func(measured, holds bool, what string, args ...any)) {
	var least, most changeFigures
	if n := len(f.Changes); n > 0 {
		least, most = f.Changes[0], f.Changes[n-1]
	}
	measured := most.Tenants > least.Tenants
	gate(measured, most.AddSocket.P50 < 1 && most.AddSocket.P99 < 20 && most.DeleteSocket.P50 < 1 && most.DeleteSocket.P99 < 20,
		"add or remove p50 < 1, p99 < 20 ms at the socket: with %d tenants %.2f, %.2f and %.2f, %.2f", most.Tenants, most.AddSocket.P50, most.AddSocket.P99, most.DeleteSocket.P50, most.DeleteSocket.P99)
	gate(measured, most.ResyncMs < 100, "resync < 100 ms: with %d tenants %.0f", most.Tenants, most.ResyncMs)
	gate(f.Full.Many > 0, f.Full.ResyncMs < 100, "resync among sessions < 100 ms: with %d held, after %d changes %.0f", f.Full.Held, f.Full.Many, f.Full.ResyncMs)
	each := (most.MB - least.MB) * 1000 / float64(max(most.Tenants-least.Tenants, 1))
	gate(measured, each <= 15, "memory of a tenant, with its slot and listeners, <= 15 kB: %.1f", each)
	gate(measured, most.RestartMs < 1000, "restart from the files < 1 s: %.0f ms", most.RestartMs)
}
