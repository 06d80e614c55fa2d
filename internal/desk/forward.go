package desk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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

// forwardTo opens a port on loopback that leads to a port of one pod.
func (d *Desk) forwardTo(ctx context.Context, namespace, pod string, port int32) (dialer, func(), error) {
	upgrade, err := d.upgrader(namespace, pod)
	if err != nil {
		return nil, nil, fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	}
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
	select {
	case <-ready:
	case err := <-ended:
		stop()
		return nil, nil, forwardError(namespace, pod, err)
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
func (d *Desk) upgrader(namespace, pod string) (httpstream.Dialer, error) {
	target, config, err := d.forwardURL(namespace, pod)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), target, config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	return portforward.NewFallbackDialerForStreaming(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

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

// forwardError names the right that is missing. The forwarder passes on what the
// API server says as text only.
func forwardError(namespace, pod string, err error) error {
	err = fmt.Errorf("forward a port to pod %s/%s: %w", namespace, pod, err)
	if strings.Contains(err.Error(), "is forbidden") {
		return fault.New(fault.Failed, err, "you need the right to create pods/portforward in namespace %s", namespace)
	}
	return err
}
