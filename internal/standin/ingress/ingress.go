// Package ingress plays the cluster's ingress controller: it answers HTTP on one
// address and passes requests on as the Ingress objects say, as a pod of its own
// would, so that network policies apply to it.
//
// It is stricter than the real ones: only Ingresses that name its class count, a
// host is compared as it is, and a path of type ImplementationSpecific must be met
// exactly. Start with [Start].
package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Options say where to answer and for whom. All are required.
type Options struct {
	// Client reads Ingresses and Services.
	Client kubernetes.Interface
	// Class is the one whose Ingresses count.
	Class string
	// Address to listen on, host:port.
	Address string
	// Dial connects to a Service as the controller's pod does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger
}

// Controller is a running ingress controller.
type Controller struct {
	options Options
	server  *http.Server
	proxy   *httputil.ReverseProxy
}

// Start listens; the controller works until it is stopped.
func Start(options Options) (*Controller, error) {
	listener, err := net.Listen("tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("ingress controller: %w", err)
	}
	c := &Controller{options: options}
	c.proxy = &httputil.ReverseProxy{
		// The request keeps its Host: what is behind may look at it.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", target(r.In), r.In.Host
		},
		Transport: &http.Transport{DialContext: options.Dial, DisableKeepAlives: true},
		ErrorLog:  slog.NewLogLogger(options.Log.Handler(), slog.LevelDebug),
	}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.server.Serve(listener) }()
	return c, nil
}

// Stop ends it.
func (c *Controller) Stop() { _ = c.server.Close() }

// backend is how a request carries where it is to go.
type backend struct{}

func target(r *http.Request) string {
	address, _ := r.Context().Value(backend{}).(string)
	return address
}

// ServeHTTP passes one request on.
func (c *Controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	address, err := c.find(r.Context(), r.Host, r.URL.Path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if address == "" {
		http.NotFound(w, r)
		return
	}
	c.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), backend{}, address)))
}

// find is the Service that an Ingress names for a request; empty if none does.
func (c *Controller) find(ctx context.Context, host, path string) (string, error) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	all, err := c.options.Client.NetworkingV1().Ingresses(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list Ingresses: %w", err)
	}
	for _, one := range all.Items {
		if class := one.Spec.IngressClassName; class == nil || *class != c.options.Class {
			continue
		}
		for _, rule := range one.Spec.Rules {
			if rule.Host != host || rule.HTTP == nil {
				continue
			}
			for _, candidate := range rule.HTTP.Paths {
				if matches(candidate, path) {
					return c.service(ctx, one.Namespace, candidate.Backend.Service)
				}
			}
		}
	}
	return "", nil
}

func matches(candidate networkingv1.HTTPIngressPath, path string) bool {
	if candidate.PathType == nil || *candidate.PathType != networkingv1.PathTypePrefix {
		return candidate.Path == path
	}
	prefix := strings.TrimSuffix(candidate.Path, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// service is the address of a backend; a port may be named.
func (c *Controller) service(ctx context.Context, namespace string, to *networkingv1.IngressServiceBackend) (string, error) {
	if to == nil {
		return "", errors.New("the Ingress names no Service")
	}
	number := to.Port.Number
	if to.Port.Name != "" {
		found, err := c.options.Client.CoreV1().Services(namespace).Get(ctx, to.Name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("read Service %s/%s: %w", namespace, to.Name, err)
		}
		for _, port := range found.Spec.Ports {
			if port.Name == to.Port.Name {
				number = port.Port
			}
		}
	}
	if number == 0 {
		return "", fmt.Errorf("service %s/%s has no port %q", namespace, to.Name, to.Port.Name)
	}
	return net.JoinHostPort(to.Name+"."+namespace+".svc", strconv.Itoa(int(number))), nil
}
