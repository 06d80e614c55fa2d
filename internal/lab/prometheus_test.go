package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/operator"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// The real Prometheus scrapes a whole installation with the chart's alerts. One tenant's
// manager is down, and that is what is paged for, by name; every series that alerts and
// dashboards speak of is there, and every expression has an answer.
func TestPrometheusPagesForWhatIsWrong(t *testing.T) {
	t.Parallel()
	l := installation(t)
	needs(t, "prometheus", "promtool")
	rules, expressions := alertsAndDashboards(t)
	pages := scraped(t, l)
	p := startPrometheus(t, pages, rules)
	managerGoesDown(t, l, p)
	everySeriesIsThere(t, p, expressions)
	for job, page := range pages {
		conventional(t, job, page.address)
	}
}

// managerGoesDown has a tenant that was well lose its manager, and waits for the page.
func managerGoesDown(t *testing.T, l *lab.Lab, p *prometheusServer) {
	t.Helper()
	attachTheirs(t, l, "paged")
	told := func(ctx context.Context) (found *prometheusAlert, err error) {
		alerts, err := p.alerts(ctx)
		for _, alert := range alerts {
			switch {
			case alert.Labels["tenant"] == "watched" && alert.State == "firing":
				t.Errorf("a tenant that is well is paged for: %v", alert.Labels)
			case alert.Labels["alertname"] == "SocTalkTenantManagerDown" && alert.Labels["tenant"] == "paged":
				found = &alert
			}
		}
		return found, err
	}
	eventually(t, "nothing about the manager while it is up", func(ctx context.Context) (bool, error) {
		found, err := told(ctx)
		return found == nil, err
	})
	theirs := &appsv1.StatefulSet{}
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace("paged"), Name: "their-wazuh"}, theirs); err != nil {
		t.Fatal(err)
	}
	change(t, l, theirs, func() { theirs.Spec.Replicas = new(int32) })
	var paged prometheusAlert
	eventually(t, "the alert for the manager that is down", func(ctx context.Context) (bool, error) {
		found, err := told(ctx)
		if found == nil || found.State != "firing" {
			return false, err
		}
		paged = *found
		return true, err
	})
	if paged.Labels["region"] != "main" || paged.Labels["severity"] != "critical" {
		t.Errorf("labels %v", paged.Labels)
	}
	if text := paged.Annotations["summary"]; text != "The manager of tenant paged does not answer" {
		t.Errorf("summary %q", text)
	}
	if link := paged.Annotations["runbook_url"]; !strings.HasSuffix(link, "/docs/reference/alerts.md#soctalktenantmanagerdown") {
		t.Errorf("runbook %q", link)
	}
	t.Logf("%s: %v, %v", paged.State, paged.Labels, paged.Annotations)
	// An offboarding has series of its own while it lasts; with the manager down it does.
	if err := l.Client.Delete(t.Context(), get(t, l, "paged")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the step of the offboarding", func(ctx context.Context) (bool, error) {
		found, err := p.query(ctx, `count(soctalk_tenant_offboarding_step_timestamp_seconds{tenant="paged"})`)
		return found == 1, err
	})
	change(t, l, theirs, func() { *theirs.Spec.Replicas = 1 })
}

var (
	quoted      = regexp.MustCompile(`"[^"]*"`)
	metricNames = regexp.MustCompile(`\b(soctalk_\w+|leader_election_\w+|up)\b`)
)

// everySeriesIsThere evaluates each expression, and looks for each metric it names: a
// selector nobody answers is silent, not wrong.
func everySeriesIsThere(t *testing.T, p *prometheusServer, expressions map[string]string) {
	t.Helper()
	names := map[string]bool{}
	for where, expr := range expressions {
		if _, err := p.query(t.Context(), expr); err != nil {
			t.Errorf("%s: %v in %s", where, err, expr)
		}
		for _, name := range metricNames.FindAllString(quoted.ReplaceAllString(expr, ""), -1) {
			names[name] = true
		}
	}
	if len(names) < 25 {
		t.Errorf("the expressions speak of %d metrics only", len(names))
	}
	for name := range names {
		eventually(t, "metric "+name, func(ctx context.Context) (bool, error) {
			found, err := p.query(ctx, "count(max_over_time("+name+"[10m]))")
			return found > 0, err
		})
	}
}

// alertsAndDashboards renders both; the alerts are quicker than a customer would want.
func alertsAndDashboards(t *testing.T) (rules string, expressions map[string]string) {
	t.Helper()
	rendered, err := chart.RenderOperator(map[string]any{"metrics": map[string]any{
		"prometheusRule": map[string]any{"enabled": true, "alerts": map[string]any{"SocTalkTenantManagerDown": map[string]any{"for": "2s"}}},
		"dashboards":     map[string]any{"enabled": true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var rule struct {
		Spec struct {
			Groups []struct {
				Name  string           `json:"name"`
				Rules []map[string]any `json:"rules"`
			} `json:"groups"`
		}
	}
	if err := yaml.Unmarshal([]byte(rendered["soctalk-ingress/templates/prometheusrule.yaml"]), &rule); err != nil {
		t.Fatal(err)
	}
	expressions = map[string]string{}
	for _, one := range rule.Spec.Groups[0].Rules {
		expressions[fmt.Sprint(one["alert"])] = fmt.Sprint(one["expr"])
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$tenant", ".+", "$instance", ".+")
	for _, text := range strings.Split(rendered["soctalk-ingress/templates/dashboards.yaml"], "\n---\n") {
		var file struct{ Data map[string]string }
		if err := yaml.Unmarshal([]byte(text), &file); err != nil {
			t.Fatal(err)
		}
		for name, text := range file.Data {
			var dashboard struct {
				Panels []struct {
					Title   string
					Targets []struct{ RefID, Expr string }
				}
			}
			if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
				t.Fatal(err)
			}
			for _, panel := range dashboard.Panels {
				for _, target := range panel.Targets {
					expressions[name+": "+panel.Title+" "+target.RefID] = variables.Replace(target.Expr)
				}
			}
		}
	}
	text, err := yaml.Marshal(rule.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), expressions
}

// page is where Prometheus reads /metrics, and the labels the target has.
type page struct {
	address string
	labels  map[string]string
}

// scraped starts what there is to scrape, with a tenant that is well at an edge, whose
// gateway let somebody in.
func scraped(t *testing.T, l *lab.Lab) map[string]page {
	t.Helper()
	serve := func(handler http.Handler) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	pages := map[string]page{
		"operator": {address: serve(promhttp.HandlerFor(l.Metrics, promhttp.HandlerOpts{}))},
		"standby":  {address: standby(t, l), labels: map[string]string{"job": "soctalk-ingress-operator"}},
		"handover": {address: handoverMetrics(t, l)},
	}
	spec := l.EdgeSpec()
	edge := startEdge(t, l, "edge-watched", "watch", spec)
	pages["edge"] = page{address: serve(edge.Metrics()), labels: map[string]string{"region": "watch"}}
	edgeRegion(t, l, "watch", *spec, 0)
	create(t, l, "watched", v1alpha1.TenantSpec{Region: "watch"})
	leaves(t, l, "watched")
	becomesReady(t, l, "watched")
	if _, err := enrollAtEdge(t, l, "watched", "watched-web-01", enrollmentSecret(t, l, "watched")); err != nil {
		t.Fatal(err)
	}
	// As Prometheus's own pod, which the tenant's network policies must let in.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: lab.MetricsNamespace}}
	if err := l.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := l.Client.Get(t.Context(), podOf("watched"), &pod); err != nil {
		t.Fatal(err)
	}
	gateway, err := l.Standin.Forward(t.Context(), lab.MetricsNamespace, map[string]string{"app": "prometheus"}, fmt.Sprintf("%s:%d", pod.Status.PodIP, naming.PortGatewayMetrics))
	if err != nil {
		t.Fatal(err)
	}
	pages["gateway"] = page{address: gateway, labels: map[string]string{"tenant": "watched"}}
	return pages
}

// standby is a second operator that waits for the Lease, with its own metrics server.
func standby(t *testing.T, l *lab.Lab) string {
	t.Helper()
	const hour = 3600
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultSystemNamespace, Name: naming.Product}}
	lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = new(string), new(int32)
	*lease.Spec.HolderIdentity, *lease.Spec.LeaseDurationSeconds = "the-one-that-works", hour
	lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
	if err := l.Client.Create(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), lease) })
	address := controlplanetest.FreeAddress(t)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done <- operator.Run(ctx, operator.Options{
			Config: l.Config, LeaderElect: true, AlreadyNamed: true, HealthAddress: "0", MetricsAddress: address,
			Controller: controller.Options{Operator: plan.Operator{Namespace: naming.DefaultSystemNamespace, PodLabels: naming.OperatorPodLabels()}},
			Log:        slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the operator that stands by: %v", err)
		}
	})
	return address
}

func handoverMetrics(t *testing.T, l *lab.Lab) string {
	t.Helper()
	options := handover.Options{Client: l.Client, Log: slog.New(slog.DiscardHandler)}
	var err error
	if options.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if options.Metrics, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- handover.Serve(ctx, options) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the hand-over page: %v", err)
		}
	})
	return options.Metrics.Addr().String()
}
