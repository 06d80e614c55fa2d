package charts_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint/rules"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

func TestTheOperatorsChart(t *testing.T) {
	rendered, err := chart.RenderOperator(nil)
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte(rendered["soctalk-ingress/templates/deployment.yaml"]), &deployment); err != nil {
		t.Fatal(err)
	}
	labels := deployment.Spec.Template.Labels
	for key, value := range naming.OperatorPodLabels() {
		// Tenants' network policies let in pods with exactly these labels.
		if labels[key] != value || deployment.Spec.Selector.MatchLabels[key] != value {
			t.Errorf("the pods carry %s=%q, and the tenants' policies let in %q", key, labels[key], value)
		}
	}
	security := deployment.Spec.Template.Spec.Containers[0].SecurityContext
	if security == nil || !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation {
		t.Error("the operator's container may do more than it needs")
	}
	for _, template := range []string{ruleTemplate, dashboardTemplate, monitorTemplate, handoverTemplate} {
		if strings.TrimSpace(rendered[template]) != "" {
			t.Errorf("%s makes something unasked: %s", template, rendered[template])
		}
	}
	crds := rendered["soctalk-ingress/templates/crds.yaml"]
	for _, kind := range []string{"tenants.ingress.soctalk.io", "regions.ingress.soctalk.io", "claims.ingress.soctalk.io"} {
		if !strings.Contains(crds, "name: "+kind) {
			t.Errorf("kind %s is not installed", kind)
		}
	}
	if !strings.Contains(crds, "helm.sh/resource-policy: keep") {
		t.Error("removing the release would remove every Tenant")
	}
}

// An edge runs on the node's network with the label the tenants' policies and
// SocTalk's documents know, and may read Routes and nothing else.
func TestTheEdgesOfTheChart(t *testing.T) {
	rendered, err := chart.RenderOperator(map[string]any{"edges": []any{map[string]any{
		"region": "eu", "addresses": []any{"198.51.100.10"}, "ports": "15140-25139",
		"metricsAddress": ":8090", "haproxyImage": "haproxy:3.2",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(rendered["soctalk-ingress/templates/edges.yaml"], "\n---\n")
	if len(documents) < 4 {
		t.Fatalf("only %d documents", len(documents))
	}
	var edge appsv1.DaemonSet
	if err := yaml.UnmarshalStrict([]byte(documents[1]), &edge); err != nil {
		t.Fatalf("%v in\n%s", err, documents[1])
	}
	pod := edge.Spec.Template
	if !pod.Spec.HostNetwork || pod.Labels[naming.LabelName] != naming.EdgePodName || pod.Labels[naming.LabelRegion] != "eu" {
		t.Errorf("host network %v, labels %v", pod.Spec.HostNetwork, pod.Labels)
	}
	if got := strings.Join(pod.Spec.Containers[0].Args, " "); !strings.Contains(got, "edge run --external --region=eu") || !strings.Contains(got, "--address=198.51.100.10") {
		t.Errorf("the edge is started with %s", got)
	}
	// By it, a rolling update waits for one edge before it goes on to the next.
	probe := pod.Spec.Containers[0].ReadinessProbe
	if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Host != "127.0.0.1" || probe.HTTPGet.Port.StrVal != naming.EdgeAdminPort {
		t.Errorf("the edge is taken for ready by %v", probe)
	}
	for _, container := range pod.Spec.Containers {
		if security := container.SecurityContext; security == nil || len(security.Capabilities.Drop) == 0 || !*security.ReadOnlyRootFilesystem {
			t.Errorf("container %s may do more than it needs", container.Name)
		}
	}
	role := clusterRole(t, "edge/role.yaml")
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			if resource != "routes" && resource != "routes/status" {
				t.Errorf("an edge may %v %s", rule.Verbs, resource)
			}
		}
	}
}

// A private registry's Secret reaches every pod the chart makes.
func TestPullSecretsOfTheOperatorsPods(t *testing.T) {
	rendered, err := chart.RenderOperator(map[string]any{
		"imagePullSecrets": []any{"registry"},
		"edges":            []any{map[string]any{"region": "eu", "ports": "15140-25139", "metricsAddress": ":8090", "haproxyImage": "haproxy:3.2"}},
		"handover":         map[string]any{"enabled": true, "host": "onboard.mssp.example.com", "behindProxy": true},
		"console":          map[string]any{"enabled": true, "host": "console.mssp.example.com", "behindProxy": true},
	})
	if err != nil {
		t.Fatal(err)
	}
	pods := 0
	for _, file := range []string{"deployment", "edges", "handover", "console"} {
		for _, document := range strings.Split(rendered["soctalk-ingress/templates/"+file+".yaml"], "\n---\n") {
			var workload appsv1.Deployment // a DaemonSet has its template in the same place
			if err := yaml.Unmarshal([]byte(document), &workload); err != nil || len(workload.Spec.Template.Spec.Containers) == 0 {
				continue
			}
			pods++
			if got := workload.Spec.Template.Spec.ImagePullSecrets; len(got) != 1 || got[0].Name != "registry" {
				t.Errorf("%s %s pulls with %v", workload.Kind, workload.Name, got)
			}
		}
	}
	if pods != 4 {
		t.Errorf("%d kinds of pods, want operator, edge, hand-over and console", pods)
	}
}

// The operator's rights are few, and none is a wildcard.
func TestTheOperatorsRights(t *testing.T) {
	role := clusterRole(t, "role.yaml")
	for _, rule := range role.Rules {
		for _, word := range append(append(rule.Verbs, rule.Resources...), rule.APIGroups...) {
			if word == "*" {
				t.Errorf("a wildcard in %+v", rule)
			}
		}
		for _, verb := range rule.Verbs {
			switch verb {
			case "escalate", "bind", "impersonate", "deletecollection":
				t.Errorf("%s on %v is more than the operator needs", verb, rule.Resources)
			}
		}
	}
}

func TestTheOperatorsValuesAreChecked(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"a misspelt value":       {"replica": 2},
		"too many copies":        {"replicas": 50},
		"a poll that is no time": {"poll": "often"},
		"fewer than no updates":  {"updates": map[string]any{"atATime": -1}},
		"patience without end":   {"updates": map[string]any{"patience": "long"}},
	} {
		if _, err := chart.RenderOperator(values); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestTheOperatorsChartPassesHelmLint(t *testing.T) {
	linter := support.Linter{ChartDir: "soctalk-ingress"}
	rules.Chartfile(&linter)
	rules.ValuesWithOverrides(&linter, nil, false)
	rules.Dependencies(&linter)
	for _, message := range linter.Messages {
		if message.Severity >= support.WarningSev {
			t.Error(message)
		}
	}
}

// The gateway is the operator's own program, unless it is pinned: an upgrade of the
// operator need not restart every manager, and restarts one tenant after the other.
func TestHowUpgradesReachTheTenants(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"--gateway-image=registry.example.com/soctalk-ingress:0.2.0": {
			"image": map[string]any{"repository": "registry.example.com/soctalk-ingress", "tag": "0.2.0"},
		},
		"--updates-at-a-time=1":    {},
		"--updates-at-a-time=0":    {"updates": map[string]any{"atATime": 0}},
		"--keep-ended-tokens=720h": {},
		"--update-patience=30m":    {"updates": map[string]any{"patience": "30m"}},
		"--gateway-image=registry.example.com/soctalk-ingress:0.1.0": {
			"image":        map[string]any{"repository": "registry.example.com/soctalk-ingress", "tag": "0.2.0"},
			"gatewayImage": "registry.example.com/soctalk-ingress:0.1.0",
		},
	} {
		rendered, err := chart.RenderOperator(values)
		if err != nil {
			t.Fatal(err)
		}
		var deployment appsv1.Deployment
		if err := yaml.UnmarshalStrict([]byte(rendered["soctalk-ingress/templates/deployment.yaml"]), &deployment); err != nil {
			t.Fatal(err)
		}
		if args := deployment.Spec.Template.Spec.Containers[0].Args; !slices.Contains(args, want) {
			t.Errorf("want %s among %q", want, args)
		}
	}
	if _, err := chart.RenderOperator(map[string]any{"gatewayImage": "without a tag"}); err == nil {
		t.Error("an image that is none was taken")
	}
}

// Without the right to raise events the election works, and each change of the
// leader leaves an error in the log.
func TestTheElectionsRights(t *testing.T) {
	rendered, err := chart.RenderOperator(nil)
	if err != nil {
		t.Fatal(err)
	}
	may := map[string][]string{}
	for _, text := range strings.Split(rendered["soctalk-ingress/templates/rbac.yaml"], "\n---\n") {
		var role rbacv1.Role
		if err := yaml.Unmarshal([]byte(text), &role); err != nil {
			t.Fatal(err)
		}
		if role.Kind != "Role" {
			continue
		}
		if role.Namespace != "soctalk-system" {
			t.Errorf("the role is in namespace %q", role.Namespace)
		}
		for _, rule := range role.Rules {
			may[rule.APIGroups[0]+"/"+rule.Resources[0]] = rule.Verbs
		}
	}
	if !slices.Equal(may["coordination.k8s.io/leases"], []string{"get", "create", "update"}) || !slices.Equal(may["/events"], []string{"create", "patch"}) {
		t.Errorf("the election may: %v", may)
	}
}

// clusterRole reads one of the operator chart's files.
func clusterRole(t *testing.T, file string) (role rbacv1.ClusterRole) {
	t.Helper()
	text, err := fs.ReadFile(charts.Operator, "soctalk-ingress/files/"+file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, &role); err != nil {
		t.Fatal(err)
	}
	return role
}

// behindIngress wants those words in a template where an Ingress speaks TLS.
func behindIngress(t *testing.T, values map[string]any, template string, wanted ...string) {
	t.Helper()
	rendered, err := chart.RenderOperator(values)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range wanted {
		if !strings.Contains(rendered[template], want) {
			t.Errorf("behind an Ingress there is no %q", want)
		}
	}
}
