package edge

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Metrics count per tenant and port, and never say where an agent is; that is
// told on the edge's own socket and the port on loopback alone.
func TestWhoIsToldWhat(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := free.Addr().String()
	_ = free.Close()
	s := newSite(t, func(o *Options) { o.Admin = admin })
	manager := newEcho(t, "127.10.0.1", "m")
	for n := range 2 {
		s.tenant(n, manager.address(), manager.address())
	}
	s.apply()
	for n, source := range []string{"127.77.0.1", "127.77.0.2"} {
		if _, _, err := talk(t, source, s.port(n, 0), frame("042")); err != nil {
			t.Fatal(err)
		}
	}
	if _, answer, err := talk(t, "127.77.0.3", s.port(0, 0), []byte("GET / HTTP/1.0\r\n\r\n")); err == nil {
		t.Errorf("a stranger is served: %q", answer)
	}
	public := httptest.NewServer(s.edge.Handler(false))
	defer public.Close()
	get := func(path string) (int, string) {
		response, err := http.Get(public.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	lines := []string{
		`soctalk_edge_haproxy_up 1`, `soctalk_edge_in_step 1`, `soctalk_edge_tenants 2`, `soctalk_edge_sessions{port="events",tenant="t0"} 1`,
		`soctalk_edge_connections_total{port="events",tenant="t0"} 2`, `soctalk_edge_rejected_total{port="events",reason="protocol",tenant="t0"} 1`,
		`soctalk_edge_rejected_total{port="events",reason="protocol",tenant="t1"} 0`,
	}
	var metrics string
	s.eventually("/metrics has every line of "+strings.Join(lines, ", "), func() bool { // a session that was refused ends a moment later
		_, metrics = get("/metrics")
		return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(metrics, line+"\n") })
	})
	var own strings.Builder // Go's own numbers have every three digits some day
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "soctalk_") {
			own.WriteString(line)
		}
	}
	if strings.Contains(metrics, "127.77.") || strings.Contains(own.String(), "042") {
		t.Error("/metrics says where an agent is")
	}
	for _, path := range []string{"/agents", "/status"} {
		if code, _ := get(path); code != http.StatusNotFound {
			t.Errorf("%s is open to whoever reads metrics: %d", path, code)
		}
	}
	for name, dial := range map[string]Dialer{
		"socket": Beside(s.dir),
		"port": func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", admin)
		},
	} {
		agents, err := AskAgents(t.Context(), dial, "t1")
		if err != nil || len(agents) != 1 || agents[0].ID != "042" || agents[0].Source.String() != "127.77.0.2" || agents[0].Current != 1 {
			t.Errorf("%s: agents of t1: %+v, %v", name, agents, err)
		}
		if all, err := AskAgents(t.Context(), dial, ""); err != nil || len(all) != 2 {
			t.Errorf("%s: all agents: %+v, %v", name, all, err)
		}
		if status, err := AskStatus(t.Context(), dial); err != nil || len(status.Tenants) != 2 || !status.InStep {
			t.Errorf("%s: status: %+v, %v", name, status, err)
		}
	}
	for _, address := range []string{":8091", "0.0.0.0:8091", "192.0.2.1:8091", "localhost", "edge.example:8091"} {
		options := s.options
		options.Admin, options.Config.Dir = address, t.TempDir()
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), "admin address") {
			t.Errorf("the admin port may be at %q: %v", address, err)
		}
	}
}
