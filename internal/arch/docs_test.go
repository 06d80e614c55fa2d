package arch

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
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

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// Every relative link between the project's pages leads somewhere.
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
	if len(pages) < 5 {
		t.Fatalf("only %d pages found", len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(path.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, target)
			}
		}
	}
}
