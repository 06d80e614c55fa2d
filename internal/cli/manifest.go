package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	sigsjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// maxManifest bounds a file; a thousand tenants are half a MiB.
const maxManifest = 16 << 20

// manifests is what the files given to render hold.
type manifests struct {
	regions []v1alpha1.Region
	tenants []v1alpha1.Tenant
	// held maps the names of claims to their holders.
	held map[string]plan.Holder
}

// add reads the documents of one file.
func (m *manifests) add(file string, text []byte) error {
	if m.held == nil {
		m.held = map[string]plan.Holder{}
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		where := fmt.Sprintf("%s, document %d", file, n)
		if err != nil {
			return hinted(exitRefused, fmt.Errorf("%s: %w", where, err), "it must be YAML")
		}
		if err := m.addDocument(where, document); err != nil {
			return err
		}
	}
}

func (m *manifests) addDocument(where string, document []byte) error {
	var content map[string]any
	if err := yaml.UnmarshalStrict(document, &content); err != nil {
		return hinted(exitRefused, fmt.Errorf("%s: %w", where, err), "it must be YAML, with each field once")
	}
	if len(content) == 0 {
		return nil // a comment between two separators
	}
	kind, _ := content["kind"].(string)
	version, _ := content["apiVersion"].(string)
	if version != v1alpha1.GroupVersion.String() || !slices.Contains([]string{"Region", "Tenant", "Claim"}, kind) {
		return hinted(exitRefused, fmt.Errorf("%s: kind %q of apiVersion %q cannot be rendered", where, kind, version),
			"give Tenants, Regions and Claims of %s", v1alpha1.GroupVersion)
	}
	where += ": " + kind
	if metadata, ok := content["metadata"].(map[string]any); ok {
		where += fmt.Sprintf(" %q", metadata["name"])
	}
	var err error
	switch kind {
	case "Region":
		err = decode(kind, content, &m.regions)
		if err == nil {
			err = checkRegion(m.regions[len(m.regions)-1])
		}
	case "Tenant":
		err = decode(kind, content, &m.tenants)
	case "Claim":
		var claims []v1alpha1.Claim
		if err = decode(kind, content, &claims); err == nil {
			m.held[claims[0].Name] = plan.HolderOf(claims[0])
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return m.checkDoubles(where)
}

// decode fills in the schema's defaults, checks the schema's rules, and appends
// the object; a field nobody knows is an error that names it.
func decode[T any](kind string, content map[string]any, into *[]T) error {
	schema, err := schemaOf(kind)
	if err != nil {
		return err
	}
	var object T
	if err := strict(content, &object); err != nil {
		return err
	}
	setDefaults(schema, content)
	if err := checkSchema(schema, content); err != nil {
		return err
	}
	var filled T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &filled); err != nil {
		return hinted(exitRefused, err, "correct the value")
	}
	*into = append(*into, filled)
	return nil
}

func strict(content map[string]any, object any) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return fmt.Errorf("write again: %w", err)
	}
	if text, err = yaml.YAMLToJSON(text); err != nil {
		return fmt.Errorf("write as JSON: %w", err)
	}
	faults, err := sigsjson.UnmarshalStrict(text, object)
	if err != nil {
		return hinted(exitRefused, err, "correct the type of the value")
	}
	var unknown []string
	for _, fault := range faults {
		unknown = append(unknown, fault.Error())
	}
	if unknown != nil {
		return hinted(exitRefused, errors.New(strings.Join(unknown, ", ")), "correct the spelling, or remove it; kubectl explain shows the fields")
	}
	return nil
}

// checkDoubles refuses a second object of one name: which of the two is meant?
func (m *manifests) checkDoubles(where string) error {
	var names []string
	for i := range m.regions {
		names = append(names, "Region/"+name(&m.regions[i]))
	}
	for i := range m.tenants {
		names = append(names, "Tenant/"+name(&m.tenants[i]))
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		return hinted(exitRefused, fmt.Errorf("%s is there twice", where), "keep one of them")
	}
	return nil
}

func name(object metav1.Object) string { return object.GetName() }
