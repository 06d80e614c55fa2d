package charts_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/chart"
)

const ruleTemplate = "soctalk-ingress/templates/prometheusrule.yaml"

// prometheusRule is what the Prometheus operator reads of one.
type prometheusRule struct {
	Metadata struct{ Labels map[string]string }
	Spec     map[string]any
}

type alertRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// alertRules renders the rule, and writes what Prometheus reads to a file.
func alertRules(t *testing.T, values map[string]any) (rule prometheusRule, alerts []alertRule, file string) {
	t.Helper()
	values["enabled"] = true
	rendered, err := chart.RenderOperator(map[string]any{"metrics": map[string]any{"prometheusRule": values}})
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(rendered[ruleTemplate]), &rule); err != nil {
		t.Fatalf("%v in\n%s", err, rendered[ruleTemplate])
	}
	text, err := yaml.Marshal(rule.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var groups struct {
		Groups []struct{ Rules []alertRule }
	}
	if err := yaml.Unmarshal(text, &groups); err != nil || len(groups.Groups) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	file = filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return rule, groups.Groups[0].Rules, file
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		const missing = "not installed: prometheus, whose promtool judges the alerts; as root: bash hack/install-peers.sh"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestTheAlertsFireWhenTheyShould(t *testing.T) {
	_, _, file := alertRules(t, map[string]any{})
	promtool(t, "check", "rules", "--lint-fatal", file)
	cases, err := filepath.Glob("testdata/alerts/*.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			here := filepath.Join(t.TempDir(), "test.yaml")
			if err := os.WriteFile(here, append([]byte("rule_files: ["+file+"]\n"), text...), 0o600); err != nil {
				t.Fatal(err)
			}
			promtool(t, "test", "rules", here)
		})
	}
}

// Each alert is seen firing in a case, with its labels, and not firing in the same one.
func TestEveryAlertHasACase(t *testing.T) {
	_, alerts, _ := alertRules(t, map[string]any{})
	cases, err := filepath.Glob("testdata/alerts/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fires := map[string]bool{}
	for _, path := range cases {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Tests []struct {
				Name  string
				Exprs []struct {
					Expr    string
					Samples []struct{ Labels string } `json:"exp_samples"`
				} `json:"promql_expr_test"`
			}
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		for _, test := range file.Tests {
			quiet := false
			for _, expr := range test.Exprs {
				quiet = quiet || len(expr.Samples) == 0
				for _, sample := range expr.Samples {
					for _, alert := range alerts {
						if strings.Contains(sample.Labels, `alertname="`+alert.Alert+`"`) {
							fires[alert.Alert] = true
						}
					}
				}
			}
			if !quiet {
				t.Errorf("%s: in case %q nothing is seen not to fire", path, test.Name)
			}
		}
	}
	for _, alert := range alerts {
		if !fires[alert.Alert] {
			t.Errorf("no case in testdata/alerts has %s fire", alert.Alert)
		}
	}
}

// The page about alerts has a section for each, with what it says by default.
func TestTheAlertsAreOnThePage(t *testing.T) {
	rule, alerts, _ := alertRules(t, map[string]any{"labels": map[string]any{"release": "kube-prometheus-stack"}})
	if rule.Metadata.Labels["release"] != "kube-prometheus-stack" {
		t.Errorf("labels %v", rule.Metadata.Labels)
	}
	page, err := os.ReadFile("../docs/reference/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	paged, err := os.ReadFile("../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(page), "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections[name] = body
	}
	source, err := os.ReadFile("soctalk-ingress/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var defaults []struct {
		Alert      string
		Thresholds map[string]any
	}
	if err := yaml.Unmarshal(source, &defaults); err != nil {
		t.Fatal(err)
	}
	for i, alert := range alerts {
		anchor := "reference/alerts.md#" + strings.ToLower(alert.Alert)
		if !strings.HasSuffix(alert.Annotations["runbook_url"], "/docs/"+anchor) {
			t.Errorf("%s sends to %s", alert.Alert, alert.Annotations["runbook_url"])
		}
		if !strings.Contains(string(paged), "["+alert.Alert+"]("+anchor+")") {
			t.Errorf("docs/README.md, Paged, does not lead to [%s](%s)", alert.Alert, anchor)
		}
		line := alert.Labels["severity"] + ", after " + alert.For
		thresholds := []string{}
		for _, name := range slices.Sorted(maps.Keys(defaults[i].Thresholds)) {
			value, err := yaml.Marshal(defaults[i].Thresholds[name])
			if err != nil {
				t.Fatal(err)
			}
			thresholds = append(thresholds, "`"+name+": "+strings.TrimSpace(string(value))+"`")
		}
		if len(thresholds) > 0 {
			line += "; " + strings.Join(thresholds, ", ")
		}
		if body, ok := sections[alert.Alert]; !ok || !strings.HasPrefix(body, "*"+line+".*\n") {
			t.Errorf("docs/reference/alerts.md: section %s must begin with *%s.*", alert.Alert, line)
		}
		delete(sections, alert.Alert)
	}
	for name := range sections {
		t.Errorf("docs/reference/alerts.md explains %s, which is no alert any more", name)
	}
}

func TestAlertsCanBeSet(t *testing.T) {
	_, alerts, file := alertRules(t, map[string]any{"alerts": map[string]any{
		"SocTalkTenantAgentsDropped": map[string]any{"for": "1h", "severity": "critical", "thresholds": map[string]any{"share": 0.7, "window": "6h"}},
		"SocTalkEdgeRejects":         map[string]any{"enabled": false},
		"SocTalkOffboardingStuck":    map[string]any{"thresholds": map[string]any{"age": 2000000}},
	}})
	promtool(t, "check", "rules", file)
	for _, alert := range alerts {
		switch alert.Alert {
		case "SocTalkEdgeRejects":
			t.Error("an alert that is switched off is there")
		case "SocTalkTenantAgentsDropped":
			if alert.For != "1h" || alert.Labels["severity"] != "critical" || !strings.Contains(alert.Expr, "0.7 * max") || !strings.Contains(alert.Expr, "[6h]") || !strings.Contains(alert.Expr, ">= 10") {
				t.Errorf("%+v", alert)
			}
		}
		if strings.Contains(alert.Expr+alert.Annotations["description"], "<share>") {
			t.Errorf("%s has a threshold without a value", alert.Alert)
		}
	}
	for name, values := range map[string]map[string]any{
		"an alert there is none of":    {"SocTalkTenantNotRedy": map[string]any{"for": "1h"}},
		"a threshold it has not":       {"SocTalkTenantNotReady": map[string]any{"thresholds": map[string]any{"share": 1}}},
		"a time that is none":          {"SocTalkTenantNotReady": map[string]any{"for": "long"}},
		"a word that is none":          {"SocTalkTenantNotReady": map[string]any{"sevrity": "critical"}},
		"a threshold that is no value": {"SocTalkTenantAgentsDropped": map[string]any{"thresholds": map[string]any{"share": "half"}}},
	} {
		if _, err := chart.RenderOperator(map[string]any{"metrics": map[string]any{"prometheusRule": map[string]any{"enabled": true, "alerts": values}}}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
