package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// The guide shows, for each load balancer, what to write and what comes of it:
// both are looked at here, so that nobody copies what does not work any more.
func TestTheGuideShowsWhatIsRendered(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/load-balancers.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../examples/load-balancers/*.yaml")
	if err != nil || len(examples) != 5 {
		t.Fatalf("%d examples, %v; want one for each preset", len(examples), err)
	}
	manifests, err := filepath.Glob("../../examples/load-balancers/*/*.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifests of the load balancers' own: %v", err)
	}
	shown := func(what, text string) {
		t.Helper()
		if !strings.Contains(string(page), "```yaml\n"+text+"```\n") {
			t.Errorf("docs/guide/load-balancers.md does not show %s:\n```yaml\n%s```", what, text)
		}
	}
	for _, file := range append(examples, manifests...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown(file, string(text))
	}
	for _, file := range examples {
		shown("the Service of "+file, renderedService(t, file))
	}
}

// renderedService is what a load balancer reads: annotations and spec, without
// what every Service has.
func renderedService(t *testing.T, file string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if code := Main(context.Background(), []string{"render", "-f", file}, IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut}); code != exitOK {
		t.Fatalf("render -f %s: exit code %d: %s", file, code, errOut.String())
	}
	for document := range strings.SplitSeq(out.String(), "\n---\n") {
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object.Kind != "Service" || object.Name != naming.ServiceAgents {
			continue
		}
		var service corev1.Service
		if err := yaml.UnmarshalStrict([]byte(document), &service); err != nil {
			t.Fatal(err)
		}
		service.Spec.Ports, service.Spec.Selector, service.Spec.PublishNotReadyAddresses = nil, nil, false
		shown := map[string]any{"spec": service.Spec}
		if len(service.Annotations) > 0 {
			shown["metadata"] = map[string]any{"annotations": service.Annotations}
		}
		text, err := yaml.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("# kubectl -n tenant-acme get service %s -o yaml, in part\n%s", naming.ServiceAgents, text)
	}
	t.Fatalf("no Service %s comes of %s", naming.ServiceAgents, file)
	return ""
}
