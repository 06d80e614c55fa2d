package chart

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The schema library says "at '/wazuhIngress/mode': ..." on a line of its own;
// a template that calls fail is quoted behind its file and line.
var (
	schemaLine   = regexp.MustCompile(`(?m)^\s*- at '([^']*)': (.*)$`)
	templateFail = regexp.MustCompile(`(?s)execution error at \([^)]*\): (.*)$`)
)

// valueError turns what the schema found into sentences that begin with the
// path of the value, as it is written in a values file.
func valueError(err error) error {
	var found []string
	for _, match := range schemaLine.FindAllStringSubmatch(err.Error(), -1) {
		path, text := dotted(match[1]), match[2]
		if strings.HasSuffix(text, "failed") {
			continue // a heading; its causes follow on lines of their own
		}
		if path == "" {
			path = "values"
		}
		found = append(found, path+": "+text)
	}
	if len(found) == 0 {
		return fmt.Errorf("values of the tenant chart: %w", err)
	}
	return errors.New(strings.Join(found, "; "))
}

// dotted writes a JSON pointer as Helm users write paths: ports[0].name.
func dotted(pointer string) string {
	var path strings.Builder
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch {
		case step == "":
		case strings.Trim(step, "0123456789") == "":
			path.WriteString("[" + step + "]")
		case path.Len() > 0:
			path.WriteString("." + step)
		default:
			path.WriteString(step)
		}
	}
	return path.String()
}

// templateError leaves of a template's failure the message the chart's author
// wrote for people; it begins with the path of the value.
func templateError(err error) error {
	if match := templateFail.FindStringSubmatch(err.Error()); match != nil {
		return errors.New(match[1])
	}
	return fmt.Errorf("render the tenant chart: %w", err)
}

// checkTables reports a single value where the chart has a table. Helm only
// logs that and goes on with its defaults, which would hide a mistake.
func checkTables(chart, values map[string]any, path string) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		table, isTable := chart[key].(map[string]any)
		if !isTable || values[key] == nil {
			continue
		}
		inner, ok := values[key].(map[string]any)
		if !ok {
			return fmt.Errorf("%s%s: got %T, want a table with further values", path, key, values[key])
		}
		if err := checkTables(table, inner, path+key+"."); err != nil {
			return err
		}
	}
	return nil
}
