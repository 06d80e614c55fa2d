package charts_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
)

const dashboardTemplate = "soctalk-ingress/templates/dashboards.yaml"

type dashboard struct {
	UID, Title string
	Tags       []string
	Templating struct{ List []struct{ Name, Type string } }
	Panels     []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ Type, UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct{ RefID, Expr string }
	}
}

func dashboards(t *testing.T) []dashboard {
	t.Helper()
	rendered, err := chart.RenderOperator(map[string]any{"metrics": map[string]any{"dashboards": map[string]any{"enabled": true, "annotations": map[string]any{"grafana_folder": "SocTalk"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var found []dashboard
	for _, text := range strings.Split(strings.TrimPrefix(strings.TrimSpace(rendered[dashboardTemplate]), "---\n"), "\n---\n") {
		var object corev1.ConfigMap
		if err := yaml.UnmarshalStrict([]byte(text), &object); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if object.Labels["grafana_dashboard"] != "1" || object.Annotations["grafana_folder"] != "SocTalk" || len(object.Data) != 1 {
			t.Errorf("%s: labels %v, annotations %v, %d files", object.Name, object.Labels, object.Annotations, len(object.Data))
		}
		for _, text := range object.Data {
			var one dashboard
			if err := json.Unmarshal([]byte(text), &one); err != nil {
				t.Fatalf("%s: %v", object.Name, err)
			}
			found = append(found, one)
		}
	}
	return found
}

func TestTheDashboardsOfTheChart(t *testing.T) {
	found := dashboards(t)
	uids := map[string]bool{}
	for _, one := range found {
		if one.UID == "" || uids[one.UID] || !slices.Contains(one.Tags, "soctalk-ingress") {
			t.Errorf("dashboard %q: uid %q, tags %v", one.Title, one.UID, one.Tags)
		}
		uids[one.UID] = true
		variables := map[string]bool{"__rate_interval": true}
		for _, variable := range one.Templating.List {
			variables[variable.Name] = true
		}
		cells := map[[2]int]string{}
		for _, panel := range one.Panels {
			if panel.Title == "" || panel.Datasource.UID != "${datasource}" || len(panel.Targets) == 0 {
				t.Errorf("%s: panel %d %q asks %q", one.Title, panel.ID, panel.Title, panel.Datasource.UID)
			}
			if panel.GridPos.X+panel.GridPos.W > 24 {
				t.Errorf("%s: panel %q is wider than the page", one.Title, panel.Title)
			}
			for x := range panel.GridPos.W {
				for y := range panel.GridPos.H {
					cell := [2]int{panel.GridPos.X + x, panel.GridPos.Y + y}
					if other := cells[cell]; other != "" {
						t.Fatalf("%s: panels %q and %q lie on one another", one.Title, panel.Title, other)
					}
					cells[cell] = panel.Title
				}
			}
			for _, target := range panel.Targets {
				for _, used := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(target.Expr, -1) {
					if !variables[used[1]] {
						t.Errorf("%s: panel %q uses $%s, which is no variable", one.Title, panel.Title, used[1])
					}
				}
			}
		}
	}
	if len(found) != 3 {
		t.Errorf("%d dashboards", len(found))
	}
}

// elsewhere are metrics that are not the product's own, with the labels used of them.
var elsewhere = map[string][]string{"up": {"job"}, "leader_election_master_status": {"name"}}

// Alerts and dashboards speak of metrics, labels, conditions and reasons that exist:
// a misspelt one would be silent for ever.
func TestExpressionsNameWhatExists(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for name, labels := range elsewhere {
		known[name] = labels
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `(soctalk_\\w+)` \\| \\w+ \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		known[row[1]] = append(strings.FieldsFunc(row[2], func(r rune) bool { return strings.ContainsRune("`, –", r) }), "instance", "region", "tenant")
	}
	_, alerts, _ := alertRules(t, map[string]any{})
	expressions := map[string]string{}
	for _, alert := range alerts {
		expressions[alert.Alert] = alert.Expr
	}
	for _, one := range dashboards(t) {
		for _, panel := range one.Panels {
			for _, target := range panel.Targets {
				expressions[one.Title+": "+panel.Title+" "+target.RefID] = target.Expr
			}
		}
	}
	values := map[string][]string{
		"type":   slices.Concat([]string{v1alpha1.ConditionReady}, v1alpha1.HopConditions(), v1alpha1.SideConditions()),
		"status": {"True", "False", "Unknown", "active", "disconnected", "pending", "never_connected"},
		"reason": slices.Concat(v1alpha1.Reasons(), []string{"denied", "cap", "rate", "source"}),
		"state":  {"free", "held", "resting"}, "step": {string(v1alpha1.StepQuarantine)}, "outcome": {"enrolled", "refused", "failed", "dropped"},
	}
	for where, expr := range expressions {
		selectors := selectorsOf(expr)
		if len(selectors) == 0 {
			t.Errorf("%s names nothing: %s", where, expr)
		}
		for _, one := range selectors {
			labels, ok := known[one.name]
			if !ok {
				t.Errorf("%s speaks of %s, which is exported by nobody", where, one.name)
				continue
			}
			for label, text := range one.matchers {
				if !slices.Contains(labels, label) {
					t.Errorf("%s: %s has no label %s", where, one.name, label)
				}
				for _, value := range strings.Split(text, "|") {
					if allowed, bounded := values[label]; bounded && !slices.Contains(allowed, value) {
						t.Errorf("%s: %s is never %q", where, label, value)
					}
				}
			}
		}
	}
	for _, wrong := range []string{`soctalk_tenant_agnets`, `sum(rate(soctalk_edge_rejected{reason="cap"}[5m]))`} {
		if _, ok := known[selectorsOf(wrong)[0].name]; ok {
			t.Errorf("%s passes", wrong)
		}
	}
}

type selector struct {
	name     string
	matchers map[string]string
}

var (
	braces   = regexp.MustCompile(`\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	words    = regexp.MustCompile(`[a-zA-Z_:][\w:]*`)
	keywords = []string{"and", "or", "unless", "bool", "offset"}
)

// selectorsOf finds the metrics of an expression: words that are no function, no
// keyword and no list of labels.
func selectorsOf(expr string) (found []selector) {
	matchers := braces.FindAllStringSubmatch(expr, -1)
	text := grouping.ReplaceAllString(ranges.ReplaceAllString(braces.ReplaceAllString(expr, "{}"), ""), "")
	used := 0
	for _, at := range words.FindAllStringIndex(text, -1) {
		word, rest := text[at[0]:at[1]], strings.TrimLeft(text[at[1]:], " ")
		digits := at[0] > 0 && strings.ContainsAny(text[at[0]-1:at[0]], "0123456789.") // 1d, 1e6
		if strings.HasPrefix(rest, "(") && !slices.Contains(keywords, word) || slices.Contains(keywords, word) || digits {
			continue
		}
		one := selector{name: word, matchers: map[string]string{}}
		if strings.HasPrefix(rest, "{}") {
			for _, pair := range matcher.FindAllStringSubmatch(matchers[used][1], -1) {
				one.matchers[pair[1]] = pair[2]
			}
			used++
		}
		found = append(found, one)
	}
	return found
}
