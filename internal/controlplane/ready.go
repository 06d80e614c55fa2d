package controlplane

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// pollInterval is short: nobody else is waiting for these processes.
const pollInterval = 20 * time.Millisecond

// until polls ready while the process runs. Its error quotes the process's last
// lines when it died, and what was last seen when time ran out.
func until(ctx context.Context, child *process.Process, ready func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		seen := ready(ctx)
		if seen == nil {
			return nil
		}
		select {
		case <-child.Done():
			return child.Err()
		case <-ctx.Done():
			return fmt.Errorf("%w: last seen: %w; last lines:\n%s", context.Cause(ctx), seen, child.Tail())
		case <-ticker.C:
		}
	}
}

func (c *ControlPlane) etcdListens(context.Context) error {
	conn, err := net.Dial("unix", c.layout.etcdSocket())
	if err != nil {
		return err
	}
	return conn.Close()
}

func (c *ControlPlane) apiReady(ctx context.Context) error { return c.get(ctx, "/readyz") }

// controllersWork looks for an effect: a ServiceAccount that one controller
// makes, and without which no pod is admitted into the namespace.
func (c *ControlPlane) controllersWork(ctx context.Context) error {
	return c.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
}

func (c *ControlPlane) get(ctx context.Context, path string) error {
	client, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 2<<10))
	return fmt.Errorf("GET %s answers %s: %s", path, response.Status, body)
}
