// Package arch holds ARCHITECTURE.md and the code together: its test reads the
// package table there and the imports of every Go file, and fails when they
// disagree. It also keeps files and functions small.
package arch

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Module is the import path all our packages begin with.
const Module = "github.com/soctalk/soctalk-ingress"

// Rule is one row of the table.
type Rule struct {
	Package string
	Pure    bool
	Imports []string
}

// ReadTable finds the package table in ARCHITECTURE.md.
func ReadTable(markdown []byte) ([]Rule, error) {
	var rules []Rule
	scanner := bufio.NewScanner(bytes.NewReader(markdown))
	for scanner.Scan() {
		cells := strings.Split(scanner.Text(), "|")
		if len(cells) != 6 {
			continue
		}
		name := strings.TrimSpace(cells[1])
		if !strings.HasPrefix(name, "`") {
			continue
		}
		rule := Rule{Package: strings.Trim(name, "`"), Pure: strings.TrimSpace(cells[2]) == "yes"}
		for _, allowed := range strings.Split(cells[3], ",") {
			if allowed = strings.TrimSpace(allowed); allowed != "–" && allowed != "" {
				rule.Imports = append(rule.Imports, allowed)
			}
		}
		rules = append(rules, rule)
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("no package table found")
	}
	return rules, scanner.Err()
}

// Source is one parsed Go file.
type Source struct {
	// Path from the module's root, with slashes.
	Path string
	// Package is the folder, and Domain the folder of the table's row: a
	// sub-package follows the rules of the package it belongs to.
	Package string
	Test    bool
	File    *ast.File
	Set     *token.FileSet
	Lines   int
}

// Read parses every hand-written Go file of the module under root. It parses
// rather than runs `go list`, because `go test` does not see what a child
// process reads and would answer from its cache.
func Read(root fs.FS) ([]Source, error) {
	var sources []Source
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skip(root, name)
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(path.Base(name), "zz_generated") {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		sources = append(sources, Source{
			Path: name, Package: path.Dir(name), Test: strings.HasSuffix(name, "_test.go"),
			File: file, Set: set, Lines: bytes.Count(text, []byte("\n")),
		})
		return nil
	})
	return sources, err
}

// skip leaves out hidden folders, test data and other modules.
func skip(root fs.FS, name string) error {
	base := path.Base(name)
	if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin") {
		return fs.SkipDir
	}
	if name != "." {
		if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
			return fs.SkipDir
		}
	}
	return nil
}

// Check compares table and code and returns one line for each disagreement.
func Check(rules []Rule, sources []Source) []string {
	var findings []string
	byName := map[string]Rule{}
	used := map[string]bool{}
	for _, rule := range rules {
		byName[rule.Package] = rule
	}
	for _, source := range sources {
		rule, ok := ruleOf(byName, source.Package)
		if !ok {
			findings = append(findings, fmt.Sprintf("%s: package %s is not in ARCHITECTURE.md; add a row that says what it is for", source.Path, source.Package))
			continue
		}
		used[rule.Package] = true
		if !source.Test {
			findings = append(findings, checkImports(rule, byName, source)...)
		}
	}
	for _, rule := range rules {
		if !used[rule.Package] {
			findings = append(findings, fmt.Sprintf("ARCHITECTURE.md: package %s does not exist any more; remove its row", rule.Package))
		}
	}
	return append(findings, undocumented(sources)...)
}

// ruleOf finds the row of a package or of the package it is part of.
func ruleOf(rules map[string]Rule, name string) (Rule, bool) {
	for ; name != "."; name = path.Dir(name) {
		if rule, ok := rules[name]; ok {
			return rule, true
		}
	}
	return Rule{}, false
}

func checkImports(rule Rule, rules map[string]Rule, source Source) []string {
	var findings []string
	for _, spec := range source.File.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		ours, isOurs := strings.CutPrefix(imported, Module+"/")
		switch {
		case isOurs:
			target, known := ruleOf(rules, ours)
			if known && target.Package != rule.Package && !slices.Contains(rule.Imports, target.Package) {
				findings = append(findings, fmt.Sprintf("%s: %s may not import %s; ARCHITECTURE.md allows %v", source.Path, rule.Package, ours, rule.Imports))
			}
			if known && rule.Pure && !target.Pure {
				findings = append(findings, fmt.Sprintf("%s: pure package %s imports %s, which is not pure", source.Path, rule.Package, ours))
			}
		case rule.Pure && impure(imported):
			findings = append(findings, fmt.Sprintf("%s: pure package %s imports %q", source.Path, rule.Package, imported))
		}
	}
	return findings
}

// impure is true for what reaches disk, network, processes, randomness or a cluster.
func impure(imported string) bool {
	switch imported {
	case "net/netip", "net/url":
		return false
	case "os", "net", "math/rand", "math/rand/v2", "crypto/rand", "syscall":
		return true
	}
	for _, prefix := range []string{"os/", "net/", "k8s.io/client-go", "sigs.k8s.io/controller-runtime", "helm.sh/"} {
		if strings.HasPrefix(imported, prefix) {
			return true
		}
	}
	return false
}

func undocumented(sources []Source) []string {
	documented := map[string]bool{}
	var packages []string
	for _, source := range sources {
		if source.Test {
			continue
		}
		if !slices.Contains(packages, source.Package) {
			packages = append(packages, source.Package)
		}
		if source.File.Doc != nil {
			documented[source.Package] = true
		}
	}
	var findings []string
	for _, name := range packages {
		if !documented[name] {
			findings = append(findings, fmt.Sprintf("%s: no file opens with a paragraph that says what the package is for", name))
		}
	}
	return findings
}
