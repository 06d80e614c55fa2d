// Package reference lets the program quote the reference of reasons, so that who
// meets one in the console reads the same words as who looks it up.
package reference

import (
	_ "embed"
	"strings"
)

//go:embed reasons.md
var reasons string

// Reason is what the reference says of a reason, in Markdown; empty for one that is
// not in it.
func Reason(reason string) string {
	_, rest, found := strings.Cut(reasons, "\n### "+reason+"\n")
	if !found {
		return ""
	}
	text, _, _ := strings.Cut(rest, "\n#")
	return strings.TrimSpace(text)
}

// Means is what is true of a tenant when a condition is True.
func Means(condition string) string {
	_, rest, found := strings.Cut(reasons, "\n| `"+condition+"` | ")
	if !found {
		return ""
	}
	text, _, _ := strings.Cut(rest, " |\n")
	return text
}
