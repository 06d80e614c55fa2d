package desk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// forward opens a port on loopback that leads, through the API server, to the
// API of a tenant's manager.
func (d *Desk) forward(ctx context.Context, tenant v1alpha1.Tenant) (dialer, func(), error) {
	pod, err := d.managerPod(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	return d.forwardTo(ctx, naming.Namespace(tenant.Name), pod, naming.PortNumber(naming.PortAPI))
}

// openPatience is how long the API server and the pod's node may take to open a way.
const openPatience = 20 * time.Second

// forwardTo opens a port on loopback that leads to a port of one pod, until the context
// ends.
func (d *Desk) forwardTo(ctx context.Context, namespace, pod string, port int32) (dialer, func(), error) {
	upgrade, refused, err := d.upgrader(namespace, pod)
	if err != nil {
		return nil, nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	return openForward(ctx, upgrade, refused, namespace, pod, port, openPatience)
}

// openForward does, or gives up when it has waited long enough. The library cannot call
// off a request that hangs; what comes of it later is closed at once.
func openForward(
	ctx context.Context, upgrade httpstream.Dialer, refused *refusals, namespace, pod string, port int32, patience time.Duration,
) (dialer, func(), error) {
	forwarding, stop := context.WithCancel(ctx)
	ready := make(chan struct{})
	ports := []string{fmt.Sprintf("0:%d", port)}
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(quiet(forwarding), upgrade, []string{"127.0.0.1"}, ports, ready, io.Discard, io.Discard)
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-ready:
	case err := <-ended:
		stop()
		return nil, nil, forwardError(namespace, pod, refused.forbidden(), err)
	case <-ctx.Done():
		stop()
		return nil, nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, ctx.Err())
	case <-late.C:
		stop()
		return nil, nil, fault.New(fault.Timeout, fmt.Errorf("forward a port to pod %s/%s: it was not open after %s", namespace, pod, patience),
			"the API server or the pod's node does not answer; try again")
	}
	closeForward := func() { stop(); <-ended }
	local, err := forwarder.GetPorts()
	if err != nil {
		closeForward()
		return nil, nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
	return direct(fmt.Sprintf("127.0.0.1:%d", local[0].Local)), closeForward, nil
}

// quiet keeps the library's own log out of the terminal: it calls a connection
// closed early an unhandled error, and what matters reaches the caller anyway.
func quiet(ctx context.Context) context.Context { return klog.NewContext(ctx, logr.Discard()) }

// upgrader asks the API server for a stream to a pod: over a WebSocket, and with
// SPDY where server or proxy know no WebSockets.
func (d *Desk) upgrader(namespace, pod string) (httpstream.Dialer, *refusals, error) {
	target, config, err := d.forwardURL(namespace, pod)
	if err != nil {
		return nil, nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, nil, err
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), target, config)
	if err != nil {
		return nil, nil, err
	}
	refused := &refusals{next: transport}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: refused}, http.MethodPost, target)
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), refused, nil
}

// refusals notes what the API server answered last: the forwarder makes text of it. The
// WebSocket's answer does not count, because who may only create such a stream is
// forbidden to get one, and comes through with SPDY.
type refusals struct {
	next   http.RoundTripper
	status atomic.Int64
}

// RoundTrip passes a request on.
func (r *refusals) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.next.RoundTrip(request)
	if err == nil {
		r.status.Store(int64(answer.StatusCode))
	}
	return answer, err
}

func (r *refusals) forbidden() bool { return r.status.Load() == http.StatusForbidden }

func (d *Desk) forwardURL(namespace, pod string) (*url.URL, *rest.Config, error) {
	config := rest.CopyConfig(d.Config)
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.APIPath = "/api"
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	rc, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	return rc.Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL(), config, nil
}

// Forbidden says that the API server did not let somebody forward a port.
type Forbidden struct {
	Namespace string
	Err       error
}

// Error has the API server's own words.
func (f *Forbidden) Error() string { return f.Err.Error() }

// Unwrap gives what happened.
func (f *Forbidden) Unwrap() error { return f.Err }

// forwardError names the right that is missing.
func forwardError(namespace, pod string, forbidden bool, err error) error {
	err = fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	if forbidden {
		return fault.New(fault.Failed, &Forbidden{Namespace: namespace, Err: err}, "you need the right to create pods/portforward in namespace %s", namespace)
	}
	return err
}
