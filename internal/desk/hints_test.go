package desk

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A hint that holds everywhere names no command and no flag: on a page nobody can type
// them. Those that do are given with NewShell, beside what the page says.
func TestHintsForPagesNameNoCommands(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			function, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if from, ok := function.X.(*ast.Ident); !ok || from.Name != "fault" {
				return true
			}
			// The third argument is what a page is told, of New and NewShell alike.
			if literal, ok := call.Args[2].(*ast.BasicLit); ok {
				seen++
				if strings.Contains(literal.Value, "soctalk-ingress ") || strings.Contains(literal.Value, "--") {
					t.Errorf("%s: %s names a command", set.Position(literal.Pos()), literal.Value)
				}
			}
			return true
		})
	}
	if seen < 10 {
		t.Errorf("%d hints were looked at", seen)
	}
}
