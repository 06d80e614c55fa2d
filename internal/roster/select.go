package roster

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Selector chooses rows: all its terms must hold. Its zero value chooses every row.
type Selector struct{ terms []term }

type term struct {
	field, pattern string
	not            bool
}

// fields are what a selector can ask about; each gives the values of a row.
func fields(field string) func(Row) []string {
	switch field {
	case "id":
		return func(r Row) []string { return []string{r.ID} }
	case "name":
		return func(r Row) []string { return []string{r.Name} }
	case "group":
		return func(r Row) []string { return r.Groups }
	case "version":
		return func(r Row) []string { return []string{strings.TrimPrefix(r.Version, "v")} }
	case "status":
		return func(r Row) []string { return []string{r.State, r.Status} }
	case "token":
		return func(r Row) []string {
			if r.Enrollment == nil {
				return nil
			}
			return []string{r.Enrollment.Token}
		}
	}
	return nil
}

// states are what a selector's status can be: the manager's four, and ours.
var states = []string{"active", "disconnected", "pending", neverConnected, StateEnrolled}

const fieldNames = "id, name, group, version, status, token"

// ParseSelector reads terms such as name=berlin-*,status!=active. Patterns have *
// and ?, and ignore letter case.
func ParseSelector(text string) (Selector, error) {
	var s Selector
	for part := range strings.SplitSeq(text, ",") {
		field, pattern, found := strings.Cut(strings.TrimSpace(part), "=")
		field, not := strings.CutSuffix(field, "!")
		switch {
		case !found || pattern == "":
			return Selector{}, fmt.Errorf("%q: write field=pattern, such as name=berlin-* or status=disconnected", part)
		case fields(field) == nil:
			return Selector{}, fmt.Errorf("%q: there is no field %q; use one of %s", part, field, fieldNames)
		}
		if field == "status" && !slices.ContainsFunc(states, func(state string) bool {
			ok, _ := path.Match(strings.ToLower(pattern), state)
			return ok
		}) {
			return Selector{}, fmt.Errorf("%q: there is no status %q; use one of %s", part, pattern, strings.Join(states, ", "))
		}
		if field == "version" {
			pattern = strings.TrimPrefix(pattern, "v")
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return Selector{}, fmt.Errorf("%q: the pattern cannot be read; use * and ? only", part)
		}
		s.terms = append(s.terms, term{field: field, pattern: strings.ToLower(pattern), not: not})
	}
	return s, nil
}

// Match reports whether a row is chosen.
func (s Selector) Match(row Row) bool {
	for _, t := range s.terms {
		fits := slices.ContainsFunc(fields(t.field)(row), func(value string) bool {
			ok, _ := path.Match(t.pattern, strings.ToLower(value))
			return ok
		})
		if fits == t.not {
			return false
		}
	}
	return true
}

// Select returns the rows a selector chooses.
func Select(rows []Row, s Selector) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return !s.Match(row) })
}

// Find returns the row that a person calls by id or, in any letter case, by name.
func Find(rows []Row, called string) (Row, error) {
	var named []Row
	for _, row := range rows {
		if row.ID == called {
			return row, nil
		}
		if strings.EqualFold(row.Name, called) {
			named = append(named, row)
		}
	}
	switch len(named) {
	case 0:
		return Row{}, fmt.Errorf("no agent has the id or the name %q", called)
	case 1:
		return named[0], nil
	}
	var ids []string
	for _, row := range named {
		ids = append(ids, row.ID)
	}
	return Row{}, fmt.Errorf("%d agents have the name %q: %s; say which by its id", len(named), called, strings.Join(ids, ", "))
}
