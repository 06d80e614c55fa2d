package charts_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

const handoverTemplate = "soctalk-ingress/templates/handover.yaml"

func handover(values map[string]any) map[string]any {
	values["enabled"] = true
	return map[string]any{"handover": values}
}

// The page that hands out secrets is there only where it is asked for, and never
// without TLS in front of it.
func TestTheHandoverPageOfTheChart(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"without a host":         {"tlsSecret": "onboard-tls"},
		"without TLS":            {"host": "onboard.example.com"},
		"with TLS at two places": {"host": "onboard.example.com", "tlsSecret": "onboard-tls", "ingress": map[string]any{"enabled": true}},
	} {
		if _, err := chart.RenderOperator(handover(values)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	rendered, err := chart.RenderOperator(handover(map[string]any{"host": "onboard.example.com", "tlsSecret": "onboard-tls"}))
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(rendered[handoverTemplate], "\n---\n")
	var page appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte(documents[0]), &page); err != nil {
		t.Fatalf("%v in\n%s", err, documents[0])
	}
	container := page.Spec.Template.Spec.Containers[0]
	if !slices.Contains(container.Args, "--cert-dir=/tls") || slices.Contains(container.Args, "--behind-proxy") {
		t.Errorf("started with %v", container.Args)
	}
	if security := container.SecurityContext; security == nil || !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation {
		t.Error("the container may do more than it needs")
	}
	// The tenants' policies let the operator's pods in to the managers' API.
	if page.Spec.Template.Labels[naming.LabelComponent] == naming.OperatorPodLabels()[naming.LabelComponent] {
		t.Error("the page's pods pass for the operator's")
	}
	if strings.Contains(rendered[handoverTemplate], "kind: Ingress") {
		t.Error("an Ingress beside the page's own TLS")
	}
	behindIngress(t, handover(map[string]any{"host": "onboard.example.com", "ingress": map[string]any{"enabled": true, "className": "nginx"}}), handoverTemplate,
		"kind: Ingress", "ingressClassName: nginx", `host: "onboard.example.com"`, "path: /kit.js", "--behind-proxy")
}

// The page reads one Secret of each tenant, by name, and lists nothing.
func TestTheHandoverPagesRights(t *testing.T) {
	role := clusterRole(t, "handover/role.yaml")
	for _, rule := range role.Rules {
		for _, verb := range rule.Verbs {
			if !slices.Contains([]string{"get", "update", "create"}, verb) {
				t.Errorf("%s on %v", verb, rule.Resources)
			}
		}
		if slices.Contains(rule.Resources, "secrets") && !slices.Equal(rule.ResourceNames, []string{naming.SecretEnrollment}) {
			t.Errorf("secrets %v", rule.ResourceNames)
		}
	}
}
