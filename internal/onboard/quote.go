package onboard

import (
	"encoding/xml"
	"regexp"
	"strings"
)

// shPlain needs no quotes in any POSIX shell.
var shPlain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shWord quotes a value for sh where that is needed.
func shWord(value string) string {
	if shPlain.MatchString(value) {
		return value
	}
	return shQuote(value)
}

// shQuote quotes a value for sh, always.
func shQuote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// psQuote quotes a value for PowerShell. It takes the typographic quotes for
// quotes as well, so they are doubled too.
func psQuote(value string) string {
	return "'" + strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(value) + "'"
}

// msiProperty is NAME="value" as Windows Installer reads it.
func msiProperty(name, value string) string {
	return name + `="` + strings.ReplaceAll(value, `"`, `""`) + `"`
}

// xmlText escapes a value for an XML element.
func xmlText(value string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(value)); err != nil {
		return "" // a strings.Builder accepts every write
	}
	return out.String()
}
