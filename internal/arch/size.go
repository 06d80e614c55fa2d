package arch

import (
	"fmt"
	"go/ast"
)

// Limits of what one reader can hold in mind.
const (
	maxFile     = 400
	maxTestFile = 600
	maxFunction = 60
)

// Sizes returns one line for each file or function that has outgrown its room.
func Sizes(sources []Source) []string {
	var findings []string
	for _, source := range sources {
		limit := maxFile
		if source.Test {
			limit = maxTestFile
		}
		if source.Lines > limit {
			findings = append(findings, fmt.Sprintf("%s: %d lines; split it, %d is the limit", source.Path, source.Lines, limit))
		}
		if source.Test {
			continue
		}
		for _, declaration := range source.File.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := source.Set.Position(function.End()).Line - source.Set.Position(function.Pos()).Line + 1
			if lines > maxFunction {
				findings = append(findings, fmt.Sprintf("%s: function %s has %d lines; split it, %d is the limit", source.Path, function.Name.Name, lines, maxFunction))
			}
		}
	}
	return findings
}
