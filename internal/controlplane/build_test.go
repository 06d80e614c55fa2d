package controlplane

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// program writes the smallest source that Build can build.
func program(t *testing.T, body string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module example.test/program\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() { " + body + " }\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestBuildOnceAndAgainOnChange(t *testing.T) {
	options := BuildOptions{Source: program(t, `println("one")`), CacheDir: t.TempDir()}
	if _, cached, err := Cached(t.Context(), options); err != nil || cached {
		t.Fatalf("before the build: cached %v, %v", cached, err)
	}
	var last BuildProgress
	options.Progress = func(p BuildProgress) { last = p }

	// Two at once: one builds, the other waits for it.
	binaries := make([]string, 2)
	var group sync.WaitGroup
	for i := range binaries {
		group.Go(func() {
			quiet := options
			if i > 0 {
				quiet.Progress = nil
			}
			binary, err := Build(t.Context(), quiet)
			if err != nil {
				t.Error(err)
			}
			binaries[i] = binary
		})
	}
	group.Wait()
	if binaries[0] != binaries[1] {
		t.Errorf("two builds of one source gave %q", binaries)
	}
	output, err := exec.CommandContext(t.Context(), binaries[0]).CombinedOutput()
	if err != nil || string(output) != "one\n" {
		t.Errorf("the program says %q, %v", output, err)
	}
	if last.Total > 0 && last.Done > last.Total {
		t.Errorf("progress %+v counts beyond its total", last)
	}
	if _, cached, err := Cached(t.Context(), options); err != nil || !cached {
		t.Errorf("after the build: cached %v, %v", cached, err)
	}

	changed := BuildOptions{Source: program(t, `println("two")`), CacheDir: options.CacheDir}
	if binary, cached, err := Cached(t.Context(), changed); err != nil || cached || binary == binaries[0] {
		t.Errorf("changed source: %q, cached %v, %v; want another file", binary, cached, err)
	}
	if left, _ := filepath.Glob(filepath.Join(options.CacheDir, "partial-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestBuildQuotesTheCompiler(t *testing.T) {
	_, err := Build(t.Context(), BuildOptions{Source: program(t, "undefinedName()"), CacheDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "undefined: undefinedName") {
		t.Errorf("error %v, want the compiler's words", err)
	}
}

func TestBuildWaitsForTheLock(t *testing.T) {
	options := BuildOptions{Source: program(t, ""), CacheDir: t.TempDir()}
	binary, _, err := Cached(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := lockFile(t.Context(), binary+".lock", func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	options.Progress = func(p BuildProgress) {
		if p.Waiting {
			cancel()
		}
	}
	if _, err := Build(ctx, options); err == nil || !strings.Contains(err.Error(), "waiting for another build") {
		t.Errorf("error %v, want to have waited", err)
	}
}

func TestMissingSourceAndMissingGo(t *testing.T) {
	_, err := Build(t.Context(), BuildOptions{Source: filepath.Join(t.TempDir(), "none")})
	if err == nil || !strings.Contains(err.Error(), "should hold the source") {
		t.Errorf("error %v, want a hint about the source", err)
	}
	source := program(t, "")
	t.Setenv("PATH", t.TempDir())
	_, err = Build(t.Context(), BuildOptions{Source: source})
	if err == nil || !strings.Contains(err.Error(), "install Go") {
		t.Errorf("error %v, want a hint about Go", err)
	}
}

func TestFindSource(t *testing.T) {
	found, err := FindSource(Kubernetes)
	if err != nil || filepath.Base(found) != "kubernetes" {
		t.Errorf("from this folder: %q, %v", found, err)
	}
	t.Chdir(t.TempDir())
	if _, err := FindSource(Kubernetes); err == nil || !strings.Contains(err.Error(), "change into a clone") {
		t.Errorf("outside: error %v, want a hint", err)
	}
}

func TestCompilerMemory(t *testing.T) {
	for _, c := range []struct {
		meminfo string
		want    string
	}{
		{"MemTotal:       24684092 kB\nMemAvailable:   24285676 kB\n", "GOGC=off"},
		{"MemTotal:       24684092 kB\nMemAvailable:    4285676 kB\n", ""},
		{"no such line", ""},
	} {
		if got := strings.Join(compilerMemory(parseAvailable(c.meminfo)), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.meminfo, got, c.want)
		}
	}
}

func TestLinkedVersionIsTheRequiredOne(t *testing.T) {
	source, err := FindSource(Kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil || !strings.Contains(string(module), "k8s.io/kubernetes "+kubernetesVersion+"\n") {
		t.Errorf("go.mod (%v) does not require %s, which the linker is told", err, kubernetesVersion)
	}
}

// A stub in a folder below replaces a module: another stub is another program.
func TestReplacedModulesBelongToTheSource(t *testing.T) {
	options := BuildOptions{Source: program(t, ""), CacheDir: t.TempDir()}
	before, _, err := Cached(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	stub := filepath.Join(options.Source, "stub", "types.go")
	if err := os.Mkdir(filepath.Dir(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stub, []byte("package stub\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	after, _, err := Cached(t.Context(), options)
	if err != nil || after == before {
		t.Errorf("with a stub: %q, %v; want another name than before", after, err)
	}
	options.Program = MetalLB
	other, _, err := Cached(t.Context(), options)
	if err != nil || !strings.HasPrefix(filepath.Base(other), MetalLB.Name+"-") || strings.TrimPrefix(filepath.Base(other), MetalLB.Name) == strings.TrimPrefix(filepath.Base(after), Kubernetes.Name) {
		t.Errorf("another package of the same source: %q, %v; want a name and a key of its own", other, err)
	}
}

func TestModuleFolder(t *testing.T) {
	folder, err := ModuleFolder(t.Context(), MetalLB, "go.universe.tf/metallb")
	if err != nil {
		t.Fatal(err)
	}
	if kinds, _ := filepath.Glob(filepath.Join(folder, "config", "crd", "bases", "*.yaml")); len(kinds) == 0 {
		t.Errorf("no kinds in %s", folder)
	}
}
