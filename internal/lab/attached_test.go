package lab_test

import (
	"maps"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

func newStatefulSet() *appsv1.StatefulSet { return &appsv1.StatefulSet{} }

// ownManager plays the person who runs a manager of their own: it applies the
// chart's StatefulSet and what that mounts under another name, without the
// operator's labels, and returns the labels its pods carry.
func ownManager(t *testing.T, c client.Client, slug string) map[string]string {
	t.Helper()
	return ownManagerWith(t, c, slug, nil)
}

// ownManagerWith is ownManager with some of the chart's values replaced.
func ownManagerWith(t *testing.T, c client.Client, slug string, other map[string]any) map[string]string {
	t.Helper()
	values := map[string]any{
		"tenant":       map[string]any{"slug": slug},
		"wazuhIngress": map[string]any{"hostname": slug + "." + domain},
		"enrollment":   map[string]any{"create": false},
		"api":          map[string]any{"create": false, "tlsSecret": naming.SecretAPITLS},
		"certificate":  map[string]any{"create": false},
	}
	maps.Copy(values, other)
	objects, err := chart.Render(values, chart.Options{})
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{naming.LabelName: "my-own-wazuh"}
	for _, object := range objects {
		switch object.GetKind() {
		case "ConfigMap", "StatefulSet", "ServiceAccount":
		default:
			continue
		}
		object.SetLabels(labels)
		if object.GetKind() == "StatefulSet" {
			// Not our name: what is ours there must not be confused with theirs.
			object.SetName("their-wazuh")
			set := object.Object["spec"].(map[string]any)
			set["selector"] = map[string]any{"matchLabels": map[string]any{naming.LabelName: "my-own-wazuh"}}
			template := set["template"].(map[string]any)["metadata"].(map[string]any)
			// The component label is what tells a manager's pod from another's.
			template["labels"] = map[string]any{naming.LabelName: "my-own-wazuh", naming.LabelComponent: naming.PodComponent}
		}
		err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("a-person"), client.ForceOwnership)
		if err != nil {
			t.Fatal(err)
		}
	}
	return labels
}
