package chart

import (
	"encoding/base64"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/secret"
)

const cases = "testdata/render"

// renderCase renders a case folder; those named hand-… are rendered the way
// helm does it without the operator.
func renderCase(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	values := map[string]any{}
	golden.Read(t, filepath.Join(folder, "values.yaml"), &values)
	objects, err := Render(values, Options{Generate: handUse(folder)})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func handUse(folder string) bool {
	matched, _ := filepath.Match("hand-*", filepath.Base(folder))
	return matched
}

// contents are the objects' maps. Generated secrets are judged and masked, and
// the scripts, which are files of their own, are only named.
func contents(t *testing.T, objects []*unstructured.Unstructured) []map[string]any {
	t.Helper()
	out := make([]map[string]any, len(objects))
	for i, object := range objects {
		switch {
		case object.GetKind() == "Secret":
			object = masked(t, object)
		case object.GetName() == naming.Manager+"-scripts":
			object = named(t, object)
		}
		out[i] = object.Object
	}
	return out
}

func named(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	object = object.DeepCopy()
	data, _, _ := unstructured.NestedStringMap(object.Object, "data")
	for name, text := range data {
		file := "files/scripts/" + name
		want, err := charts.Tenant.ReadFile(charts.TenantDir + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s is not rendered as it is:\n%s", file, cmp.Diff(string(want), text))
		}
		data[name] = "(" + file + ")"
	}
	if err := unstructured.SetNestedStringMap(object.Object, data, "data"); err != nil {
		t.Fatal(err)
	}
	return object
}

func masked(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	object = object.DeepCopy()
	data, _, _ := unstructured.NestedStringMap(object.Object, "data")
	for key, encoded := range data {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatalf("%s %s: %v", object.GetName(), key, err)
		}
		switch key {
		case "authd.pass":
			if err := secret.CheckEnrollment(raw); err != nil {
				t.Errorf("the generated enrollment secret: %v", err)
			}
		case "password":
			checkPassword(t, string(raw))
		case "username":
			data[key] = "username: " + string(raw)
			continue
		}
		data[key] = "(generated)"
	}
	if err := unstructured.SetNestedStringMap(object.Object, data, "data"); err != nil {
		t.Fatal(err)
	}
	return object
}

// checkPassword applies the API's policy, Wazuh 5's stricter one included.
func checkPassword(t *testing.T, password string) {
	t.Helper()
	var lower, upper, digit, symbol bool
	for _, c := range password {
		switch {
		case 'a' <= c && c <= 'z':
			lower = true
		case 'A' <= c && c <= 'Z':
			upper = true
		case '0' <= c && c <= '9':
			digit = true
		case slices.Contains([]rune(".,_+:@%^=~-"), c):
			symbol = true
		default:
			t.Errorf("the generated API password has a character Wazuh 5 refuses")
		}
	}
	if !lower || !upper || !digit || !symbol || len(password) < 12 || len(password) > 64 {
		t.Errorf("the generated API password (%d characters) does not meet the policy", len(password))
	}
}

func TestGolden(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		golden.Why(t, filepath.Join(folder, "values.yaml"))
		objects := contents(t, renderCase(t, folder))
		golden.Compare(t, filepath.Join(folder, "want.yaml"), golden.Documents(t, objects))
	})
}
