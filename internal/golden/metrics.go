package golden

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// described is what client_golang tells of a metric before there is a value.
var described = regexp.MustCompile(`^Desc\{fqName: "(\w+)", help: ("(?:[^"\\]|\\.)*"), .*variableLabels: \{([\w,]*)\}\}$`)

// Metrics compares what collectors export with the table under a heading of the
// page about metrics: names, types, labels, and what they mean, word for word. What
// the Go runtime tells of itself is not on the page.
func Metrics(t testing.TB, page, heading string, collectors ...prometheus.Collector) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(text, []byte("## "+heading+"\n"))
	start := bytes.Index(rest, []byte("| metric |"))
	if !found || start < 0 {
		t.Fatalf("%s has no section %q with a table | metric |", page, heading)
	}
	end := start + bytes.Index(append(rest[start:], "\n\n"...), []byte("\n\n")) + 1
	before = append(before, ("## " + heading + "\n")...)
	whole := slices.Concat(before, rest[:start], metricsTable(t, collectors), rest[min(end, len(rest)):])
	Compare(t, page, whole)
}

func metricsTable(t testing.TB, collectors []prometheus.Collector) []byte {
	descriptions := make(chan *prometheus.Desc, 1000)
	for _, collector := range collectors {
		collector.Describe(descriptions)
	}
	close(descriptions)
	var rows []string
	for desc := range descriptions {
		parts := described.FindStringSubmatch(desc.String())
		if parts == nil {
			t.Fatalf("cannot read %s", desc)
		}
		name, labels := parts[1], "–"
		if !strings.HasPrefix(name, "soctalk_") {
			continue
		}
		if parts[3] != "" {
			labels = "`" + strings.ReplaceAll(parts[3], ",", "`, `") + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, metricType(name), labels, strings.Trim(parts[2], `"`)))
	}
	if len(rows) == 0 {
		t.Fatal("nothing is exported")
	}
	slices.Sort(rows)
	return []byte("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n" + strings.Join(rows, ""))
}

// metricType follows from the name, as Prometheus's conventions have it; that the
// processes keep to it is seen where they are scraped.
func metricType(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_seconds") && !strings.HasSuffix(name, "_timestamp_seconds"):
		return "histogram"
	}
	return "gauge"
}
