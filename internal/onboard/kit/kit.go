// Package kit makes the onboarding sheet into what a customer's administrator
// takes along: a page to read, and a folder of files with the authority, a check
// and an installation script for each platform.
//
// The commands are those of the sheet, word for word. The same sheet makes the
// same bytes; the enrollment secret is in them only where the caller gives it.
// Start with [Files].
package kit

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
)

//go:embed page
var page embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"join":     strings.Join,
	"trim":     strings.TrimSpace,
	"title":    capital,
	"shell":    stepsFor,
	"sentence": func(text string) string { return capital(strings.TrimSuffix(text, ".")) + "." },
}).ParseFS(page, "page/sheet.html"))

// Style is the style sheet of the pages.
func Style() []byte {
	text, err := page.ReadFile("page/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	return text
}

// Fragment is the sheet as HTML, to stand within a page that has [Style].
func Fragment(sheet onboard.Sheet) ([]byte, error) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, "sheet", sheet); err != nil {
		return nil, fmt.Errorf("write the sheet's page: %w", err)
	}
	return out.Bytes(), nil
}

// Page is the sheet as a file for a browser: it loads nothing and runs nothing.
func Page(sheet onboard.Sheet) ([]byte, error) {
	var out bytes.Buffer
	err := pages.ExecuteTemplate(&out, "document", map[string]any{
		"Title": Title(sheet), "Sheet": sheet, "Style": template.CSS(Style()), //nolint:gosec // our own style sheet
	})
	if err != nil {
		return nil, fmt.Errorf("write the sheet's page: %w", err)
	}
	return out.Bytes(), nil
}

// Title is whose agents the sheet is about.
func Title(sheet onboard.Sheet) string {
	if sheet.DisplayName != "" {
		return sheet.DisplayName
	}
	return sheet.Tenant
}

// Enclosed is a sheet that goes together with the secret, and says so.
func Enclosed(sheet onboard.Sheet) onboard.Sheet {
	sheet.Secret.Remark = "the file " + sheet.Secret.File + " in the kit is the secret as an agent reads it. It lets any host enroll as this tenant: " +
		"keep it from others, and delete it from where you worked once agents run. On a host without the kit, write it by hand"
	return sheet
}

func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
