package edge

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"testing"
)

// The drawing of `make bench-edge`: two panels, in SVG by hand.

const (
	colourOurs      = "#1b6ca8"
	colourSocket    = "#7fb3d8"
	colourReference = "#c8553d"
)

// plot draws what a change costs, and what changes do to memory.
func plot(result figures) []byte {
	var out bytes.Buffer
	out.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 400" font-family="sans-serif" font-size="12" fill="#222">` + "\n" +
		`<rect width="900" height="400" fill="#fff"/>` + "\n")
	plotCosts(&out, result.Changes)
	plotMemory(&out, result.Ours.MB, result.Reference.MB)
	out.WriteString("</svg>\n")
	return out.Bytes()
}

func text(out *bytes.Buffer, x, y float64, anchor, words string) {
	fmt.Fprintf(out, `<text x="%.0f" y="%.0f" text-anchor="%s">`, x, y, anchor)
	_ = xml.EscapeText(out, []byte(words)) // a buffer takes everything
	out.WriteString("</text>\n")
}

// plotCosts has one group of bars for each number of tenants, on a logarithmic scale.
func plotCosts(out *bytes.Buffer, rows []changeFigures) {
	const left, bottom, height, least, most = 60.0, 330.0, 260.0, 0.01, 10_000.0
	y := func(ms float64) float64 {
		return bottom - height*math.Log10(math.Max(ms, least)/least)/math.Log10(most/least)
	}
	text(out, 235, 30, "middle", "Adding a tenant, median")
	for ms := least; ms <= most; ms *= 10 {
		fmt.Fprintf(out, `<line x1="%.0f" x2="420" y1="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, y(ms), y(ms))
		label := fmt.Sprintf("%g ms", ms)
		if ms >= 1000 {
			label = fmt.Sprintf("%g s", ms/1000)
		}
		text(out, left-6, y(ms)+4, "end", label)
	}
	for i, row := range rows {
		x := left + 20 + float64(i)*115
		for j, bar := range []struct {
			ms     float64
			colour string
		}{{row.AddSocket.P50, colourSocket}, {row.AddWire.P50, colourOurs}, {row.ReferenceAdd.P50, colourReference}} {
			at := x + float64(j)*30
			fmt.Fprintf(out, `<rect x="%.0f" y="%.1f" width="26" height="%.1f" fill="%s"/>`+"\n", at, y(bar.ms), bottom-y(bar.ms), bar.colour)
			text(out, at+13, y(bar.ms)-4, "middle", digits(bar.ms))
		}
		text(out, x+43, bottom+18, "middle", fmt.Sprintf("%d tenants", row.Tenants))
	}
	for i, entry := range []struct{ colour, words string }{
		{colourSocket, "at HAProxy's socket"}, {colourOurs, "from the source's word to the first byte"}, {colourReference, "one frontend per port, reloaded"},
	} {
		x, at := 70+float64(i%2)*170, 368+float64(i/2)*18
		if i == 1 {
			x = 220
		}
		fmt.Fprintf(out, `<rect x="%.0f" y="%.0f" width="10" height="10" fill="%s"/>`+"\n", x, at-9, entry.colour)
		text(out, x+15, at, "start", entry.words)
	}
}

// digits are as many as matter.
func digits(ms float64) string {
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.2f", ms)
}

// plotMemory has a line for each proxy over the changes.
func plotMemory(out *bytes.Buffer, ours, reference []float64) {
	const left, right, bottom, height = 530.0, 870.0, 330.0, 260.0
	most := 1.0
	for _, mb := range append(append([]float64{}, ours...), reference...) {
		most = math.Max(most, mb)
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	if most/step < 3 {
		step /= 2
	}
	text(out, 700, 30, "middle", fmt.Sprintf("HAProxy's memory over %d changes, %d sessions held", generations, generationHeld))
	for mb := 0.0; mb <= most; mb += step {
		y := bottom - height*mb/most
		fmt.Fprintf(out, `<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" stroke="#ddd"/>`+"\n", left, right, y, y)
		text(out, left-6, y+4, "end", fmt.Sprintf("%.0f MB", mb))
	}
	for _, line := range []struct {
		mb     []float64
		colour string
	}{{ours, colourOurs}, {reference, colourReference}} {
		fmt.Fprintf(out, `<polyline fill="none" stroke-width="2" stroke="%s" points="`, line.colour)
		for i, mb := range line.mb {
			fmt.Fprintf(out, "%.1f,%.1f ", left+(right-left)*float64(i)/float64(generations), bottom-height*mb/most)
		}
		out.WriteString("\"/>\n")
	}
	for i := 0; i <= generations; i += 5 {
		text(out, left+(right-left)*float64(i)/float64(generations), bottom+18, "middle", fmt.Sprint(i))
	}
	text(out, (left+right)/2, bottom+38, "middle", "changes")
}

// TestDraw draws again what was measured before, after a change of the drawing.
func TestDraw(t *testing.T) {
	from, to := os.Getenv("SOCTALK_BENCH_EDGE"), os.Getenv("SOCTALK_BENCH_PLOT")
	if from == "" || to == "" {
		t.Skip("SOCTALK_BENCH_EDGE=figures SOCTALK_BENCH_PLOT=drawing go test -run TestDraw ./internal/edge")
	}
	var result figures
	if err := json.Unmarshal([]byte(read(t, from)), &result); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, plot(result), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The drawing is well-formed whatever was measured.
func TestPlotIsWellFormed(t *testing.T) {
	for _, result := range []figures{{}, {
		Changes: []changeFigures{{Tenants: 100, AddSocket: spread{P50: 0.001}, AddWire: spread{P50: 12.5}, ReferenceAdd: spread{P50: 123456}}},
		Ours:    generationFigures{MB: []float64{60, 61}}, Reference: generationFigures{MB: []float64{80, 1300}},
	}} {
		decoder := xml.NewDecoder(bytes.NewReader(plot(result)))
		for {
			if _, err := decoder.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
