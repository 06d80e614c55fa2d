package haproxy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/haproxies"
)

// caseInput is a golden case: one edge and its routes.
type caseInput struct {
	Config Config  `json:"config"`
	Routes []Route `json:"routes"`
}

func TestGolden(t *testing.T) {
	golden.Folders(t, "testdata", func(t *testing.T, folder string) {
		if filepath.Base(folder) == "fuzz" {
			t.Skip("inputs the fuzzer found")
		}
		in := filepath.Join(folder, "in.yaml")
		golden.Why(t, in)
		var input caseInput
		golden.Read(t, in, &input)
		routes, refused := CheckAll(input.Routes, input.Config, input.Config.Addresses)
		if len(refused) > 0 {
			t.Fatalf("refused: %v", refused)
		}
		files := DataFiles(input.Config, routes)
		golden.Compare(t, filepath.Join(folder, FileRoutes), files.Routes)
		golden.Compare(t, filepath.Join(folder, FileAllow), files.Allow)
		golden.Compare(t, filepath.Join(folder, FileHosts), files.Hosts)
		for format, name := range map[string]string{"own": FileConfig, "haproxy": "reference.cfg", "nginx": "nginx-stream.conf", "envoy": "envoy.json"} {
			text, err := RenderFor(format, input.Config, routes)
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			golden.Compare(t, filepath.Join(folder, name), text)
			if format == "nginx" {
				judgeNginx(t, text)
			}
		}
	})
}

// Every release of HAProxy takes every golden configuration, and has nothing to
// say about it: what it warns of today the next one refuses.
func TestEveryHAProxyTakesThemInSilence(t *testing.T) {
	haproxies.Each(t, func(t *testing.T) {
		golden.Folders(t, "testdata", func(t *testing.T, folder string) {
			if filepath.Base(folder) == "fuzz" {
				t.Skip("inputs the fuzzer found")
			}
			var input caseInput
			golden.Read(t, filepath.Join(folder, "in.yaml"), &input)
			file := func(name string) []byte {
				text, err := os.ReadFile(filepath.Join(folder, name))
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			judge(t, input.Config, file(FileConfig), Files{Routes: file(FileRoutes), Allow: file(FileAllow), Hosts: file(FileHosts)})
			if len(input.Routes) > 0 { // else there is nothing to listen on, which HAProxy calls an error
				judge(t, input.Config, file("reference.cfg"), Files{})
			}
		})
	})
}

// judge gives a configuration to the real HAProxy, with its files in a folder of
// the test's own.
func judge(t *testing.T, config Config, text []byte, files Files) {
	t.Helper()
	out, err := opinion(t, config, text, files)
	if err != nil {
		t.Errorf("haproxy -c refuses it: %v\n%s", err, out)
	}
	if said := strings.TrimSpace(strings.ReplaceAll(out, "Configuration file is valid", "")); said != "" {
		t.Errorf("haproxy -c takes it, but says:\n%s", said)
	}
}

func opinion(t *testing.T, config Config, text []byte, files Files) (string, error) {
	t.Helper()
	program := haproxies.Need(t)
	dir := t.TempDir()
	moved := strings.ReplaceAll(string(text), config.Dir+"/", dir+"/")
	for name, content := range map[string]string{
		FileConfig: moved, FileRoutes: string(files.Routes), FileAllow: string(files.Allow), FileHosts: string(files.Hosts), FileSelf: "127.0.0.1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), program, "-c", "-f", filepath.Join(dir, FileConfig)).CombinedOutput()
	return string(out), err
}

// judgeNginx gives it to the real nginx. "Cannot bind" is no judgement: the
// addresses are somebody else's.
func judgeNginx(t *testing.T, text []byte) {
	t.Helper()
	if out, err := nginxOpinion(t, text); err != nil && !strings.Contains(out, "bind()") {
		t.Errorf("nginx -t refuses it: %v\n%s", err, out)
	}
}

func nginxOpinion(t *testing.T, text []byte) (string, error) {
	t.Helper()
	program := needNginx(t)
	dir := t.TempDir()
	preamble := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\n"
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err == nil {
		preamble = "load_module " + module + ";\n" + preamble
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(preamble+string(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "-t", "-c", file).CombinedOutput()
	return string(out), err
}

// needNginx finds it, or skips; in continuous integration it must be there.
func needNginx(t *testing.T) string {
	t.Helper()
	for _, candidate := range []string{"nginx", "/usr/sbin/nginx"} { // Debian's, where a user's PATH need not lead
		if program, err := exec.LookPath(candidate); err == nil {
			return program
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("nginx is not installed; hack/install-peers.sh installs it")
	}
	t.Skip("nginx is not installed; hack/install-peers.sh installs it")
	return ""
}

// A judge that never refuses judges nothing.
func TestTheJudgeRefuses(t *testing.T) { haproxies.Each(t, testTheJudgeRefuses) }

func testTheJudgeRefuses(t *testing.T) {
	config := Config{First: 15140, Last: 15149, Dir: "/var/lib/soctalk-edge", MaxFiles: 4096}
	text, err := Render(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), "track-sc0", "trak-sc0", 1)
	if out, err := opinion(t, config, []byte(broken), Files{}); err == nil {
		t.Errorf("haproxy -c accepts a misspelt rule:\n%s", out)
	}
	if out, err := opinion(t, config, text, Files{Routes: []byte("15140\n")}); err == nil {
		t.Logf("a map line without a value passes HAProxy, so the edge itself must judge its files: %s", out)
	}
	_, err = opinion(t, config, text, Files{Allow: []byte("not-a-network\n")})
	if err == nil {
		t.Error("haproxy -c accepts an allow list that holds no network")
	}
	if out, err := nginxOpinion(t, []byte("stream { server { listen 127.0.0.1:15140; proxy_pas 127.0.0.1:1; } }\n")); err == nil || strings.Contains(out, "bind()") {
		t.Errorf("nginx -t accepts a misspelt directive: %s", out)
	}
}
