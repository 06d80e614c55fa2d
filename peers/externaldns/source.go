package main

import (
	"context"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/external-dns/apis/v1alpha1"
	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/yaml"
)

// source is where the wished-for records come from.
type source interface {
	endpoints(context.Context) ([]*endpoint.Endpoint, error)
}

func open(file, kubeconfig, namespace string) (source, error) {
	if file != "" {
		return fileSource(file), nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	cluster, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	return &clusterSource{cluster: cluster, namespace: namespace}, nil
}

// fileSource holds one DNSEndpoint.
type fileSource string

func (f fileSource) endpoints(context.Context) ([]*endpoint.Endpoint, error) {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	var object v1alpha1.DNSEndpoint
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		return nil, err
	}
	return read(&object), nil
}

// clusterSource does what external-dns's crd source does: reads the objects, and
// writes down which generation it has seen.
type clusterSource struct {
	cluster   client.Client
	namespace string
}

func (c *clusterSource) endpoints(ctx context.Context) ([]*endpoint.Endpoint, error) {
	var list v1alpha1.DNSEndpointList
	if err := c.cluster.List(ctx, &list, client.InNamespace(c.namespace)); err != nil {
		return nil, err
	}
	var out []*endpoint.Endpoint
	for i := range list.Items {
		object := &list.Items[i]
		out = append(out, read(object)...)
		if object.Status.ObservedGeneration == object.Generation {
			continue
		}
		object.Status.ObservedGeneration = object.Generation
		if err := c.cluster.Status().Update(ctx, object); err != nil {
			fmt.Fprintln(os.Stderr, "status:", err)
		}
	}
	return endpoint.MergeEndpoints(out), nil
}

func read(object *v1alpha1.DNSEndpoint) []*endpoint.Endpoint {
	for _, wanted := range object.Spec.Endpoints {
		wanted.WithLabel(endpoint.ResourceLabelKey, fmt.Sprintf("crd/%s/%s", object.Namespace, object.Name))
	}
	return object.Spec.Endpoints
}
