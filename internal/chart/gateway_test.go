package chart

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Behind the gateway the agents' secret is in no container at all, and authd's
// own port is in no Service and admitted by no policy.
func TestAuthdIsBehindTheGateway(t *testing.T) {
	objects := renderCase(t, cases+"/gateway-metrics")
	set := typed[appsv1.StatefulSet](t, objects, "StatefulSet")[naming.Manager]
	for _, volume := range set.Spec.Template.Spec.Volumes {
		if volume.Secret != nil && volume.Secret.SecretName == naming.SecretEnrollment {
			t.Errorf("volume %s shows the agents' secret", volume.Name)
		}
	}
	for name, service := range typed[corev1.Service](t, objects, "Service") {
		for _, port := range service.Spec.Ports {
			if port.TargetPort.IntValue() == naming.PortAuthdInternal {
				t.Errorf("Service %s leads to authd", name)
			}
		}
	}
	admitted := map[int][]string{}
	for name, rules := range typed[networkingv1.NetworkPolicy](t, objects, "NetworkPolicy") {
		for _, rule := range rules.Spec.Ingress {
			for _, port := range rule.Ports {
				admitted[port.Port.IntValue()] = append(admitted[port.Port.IntValue()], name)
			}
		}
	}
	for port, want := range map[int][]string{
		naming.PortAuthdInternal:  nil,
		naming.PortGatewayAdmin:   {"wazuh-manager-operator"},
		naming.PortGatewayMetrics: {"wazuh-manager-metrics"},
	} {
		if !slices.Equal(admitted[port], want) {
			t.Errorf("port %d is admitted by %v, want %v", port, admitted[port], want)
		}
	}
}

// An installation by hand has a policy that knows its secret. It stays as it is
// while nothing changes, and a new secret gives it the next generation.
func TestByHandThePolicyFollowsTheSecret(t *testing.T) {
	first := byHand(t, nil)
	checkPolicy(t, first, 1)
	again := byHand(t, first)
	for name, secret := range first {
		for key, value := range secret.Data {
			if string(again[name].Data[key]) != string(value) {
				t.Errorf("Secret %s, key %s, was made anew", name, key)
			}
		}
	}
	again[naming.SecretEnrollment].Data[naming.KeyEnrollment] = []byte(goodSecret + "\n")
	checkPolicy(t, byHand(t, again), 2)
}

func checkPolicy(t *testing.T, secrets map[string]corev1.Secret, generation int64) {
	t.Helper()
	got, err := policy.Parse(secrets[naming.SecretGatewayPolicy].Data[naming.KeyGatewayPolicy])
	if err != nil {
		t.Fatal(err)
	}
	line := secrets[naming.SecretEnrollment].Data[naming.KeyEnrollment]
	if want := policy.DigestOf(line[:len(line)-1]); got.Secret != want || got.Generation != generation {
		t.Errorf("generation %d knows the secret: %t; want generation %d that does", got.Generation, got.Secret == want, generation)
	}
}

// byHand renders the shortest installation by hand over what is there already.
func byHand(t *testing.T, there map[string]corev1.Secret) map[string]corev1.Secret {
	t.Helper()
	chart, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	golden.Read(t, cases+"/hand-install/values.yaml", &values)
	toRender, err := util.ToRenderValues(chart, values, releaseOf(values), common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := engine.RenderWithClientProvider(chart, toRender, cluster(there))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := parse(rendered)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]corev1.Secret{}
	for _, object := range objects {
		if object.GetKind() != "Secret" {
			continue
		}
		text, err := json.Marshal(object)
		var secret corev1.Secret
		if err == nil {
			err = json.Unmarshal(text, &secret)
		}
		if err != nil {
			t.Fatal(err)
		}
		out[secret.Name] = secret
	}
	return out
}

// cluster is what Helm's lookup finds: Secrets, and nothing else.
type cluster map[string]corev1.Secret

func (c cluster) GetClientFor(string, string) (dynamic.NamespaceableResourceInterface, bool, error) {
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	var objects []runtime.Object
	for name, secret := range c {
		data := map[string]any{}
		for key, value := range secret.Data {
			data[key] = base64.StdEncoding.EncodeToString(value)
		}
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "data": data,
			"metadata": map[string]any{"name": name, "namespace": naming.Namespace("acme")},
		}})
	}
	kinds := map[schema.GroupVersionResource]string{secrets: "SecretList"}
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, objects...).Resource(secrets), true, nil
}
