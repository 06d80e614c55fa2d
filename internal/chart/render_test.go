package chart

import (
	"bytes"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

func TestSpellingsGiveTheSameObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/spellings/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("spellings: %d files, %v; want at least 4", len(files), err)
	}
	var first []byte
	for _, file := range files {
		golden.Why(t, file)
		values := map[string]any{}
		golden.Read(t, file, &values)
		objects, err := Render(values, Options{})
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		got := golden.Documents(t, contents(t, objects))
		if first == nil {
			first = got
		}
		if !bytes.Equal(first, got) {
			t.Errorf("%s renders something else than %s:\n%s", file, files[0], cmp.Diff(string(first), string(got)))
		}
	}
	if !strings.Contains(string(first), "secretName: acme-tls") || !strings.Contains(string(first), "name: corp-ca") {
		t.Error("the spelling's certificate values have no effect")
	}
}

func TestInvalidValues(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no invalid cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			golden.Why(t, file)
			var in struct {
				Want   string         `json:"want"`
				Values map[string]any `json:"values"`
			}
			golden.Read(t, file, &in)
			objects, err := Render(in.Values, Options{})
			if err == nil {
				t.Fatalf("rendered %d objects, want an error with %q", len(objects), in.Want)
			}
			if !strings.HasPrefix(err.Error(), in.Want) {
				t.Errorf("error\n  %v\nwant it to begin with\n  %s", err, in.Want)
			}
		})
	}
}

func TestRenderIsDeterministicAndKeepsItsValues(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		if handUse(folder) {
			t.Skip("made-up secrets differ on purpose")
		}
		values := map[string]any{}
		golden.Read(t, filepath.Join(folder, "values.yaml"), &values)
		before := golden.YAML(t, values)
		var rendered [4][]byte
		var wait sync.WaitGroup
		for i := range rendered {
			wait.Go(func() {
				objects, err := Render(values, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				rendered[i] = golden.Documents(t, contents(t, objects))
			})
		}
		wait.Wait()
		for i := range rendered {
			if !bytes.Equal(rendered[0], rendered[i]) {
				t.Errorf("rendering %d differs:\n%s", i, cmp.Diff(string(rendered[0]), string(rendered[i])))
			}
		}
		if after := golden.YAML(t, values); !bytes.Equal(before, after) {
			t.Errorf("Render changed its values:\n%s", cmp.Diff(string(before), string(after)))
		}
	})
}

func TestKindsCoverEveryCase(t *testing.T) {
	allowed := map[string]bool{}
	for _, kind := range Kinds() {
		allowed[kind.String()] = true
	}
	seen := map[string]bool{}
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		for _, object := range renderCase(t, folder) {
			kind := object.GroupVersionKind().String()
			seen[kind] = true
			if !allowed[kind] && !(handUse(folder) && object.GetKind() == "Secret") {
				t.Errorf("%s %s is not in Kinds", kind, object.GetName())
			}
		}
	})
	for kind := range allowed {
		if !seen[kind] {
			t.Errorf("%s is in Kinds, but no case renders one", kind)
		}
	}
}

// A field the API does not know is dropped by the API server without a word.
func TestObjectsHaveOnlyKnownFields(t *testing.T) {
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Strict: true})
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		for _, object := range renderCase(t, folder) {
			if !scheme.Scheme.Recognizes(object.GroupVersionKind()) {
				continue // cert-manager's
			}
			raw, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := strict.Decode(raw, nil, nil); err != nil {
				t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
			}
		}
	})
}

func TestObjectsAreInOneNamespace(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		objects := renderCase(t, folder)
		namespace := ""
		for _, object := range objects {
			if object.GetKind() != "Namespace" {
				namespace = object.GetNamespace()
			}
		}
		for _, object := range objects {
			got := object.GetNamespace()
			if object.GetKind() == "Namespace" {
				got = object.GetName()
			}
			if got != namespace || !strings.HasPrefix(got, "tenant-") {
				t.Errorf("%s %s is in namespace %q, others in %q", object.GetKind(), object.GetName(), got, namespace)
			}
		}
	})
}

// SNI says nothing about a Wazuh agent: 1514 is no TLS, and 1515 sends none.
func TestNothingBranchesOnSNI(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		text := strings.ToLower(string(golden.Documents(t, contents(t, renderCase(t, folder)))))
		for _, word := range []string{"sni", "servername", "server_name", "ssl_preread"} {
			for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r == '_') }) {
				if field == word || strings.HasSuffix(field, "_"+word) {
					t.Errorf("%q is mentioned: %s", word, field)
				}
			}
		}
	})
}
