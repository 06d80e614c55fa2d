package arch

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Conditions link to the section of their reason; a reason without a section is
// a dead link in front of somebody who is in trouble.
func TestEveryReasonHasASection(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^### (\S+)$`).FindAllStringSubmatch(string(page), -1) {
		headings[match[1]] = true
	}
	for _, reason := range v1alpha1.Reasons() {
		if !headings[reason] {
			t.Errorf("docs/reference/reasons.md has no section for reason %s", reason)
		}
		delete(headings, reason)
	}
	for heading := range headings {
		t.Errorf("docs/reference/reasons.md explains %s, which is no reason any more", heading)
	}
}

// Whoever is paged looks a reason up by its condition: the map of the documentation
// has them all, and no other page is out of its reach.
func TestTheMapOfTheDocsIsWhole(t *testing.T) {
	text, err := os.ReadFile("../../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	fine := []string{v1alpha1.ReasonReady, v1alpha1.ReasonOK, v1alpha1.ReasonIdle, v1alpha1.ReasonEnrollmentDirect, v1alpha1.ReasonDNSNotManaged}
	for _, reason := range v1alpha1.Reasons() {
		if want := "[" + reason + "](reference/reasons.md#" + strings.ToLower(reason) + ")"; !strings.Contains(page, want) && !slices.Contains(fine, reason) {
			t.Errorf("docs/README.md sends nobody to reason %s; put %s into the row of its condition", reason, want)
		}
	}
	for _, folder := range []string{"guide", "reference", "adr"} {
		pages, err := filepath.Glob("../../docs/" + folder + "/*.md")
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages in docs/%s: %v", folder, err)
		}
		for _, file := range pages {
			if target := folder + "/" + filepath.Base(file); !strings.Contains(page, "]("+target) {
				t.Errorf("docs/README.md does not lead to %s", target)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors are the targets GitHub gives a page's headings.
func anchors(page string) map[string]bool {
	found, code := map[string]bool{}, false
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if heading := strings.TrimLeft(line, "#"); !code && heading != line {
			found[notInAnchor.ReplaceAllString(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(heading)), " ", "-"), "")] = true
		}
	}
	return found
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_-]`)

// Every relative link between the project's pages leads somewhere, to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("../../docs", func(name string, entry os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			pages = append(pages, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	charts, err := filepath.Glob("../../charts/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, charts...)
	if len(pages) < 5 {
		t.Fatalf("only %d pages found", len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = path.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, target)
				continue
			}
			if anchor == "" || !strings.HasSuffix(file, ".md") {
				continue
			}
			led, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !anchors(string(led))[anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", page, match[1], file)
			}
		}
	}
}

// The coverage page names tests; a test that was renamed or removed proves nothing.
func TestCoveragePageNamesRealTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/spec-coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]string{}
	for _, source := range sources {
		for _, declaration := range source.File.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && source.Test {
				defined[function.Name.Name] += " " + source.Package
			}
		}
	}
	rows := regexp.MustCompile(`(?m)^\| R(\d+) \|.*\|(.*)\|$`).FindAllStringSubmatch(string(page), -1)
	if len(rows) != 38 {
		t.Fatalf("%d rows found, want R1 to R38", len(rows))
	}
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Errorf("row R%s stands where R%d should", row[1], i+1)
		}
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
	for _, match := range named {
		if defined[match[1]] == "" {
			t.Errorf("%s is named, and does not exist", match[1])
		}
	}
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
}
