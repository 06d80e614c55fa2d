package chart

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// typed reads the objects of one kind into their Go type.
func typed[T any](t *testing.T, objects []*unstructured.Unstructured, kind string) map[string]T {
	t.Helper()
	out := map[string]T{}
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		var value T
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &value); err != nil {
			t.Fatal(err)
		}
		out[object.GetName()] = value
	}
	return out
}

// podLabels are the labels of every pod there is: the chart's own, and the
// existing manager's in a case that attaches to one.
func podLabels(t *testing.T, objects []*unstructured.Unstructured) []labels.Set {
	t.Helper()
	var out []labels.Set
	for _, set := range typed[appsv1.StatefulSet](t, objects, "StatefulSet") {
		out = append(out, set.Spec.Template.Labels)
	}
	for _, deployment := range typed[appsv1.Deployment](t, objects, "Deployment") {
		out = append(out, deployment.Spec.Template.Labels)
	}
	if len(typed[appsv1.StatefulSet](t, objects, "StatefulSet")) == 0 {
		out = append(out, labels.Set{naming.LabelName: "wazuh", naming.LabelComponent: "manager", "app.kubernetes.io/instance": "wazuh-gamma", "pod": "other"})
	}
	return append(out, labels.Set{"acme.cert-manager.io/http01-solver": "true"})
}

func matches(selector labels.Selector, pods []labels.Set) bool {
	return slices.ContainsFunc(pods, func(pod labels.Set) bool { return selector.Matches(pod) })
}

// A selector that matches no pod looks fine everywhere and does nothing.
func TestSelectorsMatchPods(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		objects := renderCase(t, folder)
		pods := podLabels(t, objects)
		for name, service := range typed[corev1.Service](t, objects, "Service") {
			got := matches(labels.SelectorFromSet(service.Spec.Selector), pods)
			nobody := service.Spec.Selector[naming.LabelSuspended] != "" || service.Spec.Selector[naming.LabelEndpoints] != ""
			if got == nobody {
				t.Errorf("Service %s: matches a pod: %t, is to match none: %t", name, got, nobody)
			}
		}
		for name, policy := range typed[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy") {
			selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
			if err != nil || !matches(selector, pods) {
				t.Errorf("NetworkPolicy %s selects no pod (%v)", name, err)
			}
		}
		for name, budget := range typed[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget") {
			selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
			if err != nil || !matches(selector, pods) {
				t.Errorf("PodDisruptionBudget %s selects no pod (%v)", name, err)
			}
		}
		for name, set := range typed[appsv1.StatefulSet](t, objects, "StatefulSet") {
			selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
			if err != nil || !selector.Matches(labels.Set(set.Spec.Template.Labels)) {
				t.Errorf("StatefulSet %s does not select its own pods (%v)", name, err)
			}
		}
		for name, deployment := range typed[appsv1.Deployment](t, objects, "Deployment") {
			selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
			if err != nil || !selector.Matches(labels.Set(deployment.Spec.Template.Labels)) {
				t.Errorf("Deployment %s does not select its own pods (%v)", name, err)
			}
		}
	})
}

// A suspended tenant has no way in for agents at all.
func TestSuspendedTenantAdmitsNoAgents(t *testing.T) {
	objects := renderCase(t, cases+"/suspended")
	for name, policy := range typed[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy") {
		if name == naming.Manager+"-agents" {
			t.Errorf("NetworkPolicy %s is rendered", name)
		}
		for _, rule := range policy.Spec.Ingress {
			for _, peer := range rule.From {
				if peer.IPBlock != nil {
					t.Errorf("NetworkPolicy %s admits %s", name, peer.IPBlock.CIDR)
				}
			}
		}
	}
}

// What counts for a whole namespace is for one that was made for the tenant.
func TestAdoptedNamespaceIsLeftAlone(t *testing.T) {
	objects := renderCase(t, cases+"/adopted-namespace")
	for _, object := range objects {
		switch object.GetKind() {
		case "ResourceQuota", "LimitRange":
			t.Errorf("%s %s is rendered", object.GetKind(), object.GetName())
		case "Namespace":
			if got, want := object.GetLabels(), map[string]string{naming.LabelTenant: "acme"}; !maps.Equal(got, want) {
				t.Errorf("Namespace: labels %v, want %v", got, want)
			}
			if got := object.GetAnnotations(); len(got) > 0 {
				t.Errorf("Namespace: annotations %v, want none", got)
			}
		}
	}
	strangers := []labels.Set{{"app": "shop"}, {naming.LabelName: "wazuh", naming.LabelComponent: "dashboard"}}
	policies := typed[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy")
	for name, policy := range policies {
		selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
		if err != nil || matches(selector, strangers) {
			t.Errorf("NetworkPolicy %s selects pods that are not ours (%v)", name, err)
		}
	}
	deny := policies[naming.Manager+"-default-deny"].Spec.PodSelector
	selector, err := metav1.LabelSelectorAsSelector(&deny)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range typed[appsv1.StatefulSet](t, objects, "StatefulSet") {
		if !selector.Matches(labels.Set(set.Spec.Template.Labels)) {
			t.Errorf("the pods of %s are not closed", name)
		}
	}
}

// The operator finds what it once made, and removes what it no longer wants, by
// these two labels. A namespace it leaves alone, but has to find.
func TestEveryObjectIsFoundByItsLabels(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		values := map[string]any{}
		golden.Read(t, filepath.Join(folder, "values.yaml"), &values)
		slug, _, _ := unstructured.NestedString(values, "tenant", "slug")
		for _, object := range renderCase(t, folder) {
			got := object.GetLabels()
			if got[naming.LabelTenant] != slug {
				t.Errorf("%s %s: label %s is %q, want %q", object.GetKind(), object.GetName(), naming.LabelTenant, got[naming.LabelTenant], slug)
			}
			if object.GetKind() != "Namespace" && got[naming.LabelManagedBy] != naming.Product {
				t.Errorf("%s %s: label %s is %q, want %q", object.GetKind(), object.GetName(), naming.LabelManagedBy, got[naming.LabelManagedBy], naming.Product)
			}
		}
	})
}

// Every volume a container mounts exists, and every volume is mounted.
func TestVolumesAndMountsAgree(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		for name, set := range typed[appsv1.StatefulSet](t, renderCase(t, folder), "StatefulSet") {
			volumes := map[string]bool{}
			for _, volume := range set.Spec.Template.Spec.Volumes {
				volumes[volume.Name] = false
			}
			for _, claim := range set.Spec.VolumeClaimTemplates {
				volumes[claim.Name] = false
			}
			for _, container := range set.Spec.Template.Spec.Containers {
				paths := map[string]bool{}
				for _, mount := range container.VolumeMounts {
					if _, ok := volumes[mount.Name]; !ok {
						t.Errorf("StatefulSet %s mounts %q, which is no volume", name, mount.Name)
					}
					if paths[mount.MountPath] {
						t.Errorf("container %s of StatefulSet %s mounts %s twice", container.Name, name, mount.MountPath)
					}
					volumes[mount.Name], paths[mount.MountPath] = true, true
				}
			}
			for volume, used := range volumes {
				if !used {
					t.Errorf("StatefulSet %s does not mount volume %q", name, volume)
				}
			}
		}
	})
}

// The chart spells in YAML what naming spells in Go.
func TestNamesAreThoseOfNaming(t *testing.T) {
	objects := renderCase(t, cases+"/loadbalancer")
	var names []string
	for _, object := range objects {
		names = append(names, object.GetKind()+" "+object.GetName())
	}
	want := []string{
		"Namespace " + naming.Namespace("acme"),
		"Service " + naming.ServiceAgents,
		"Service " + naming.ServiceAPI,
		"Service " + naming.ServiceGateway,
		"StatefulSet " + naming.Manager,
		"Certificate " + naming.SecretTLS,
	}
	for _, name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing; rendered: %v", name, names)
		}
	}

	set := typed[appsv1.StatefulSet](t, objects, "StatefulSet")[naming.Manager]
	secrets := map[string][]string{}
	for _, volume := range set.Spec.Template.Spec.Volumes {
		if volume.Secret == nil {
			continue
		}
		for _, item := range volume.Secret.Items {
			if !slices.Contains(secrets[volume.Secret.SecretName], item.Key) { // two containers mount some
				secrets[volume.Secret.SecretName] = append(secrets[volume.Secret.SecretName], item.Key)
			}
		}
	}
	for _, env := range set.Spec.Template.Spec.Containers[0].Env {
		if env.ValueFrom != nil {
			ref := env.ValueFrom.SecretKeyRef
			secrets[ref.Name] = append(secrets[ref.Name], ref.Key)
		}
	}
	wantSecrets := map[string][]string{
		naming.SecretAuthdInternal: {naming.KeyEnrollment},
		naming.SecretGatewayPolicy: {naming.KeyGatewayPolicy},
		naming.SecretGatewayAdmin:  {naming.KeyTLSCert, naming.KeyTLSKey, naming.KeyGatewayToken},
		naming.SecretTLS:           {naming.KeyTLSCert, naming.KeyTLSKey},
		naming.SecretAPITLS:        {naming.KeyTLSCert, naming.KeyTLSKey},
		naming.SecretAPI:           {naming.KeyAPIUsername, naming.KeyAPIPassword},
	}
	if !maps.EqualFunc(secrets, wantSecrets, slices.Equal[[]string]) {
		t.Errorf("Secrets and keys %v, want %v", secrets, wantSecrets)
	}

	services := typed[corev1.Service](t, objects, "Service")
	for _, port := range naming.ManagerPorts(4) {
		service := services[naming.ServiceAgents]
		if !port.Agents {
			service = services[naming.ServiceAPI]
		}
		if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == port.Name && p.Port == port.Number }) {
			t.Errorf("Service %s has no port %s %d", service.Name, port.Name, port.Number)
		}
	}
	checkLabels(t, objects)
}

func checkLabels(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, object := range objects {
		got := object.GetLabels()
		if got[naming.LabelTenant] != "acme" || got[naming.LabelRegion] != "eu" || got[naming.LabelManagedBy] != naming.Product || got[naming.LabelName] == "" {
			t.Errorf("%s %s: labels %v", object.GetKind(), object.GetName(), got)
		}
		if object.GetKind() == "Namespace" && (got[naming.LabelSocTalkTenant] != "true" || got[naming.LabelSocTalkManagedBy] != "soctalk") {
			t.Errorf("Namespace: labels %v, want SocTalk's own", got)
		}
	}
}

// Without the operator nobody would write the agents' endpoints.
func TestByHandThereIsNoGatewayInFrontOfAnExistingManager(t *testing.T) {
	_, err := Render(map[string]any{
		"tenant": map[string]any{"slug": "acme"}, "wazuhIngress": map[string]any{"hostname": "acme.soc.example.com"},
		"manager": map[string]any{"deploy": false, "selector": map[string]any{"app": "wazuh"},
			"authd": map[string]any{"passwordSecret": "theirs", "caSecret": "theirs-ca"}},
	}, Options{Generate: true})
	if err == nil || !strings.Contains(err.Error(), "only the operator can run the gateway") {
		t.Errorf("got %v", err)
	}
}
