package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	openapierrors "k8s.io/kube-openapi/pkg/validation/errors"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// schemaOf is the schema the API server would apply to a kind: the same file.
func schemaOf(kind string) (*apiextensionsv1.JSONSchemaProps, error) {
	file := "soctalk-ingress/crds-source/" + v1alpha1.GroupVersion.Group + "_" + strings.ToLower(kind) + "s.yaml"
	text, err := charts.Operator.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", kind, err)
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", kind, err)
	}
	for _, version := range definition.Spec.Versions {
		if version.Name == v1alpha1.GroupVersion.Version && version.Schema != nil {
			return version.Schema.OpenAPIV3Schema, nil
		}
	}
	return nil, fmt.Errorf("the schema of %s has no version %s", kind, v1alpha1.GroupVersion.Version)
}

// setDefaults fills in what the API server would, without which a Region read
// from a file would have no range of ports.
func setDefaults(schema *apiextensionsv1.JSONSchemaProps, value any) {
	switch value := value.(type) {
	case map[string]any:
		for field, property := range schema.Properties {
			if _, given := value[field]; !given && property.Default != nil {
				var filled any
				if err := json.Unmarshal(property.Default.Raw, &filled); err == nil {
					value[field] = integers(filled)
				}
			}
			if inner, ok := value[field]; ok {
				setDefaults(&property, inner)
			}
		}
	case []any:
		if schema.Items == nil || schema.Items.Schema == nil {
			return
		}
		for _, item := range value {
			setDefaults(schema.Items.Schema, item)
		}
	}
}

// integers turns JSON's floating numbers into the integers Kubernetes objects hold.
func integers(value any) any {
	switch value := value.(type) {
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	case map[string]any:
		for key, inner := range value {
			value[key] = integers(inner)
		}
	case []any:
		for i, inner := range value {
			value[i] = integers(inner)
		}
	}
	return value
}

// checkSchema applies the schema's rules for single values: enumerations,
// patterns, ranges. Its CEL rules are repeated by the planner.
func checkSchema(schema *apiextensionsv1.JSONSchemaProps, content map[string]any) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return fmt.Errorf("write the schema: %w", err)
	}
	var openAPI spec.Schema
	if err := json.Unmarshal(text, &openAPI); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	result := validate.NewSchemaValidator(&openAPI, nil, "", strfmt.Default).Validate(runtime.DeepCopyJSONValue(integers(content)))
	if len(result.Errors) == 0 {
		return nil
	}
	// The validator walks maps; the same file must give the same answer.
	fault := slices.MinFunc(result.Errors, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return schemaFault(fault)
}

// schemaFault takes the validator's "spec.x in body should ..." apart.
func schemaFault(fault error) error {
	var value *openapierrors.Validation
	if !errors.As(fault, &value) {
		return hinted(exitRefused, fault, "correct the value")
	}
	field := strings.TrimPrefix(value.Name, ".")
	remedy := strings.TrimPrefix(strings.TrimPrefix(value.Error(), value.Name), field)
	return &plan.Problem{
		Reason: v1alpha1.ReasonInvalidSpec, Field: field, Value: fmt.Sprint(value.Value),
		Remedy: strings.TrimPrefix(strings.TrimSpace(remedy), "in body "),
	}
}

// checkRegion repeats the schema's CEL rules of a Region: nobody else does,
// since the API server never lets a Region through that breaks them.
func checkRegion(region v1alpha1.Region) error {
	refuse := func(field, value, remedy string) error {
		return &plan.Problem{Reason: v1alpha1.ReasonInvalidSpec, Field: field, Value: value, Remedy: remedy}
	}
	certificates := region.Spec.Certificates
	switch certificates.Strategy {
	case v1alpha1.CertificateACME, v1alpha1.CertificateInternalCA:
		if certificates.IssuerRef == nil {
			return refuse("spec.certificates.strategy", string(certificates.Strategy), "it needs certificates.issuerRef.name, the cert-manager issuer to ask")
		}
	case v1alpha1.CertificateWildcard:
		if certificates.WildcardSecret == "" && certificates.IssuerRef == nil {
			return refuse("spec.certificates.strategy", string(certificates.Strategy), "it needs certificates.issuerRef.name, the cert-manager issuer to ask for the certificate, or certificates.wildcardSecret, a Secret in the operator's namespace that holds one")
		}
	}
	edge := region.Spec.Edge
	if edge == nil {
		if region.Spec.DefaultMode == v1alpha1.ModeEdgeHAProxy {
			return refuse("spec.defaultMode", string(region.Spec.DefaultMode), "it needs spec.edge with at least one address; add edge.addresses, or set defaultMode to loadbalancer")
		}
		return nil
	}
	for i, address := range edge.Addresses {
		if _, err := netip.ParseAddr(address); err != nil {
			return refuse(fmt.Sprintf("spec.edge.addresses[%d]", i), address, "write an IP address, such as 198.51.100.10 or 2001:db8::10")
		}
	}
	if edge.Ports.First >= edge.Ports.Last {
		return refuse("spec.edge.ports", fmt.Sprintf("%d-%d", edge.Ports.First, edge.Ports.Last), "first must be smaller than last")
	}
	return nil
}
