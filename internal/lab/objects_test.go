package lab_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/chart"
)

// versions maps every object of ours in a namespace to its resourceVersion.
func versions(t *testing.T, c client.Client, namespace string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, gvk := range append(chart.Kinds(), schema.GroupVersionKind{Version: "v1", Kind: "Secret"}) {
		if gvk.Kind == "Namespace" || strings.HasPrefix(gvk.Group, "cert-manager") {
			continue
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk)
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			found[gvk.Kind+"/"+item.Name] = specVersion(t, c, gvk, item)
		}
	}
	if len(found) < 8 {
		t.Fatalf("only %d objects in %s", len(found), namespace)
	}
	return found
}

// specVersion leaves out what others write into status: a StatefulSet's
// resourceVersion moves with its pods.
func specVersion(t *testing.T, c client.Client, gvk schema.GroupVersionKind, item metav1.PartialObjectMetadata) string {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: item.Namespace, Name: item.Name}, object); err != nil {
		t.Fatal(err)
	}
	unstructured.RemoveNestedField(object.Object, "status")
	unstructured.RemoveNestedField(object.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(object.Object, "metadata", "managedFields")
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
