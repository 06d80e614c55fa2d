package arch

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheMapIsTrue(t *testing.T) {
	root := os.DirFS("../..")
	markdown, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := ReadTable(markdown)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 50 {
		t.Fatalf("only %d Go files found; the test does not see the module", len(sources))
	}
	for _, finding := range append(Check(rules, sources), Sizes(sources)...) {
		t.Error(finding)
	}
}

// A judge that never refuses judges nothing: each kind of disagreement is planted once.
func TestTheJudgeRefuses(t *testing.T) {
	table := "| package | pure | may import | for |\n| --- | --- | --- | --- |\n" +
		"| `internal/plan` | yes | internal/cert | decides |\n" +
		"| `internal/cert` | yes | – | judges |\n" +
		"| `internal/net` | | – | reaches out |\n" +
		"| `internal/gone` | | – | was here |\n"
	rules, err := ReadTable([]byte(table))
	if err != nil {
		t.Fatal(err)
	}
	long := "// Package cert judges.\npackage cert\n\nfunc long() {\n" + strings.Repeat("\t_ = 1\n", 70) + "}\n"
	root := fstest.MapFS{
		"internal/plan/a.go":       {Data: []byte("// Package plan decides.\npackage plan\n\nimport (\n_ \"os\"\n_ \"net/http\"\n_ \"" + Module + "/internal/net\"\n)\n")},
		"internal/cert/a.go":       {Data: []byte(long)},
		"internal/net/a.go":        {Data: []byte("package net\n")},
		"internal/helpers/a.go":    {Data: []byte("// Package helpers helps.\npackage helpers\n")},
		"internal/plan/testdata/x": {Data: []byte("not Go")},
	}
	sources, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(append(Check(rules, sources), Sizes(sources)...), "\n")
	for _, want := range []string{
		`pure package internal/plan imports "os"`,
		`pure package internal/plan imports "net/http"`,
		"internal/plan may not import internal/net",
		"imports internal/net, which is not pure",
		"package internal/helpers is not in ARCHITECTURE.md",
		"package internal/gone does not exist any more",
		"internal/net: no file opens with a paragraph",
		"function long has 72 lines",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not found: %s\nin:\n%s", want, got)
		}
	}
}
