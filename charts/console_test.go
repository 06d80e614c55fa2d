package charts_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/chart"
)

const consoleTemplate = "soctalk-ingress/templates/console.yaml"

// The console is there only where it is asked for, never without TLS in front of it,
// and its pod has no rights at all.
func TestTheConsoleOfTheChart(t *testing.T) {
	console := func(values map[string]any) map[string]any {
		values["enabled"] = true
		return map[string]any{"console": values, "handover": map[string]any{"enabled": true, "host": "onboard.example.com", "behindProxy": true}}
	}
	rendered, err := chart.RenderOperator(nil)
	if err != nil || strings.TrimSpace(rendered[consoleTemplate]) != "" {
		t.Errorf("it is there unasked: %v, %s", err, rendered[consoleTemplate])
	}
	for name, values := range map[string]map[string]any{
		"without a host":         {"tlsSecret": "console-tls"},
		"without TLS":            {"host": "console.example.com"},
		"with TLS at two places": {"host": "console.example.com", "tlsSecret": "console-tls", "ingress": map[string]any{"enabled": true}},
		"with two pods":          {"host": "console.example.com", "tlsSecret": "console-tls", "replicas": 2},
	} {
		if _, err := chart.RenderOperator(console(values)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	rendered, err = chart.RenderOperator(console(map[string]any{"host": "console.example.com", "tlsSecret": "console-tls", "trustedProxies": []any{"10.42.0.0/16"}}))
	if err != nil {
		t.Fatal(err)
	}
	text := rendered[consoleTemplate]
	var page appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte(strings.Split(text, "\n---\n")[0]), &page); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	container := page.Spec.Template.Spec.Containers[0]
	for _, want := range []string{"--cert-dir=/tls", "--handover-url=https://onboard.example.com", "--operator-namespace=soctalk-system", "--trusted-proxy=10.42.0.0/16"} {
		if !slices.Contains(container.Args, want) {
			t.Errorf("started with %v, want %s", container.Args, want)
		}
	}
	if security := container.SecurityContext; security == nil || !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation {
		t.Error("the container may do more than it needs")
	}
	if container.ReadinessProbe.HTTPGet.Scheme != "HTTPS" || *page.Spec.Replicas != 1 || page.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("%s", text)
	}
	if strings.Contains(text, "RoleBinding") {
		t.Error("the console's pod is given rights")
	}
	for _, want := range []string{"kind: NetworkPolicy", "name: soctalk-ingress-viewer", "name: soctalk-ingress-tenant-operator", "name: soctalk-ingress-tenant-access"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q", want)
		}
	}
	behindIngress(t, console(map[string]any{"host": "console.example.com", "ingress": map[string]any{"enabled": true, "className": "nginx"}}), consoleTemplate,
		"kind: Ingress", "ingressClassName: nginx", `host: "console.example.com"`, "--behind-proxy", "scheme: HTTP}")
}

// Single sign-on is asked for with names of a Secret and a ConfigMap, and never with what
// is in them.
func TestSingleSignOnOfTheChart(t *testing.T) {
	values := func(oidc map[string]any) map[string]any {
		return map[string]any{"console": map[string]any{"enabled": true, "host": "console.example.com", "behindProxy": true, "oidc": oidc}}
	}
	for name, oidc := range map[string]map[string]any{
		"without TLS":         {"issuer": "http://id.example.com", "clientID": "console"},
		"without a client":    {"issuer": "https://id.example.com"},
		"without an issuer":   {"clientID": "console"},
		"without an ID token": {"issuer": "https://id.example.com", "clientID": "console", "scopes": []any{"email"}},
		"with a secret":       {"issuer": "https://id.example.com", "clientID": "console", "secret": "s3cret"},
	} {
		if _, err := chart.RenderOperator(values(oidc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, c := range map[string]struct {
		oidc    map[string]any
		want    []string
		volumes int
	}{
		"a public client": {map[string]any{"issuer": "https://id.example.com", "clientID": "console"}, []string{
			"--external-url=https://console.example.com", "--oidc-issuer=https://id.example.com", "--oidc-client-id=console",
			"--oidc-scopes=openid,profile,email,offline_access",
		}, 0},
		"a client with a secret": {map[string]any{"issuer": "https://id.example.com", "clientID": "console", "clientSecret": "console-oidc", "authority": "id-ca", "name": "MSSP ID"}, []string{
			"--oidc-client-secret-file=/oidc/client-secret", "--oidc-ca-file=/oidc-ca/ca.crt", "--oidc-name=MSSP ID",
		}, 2},
	} {
		rendered, err := chart.RenderOperator(values(c.oidc))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var page appsv1.Deployment
		if err := yaml.UnmarshalStrict([]byte(strings.Split(rendered[consoleTemplate], "\n---\n")[0]), &page); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pod := page.Spec.Template.Spec
		for _, want := range c.want {
			if !slices.Contains(pod.Containers[0].Args, want) {
				t.Errorf("%s is started with %v, want %s", name, pod.Containers[0].Args, want)
			}
		}
		if len(pod.Volumes) != c.volumes || len(pod.Containers[0].VolumeMounts) != c.volumes {
			t.Errorf("%s has volumes %v", name, pod.Volumes)
		}
	}
}

// Who looks changes nothing. Secrets, by their names, and the way into pods are only in
// the role that can be bound in one tenant's namespace, and nothing in that needs more.
func TestTheRolesForPeople(t *testing.T) {
	for file, inside := range map[string]bool{"viewer": false, "operator": false, "access": true} {
		role := clusterRole(t, "console/"+file+".yaml")
		for _, rule := range role.Rules {
			if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Resources, "*") || slices.Contains(rule.APIGroups, "*") {
				t.Errorf("%s: everything: %v", file, rule)
			}
			if slices.Contains(rule.Resources, "secrets") && (!inside || len(rule.ResourceNames) == 0) {
				t.Errorf("%s reads Secrets: %v", file, rule)
			}
			if !inside && slices.ContainsFunc(rule.Resources, func(resource string) bool { return strings.HasPrefix(resource, "pods") }) {
				t.Errorf("%s reaches pods: %v", file, rule)
			}
			if inside && slices.ContainsFunc(rule.Resources, func(resource string) bool { return resource == "tenants" || resource == "regions" }) {
				t.Errorf("%s cannot be bound in a namespace: %v", file, rule)
			}
			for _, verb := range rule.Verbs {
				if file == "viewer" && !slices.Contains([]string{"get", "list", "watch"}, verb) {
					t.Errorf("a viewer may %s %v", verb, rule.Resources)
				}
			}
		}
	}
}
