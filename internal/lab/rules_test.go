package lab_test

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// brokenRule is an entry of testdata/rules.yaml.
type brokenRule struct {
	Says   string         `json:"says"`
	Before map[string]any `json:"before"`
	Object map[string]any `json:"object"`
}

// Each rule the kinds hold refuses an object that is wrong in this one thing, with
// its message and no other. The operator is away: nothing but the API server judges,
// and nobody tidies up.
func TestEachRuleRefusesAnObject(t *testing.T) {
	l := installation(t)
	if err := l.StopOperator(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.StartOperator(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	text, err := os.ReadFile("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var broken []brokenRule
	if err := yaml.UnmarshalStrict(text, &broken); err != nil {
		t.Fatal(err)
	}
	rules := rulesOfKinds(t)
	for _, c := range broken {
		kind, _ := c.Object["kind"].(string)
		t.Run(kind+": "+c.Says, func(t *testing.T) {
			err := refuse(t, l, c)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("not refused as invalid: %v", err)
			}
			var said []string
			for message := range rules[kind] {
				if strings.Contains(err.Error(), message) {
					said = append(said, message)
					rules[kind][message] = true
				}
			}
			if len(said) != 1 || !strings.Contains(said[0], c.Says) {
				t.Errorf("the rules that refuse it say %q: %v", said, err)
			}
		})
	}
	for kind, messages := range rules {
		for _, message := range slices.Sorted(maps.Keys(messages)) {
			if !messages[message] {
				t.Errorf("no object of kind %s in testdata/rules.yaml is refused because %q", kind, message)
			}
		}
	}
}

// refuse is the API server's answer to a wrong object, or to a wrong change.
func refuse(t *testing.T, l *lab.Lab, c brokenRule) error {
	t.Helper()
	object := &unstructured.Unstructured{Object: c.Object}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	if c.Before == nil {
		return l.Client.Create(t.Context(), object, client.DryRunAll)
	}
	before := &unstructured.Unstructured{Object: c.Before}
	before.SetAPIVersion(v1alpha1.GroupVersion.String())
	if err := l.Client.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Client.Delete(context.Background(), before); err != nil {
			t.Error(err)
		}
	})
	object.SetResourceVersion(before.GetResourceVersion())
	return l.Client.Update(t.Context(), object, client.DryRunAll)
}

// rulesOfKinds are the messages of all rules in the chart's kinds, none met yet.
func rulesOfKinds(t *testing.T) map[string]map[string]bool {
	t.Helper()
	files, err := fs.Glob(charts.Operator, "soctalk-ingress/crds-source/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("the chart's kinds: %q, %v", files, err)
	}
	rules := map[string]map[string]bool{}
	for _, file := range files {
		text, err := fs.ReadFile(charts.Operator, file)
		if err != nil {
			t.Fatal(err)
		}
		var kind apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &kind); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found := map[string]bool{}
		for _, version := range kind.Spec.Versions {
			collectRules(version.Schema.OpenAPIV3Schema, found)
		}
		rules[kind.Spec.Names.Kind] = found
	}
	return rules
}

func collectRules(schema *apiextensionsv1.JSONSchemaProps, into map[string]bool) {
	if schema == nil {
		return
	}
	for _, rule := range schema.XValidations {
		into[rule.Message] = false
	}
	for _, property := range schema.Properties {
		collectRules(&property, into)
	}
	if schema.Items != nil {
		collectRules(schema.Items.Schema, into)
	}
	if schema.AdditionalProperties != nil {
		collectRules(schema.AdditionalProperties.Schema, into)
	}
}
