package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// prometheusServer is the real Prometheus.
type prometheusServer struct{ base string }

type prometheusAlert struct {
	Labels, Annotations map[string]string
	State               string
}

func startPrometheus(t *testing.T, pages map[string]page, rules string) *prometheusServer {
	t.Helper()
	dir, address := t.TempDir(), controlplanetest.FreeAddress(t)
	type static struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels,omitempty"`
	}
	type scrape struct {
		Job     string   `json:"job_name"`
		Targets []static `json:"static_configs"`
	}
	config := struct {
		Global map[string]string `json:"global"`
		Rules  []string          `json:"rule_files"`
		Scrape []scrape          `json:"scrape_configs"`
	}{Global: map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"}, Rules: []string{filepath.Join(dir, "rules.yaml")}}
	for job, page := range pages {
		config.Scrape = append(config.Scrape, scrape{Job: naming.Product + "-" + job, Targets: []static{{Targets: []string{page.address}, Labels: page.labels}}})
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"rules.yaml": rules, "prometheus.yaml": string(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	started, err := process.Start(process.Spec{Name: "prometheus", Path: "prometheus", Args: []string{
		"--config.file=" + filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
	}, LogFile: filepath.Join(dir, "prometheus.log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { started.Stop(10 * time.Second) })
	p := &prometheusServer{base: "http://" + address}
	eventually(t, "Prometheus scrapes everything", func(ctx context.Context) (bool, error) {
		if err := started.Err(); err != nil {
			return false, err
		}
		up, err := p.query(ctx, "sum(up)")
		return int(up) == len(pages), err
	})
	return p
}

func (p *prometheusServer) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return json.Unmarshal(text, into)
}

// query is the first value of an expression, 0 where it has none.
func (p *prometheusServer) query(ctx context.Context, expr string) (float64, error) {
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := p.get(ctx, "/api/v1/query?"+url.Values{"query": {expr}}.Encode(), &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) == 0 {
		return 0, nil
	}
	var value float64
	_, err := fmt.Sscan(fmt.Sprint(answer.Data.Result[0].Value[1]), &value)
	return value, err
}

func (p *prometheusServer) alerts(ctx context.Context) ([]prometheusAlert, error) {
	var answer struct {
		Data struct{ Alerts []prometheusAlert }
	}
	err := p.get(ctx, "/api/v1/alerts", &answer)
	return answer.Data.Alerts, err
}

// conventional has promtool judge what a process exports. Names that libraries gave
// are not ours to mend.
func conventional(t *testing.T, job, address string) {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: /metrics answers %s", job, response.Status)
	}
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = response.Body
	out, err := check.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "soctalk_") || strings.Contains(line, "error while linting") {
			t.Errorf("promtool about the %s: %s", job, line)
		}
	}
}
