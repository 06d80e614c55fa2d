package chart

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/golden"
)

// What `helm lint` says, over the chart as it is inside the program.
func TestHelmLint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), charts.TenantDir)
	tree, err := fs.Sub(charts.Tenant, charts.TenantDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	golden.Read(t, cases+"/hand-install/values.yaml", &values)
	result := lint.RunAll(dir, values, "tenant-acme")
	for _, message := range result.Messages {
		if message.Severity > support.InfoSev {
			t.Error(message)
		}
	}
}

// By hand, a release in another namespace would be out of the edge's sight.
func TestReleaseBelongsIntoTheTenantsNamespace(t *testing.T) {
	chart, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	golden.Read(t, cases+"/hand-install/values.yaml", &values)
	toRender, err := util.ToRenderValues(chart, values, common.ReleaseOptions{Name: "x", Namespace: "default"}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	want := `tenant.slug: "acme" belongs into namespace "tenant-acme", not "default"; the edge and the operator look for it there: add -n tenant-acme`
	if _, err := engine.Render(chart, toRender); err == nil || templateError(err).Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func notes(t *testing.T, folder string) string {
	t.Helper()
	values := map[string]any{}
	golden.Read(t, filepath.Join(folder, "values.yaml"), &values)
	return notesOf(t, values)
}

func notesOf(t *testing.T, values map[string]any) string {
	t.Helper()
	chart, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	toRender, err := util.ToRenderValues(chart, values, releaseOf(values), common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	rendered, err := engine.Render(chart, toRender)
	if err != nil {
		t.Fatal(err)
	}
	return rendered[charts.TenantDir+"/templates/NOTES.txt"]
}

// Mode edge-haproxy with nothing else said: an installation fails with its notes.
func TestNotesWithoutEdgePorts(t *testing.T) {
	text := notesOf(t, map[string]any{
		"tenant":       map[string]any{"slug": "acme"},
		"wazuhIngress": map[string]any{"mode": "edge-haproxy", "hostname": "acme.soc.example.com"},
	})
	if want := "enrollment: edge port (choose one) -> 1515"; !strings.Contains(text, want) {
		t.Errorf("the notes do not say %q:\n%s", want, text)
	}
}

// Helm prints the notes after an installation; they must render in every case.
// Two traps nobody sees in the objects are told there, and only where they are.
func TestNotes(t *testing.T) {
	told := map[string]string{
		"attach":                       "networkPolicy.attached: true",
		"preset-eks-no-health-sources": "203.0.113.0/24, 2001:db8::/48 only. On EKS",
	}
	for name := range told {
		if _, err := os.Stat(filepath.Join(cases, name)); err != nil {
			t.Error(err)
		}
	}
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		text := notes(t, folder)
		if len(text) < 200 {
			t.Errorf("notes: %q", text)
		}
		for name, warning := range told {
			if got, want := strings.Contains(text, warning), name == filepath.Base(folder); got != want {
				t.Errorf("the notes say %q: %t, want %t:\n%s", warning, got, want, text)
			}
		}
	})
}
