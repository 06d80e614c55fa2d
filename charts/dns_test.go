package charts_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/chart"
)

// A DNS provider runs in the operator's pod with its own credentials, and without
// the operator's.
func TestTheDNSProvidersOfTheChart(t *testing.T) {
	rendered, err := chart.RenderOperator(map[string]any{"metricsPort": 8082, "dnsProviders": []any{map[string]any{
		"name": "hetzner", "image": "registry.example.com/hetzner-webhook:v1",
		"env": []any{map[string]any{"name": "KEY", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "hetzner", "key": "api-key"}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var operator appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte(rendered["soctalk-ingress/templates/deployment.yaml"]), &operator); err != nil {
		t.Fatal(err)
	}
	pod := operator.Spec.Template.Spec
	if len(pod.Containers) != 2 || pod.Containers[1].Name != "dns-hetzner" {
		t.Fatalf("containers %+v", pod.Containers)
	}
	own, provider := pod.Containers[0], pod.Containers[1]
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || len(own.VolumeMounts) != 1 || len(provider.VolumeMounts) != 0 {
		t.Error("the provider gets the operator's token, or the operator does not")
	}
	if provider.Env[0].ValueFrom.SecretKeyRef.Name != "hetzner" {
		t.Errorf("environment %+v", provider.Env)
	}
	if security := provider.SecurityContext; security == nil || !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation {
		t.Error("the provider may do more than it needs")
	}
	if provider.Resources.Limits.Memory().IsZero() {
		t.Error("the provider may use all memory there is")
	}
	if own.Ports[1].ContainerPort != 8082 {
		t.Errorf("the operator's ports are %+v", own.Ports)
	}
	for name, values := range map[string]any{
		"without an image": map[string]any{"name": "hetzner"},
		"without a tag":    map[string]any{"name": "hetzner", "image": "hetzner-webhook"},
	} {
		if _, err := chart.RenderOperator(map[string]any{"dnsProviders": []any{values}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
