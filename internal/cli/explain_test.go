package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

func explained(err error) string {
	var out bytes.Buffer
	reportError(&out, err, nil)
	return out.String()
}

func TestPlannerAndAPIServerSoundAlike(t *testing.T) {
	tenants := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: "Tenant"}
	path := field.NewPath("spec", "wazuhIngress")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"planner": {
			fmt.Errorf("tenant %q: %w", "acme", &plan.Problem{Field: "spec.region", Value: "moon", Remedy: "no such Region; use one of eu"}),
			"error: tenant \"acme\": spec.region: \"moon\" is refused\nhint: no such Region; use one of eu\n",
		},
		"API server, a value": {
			apierrors.NewInvalid(tenants, "acme", field.ErrorList{field.Invalid(path.Child("hostname"), "Acme: x", "should match '^a$'")}),
			"error: tenant \"acme\": spec.wazuhIngress.hostname: \"Acme: x\" is refused\nhint: should match '^a$'\n",
		},
		"API server, a rule on an object": {
			apierrors.NewInvalid(tenants, "acme", field.ErrorList{field.Invalid(path, "object", "edgePorts belongs to mode edge-haproxy; remove edgePorts")}),
			"error: tenant \"acme\": spec.wazuhIngress is refused\nhint: edgePorts belongs to mode edge-haproxy; remove edgePorts\n",
		},
		"API server, a number": {
			apierrors.NewInvalid(tenants, "acme", field.ErrorList{field.Invalid(path.Child("edgePorts", "events"), 0, "should be greater than or equal to 1")}),
			"error: tenant \"acme\": spec.wazuhIngress.edgePorts.events: 0 is refused\nhint: should be greater than or equal to 1\n",
		},
		"API server, two faults, wrapped": {
			fmt.Errorf("create tenant: %w", apierrors.NewInvalid(tenants, "acme", field.ErrorList{
				field.Invalid(path, "object", "first"), field.NotSupported(path.Child("mode"), "x", []string{"loadbalancer"}),
			})),
			"error: tenant \"acme\": spec.wazuhIngress is refused\nhint: first\n" +
				"error: tenant \"acme\": spec.wazuhIngress.mode: \"x\" is refused\nhint: supported values: \"loadbalancer\"\n",
		},
		"API server, a rule whose text has a colon": {
			apierrors.NewInvalid(tenants, "acme", field.ErrorList{
				{Type: field.ErrorTypeInvalid, Field: "spec.x", BadValue: field.OmitValueType{}, Detail: "write a network: 10.0.0.0/8"},
				{Type: field.ErrorTypeInvalid, Field: "<nil>", BadValue: nil, Detail: "some validation rules were not checked"},
			}),
			"error: tenant \"acme\": spec.x is refused\nhint: write a network: 10.0.0.0/8\n",
		},
		"API server, a pattern": {
			apierrors.NewInvalid(tenants, "acme", field.ErrorList{field.Invalid(field.NewPath("spec", "v"), "x", "spec.v in body should match '^a$'")}),
			"error: tenant \"acme\": spec.v: \"x\" is refused\nhint: should match '^a$'\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := explained(test.err); got != test.want {
				t.Errorf("got:\n%swant:\n%s", got, test.want)
			}
			if code := codeOf(test.err); code != exitRefused {
				t.Errorf("exit code %d, want %d", code, exitRefused)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	for want, errs := range map[int][]error{
		exitFailed:   {errors.New("x"), context.Canceled, apierrors.NewForbidden(secrets, "a", errors.New("no"))},
		exitUsage:    {usageError("x"), fmt.Errorf("wrapped: %w", usageError("x"))},
		exitNotFound: {desk.NoTenant("acme"), apierrors.NewNotFound(secrets, "a")},
		exitRefused:  {&plan.Problem{}, &onboard.Missing{}, apierrors.NewAlreadyExists(secrets, "a")},
		exitTimeout:  {hinted(exitTimeout, errors.New("x"), "y")},
	} {
		for _, err := range errs {
			if got := codeOf(err); got != want {
				t.Errorf("%v: exit code %d, want %d", err, got, want)
			}
		}
		if !strings.Contains(exitCodesText, fmt.Sprintf("  %d  ", want)) {
			t.Errorf("exit code %d is not documented", want)
		}
	}
}

func TestForbiddenNamesTheRight(t *testing.T) {
	err := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "wazuh-api-credentials",
		errors.New(`User "eve" cannot get resource "secrets" in API group "" in the namespace "tenant-acme"`))
	got := explained(fmt.Errorf("get secret tenant-acme/wazuh-api-credentials: %w", err))
	for _, want := range []string{`cannot get resource "secrets"`, "tenant-acme", "hint: ask the cluster's administrator"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}
