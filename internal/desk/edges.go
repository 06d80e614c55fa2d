package desk

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// EdgeSightings asks every edge of a tenant's Region in the cluster from where
// the tenant's agents came, the latest first. Each is asked through a port
// forwarded to its pod, which takes the rights to list pods and to create
// pods/portforward in the edges' namespace. What some edges told is returned
// beside the error about the others; where no edge runs in the cluster there is
// neither.
func (d *Desk) EdgeSightings(ctx context.Context, namespace string, tenant v1alpha1.Tenant) ([]edge.Agent, error) {
	var pods corev1.PodList
	labels := client.MatchingLabels{naming.LabelName: naming.EdgePodName, naming.LabelRegion: tenant.Status.Region}
	if err := d.List(ctx, &pods, client.InNamespace(namespace), labels); err != nil {
		return nil, fmt.Errorf("list the edges' pods in %s: %w", namespace, err)
	}
	all := []edge.Agent{}
	var failed []error
	for _, pod := range pods.Items {
		port := edgeAdminPort(pod)
		if port == 0 || !managerapi.PodReady(pod) {
			continue
		}
		agents, err := d.askEdge(ctx, pod, port, tenant.Name)
		if err != nil {
			failed = append(failed, fmt.Errorf("edge %s: %w", pod.Name, err))
			continue
		}
		all = append(all, agents...)
	}
	edge.SortAgents(all)
	return all, errors.Join(failed...)
}

func (d *Desk) askEdge(ctx context.Context, pod corev1.Pod, port int32, slug string) ([]edge.Agent, error) {
	dial, stop, err := d.forwardTo(ctx, pod.Namespace, pod.Name, port)
	if err != nil {
		return nil, err
	}
	defer stop()
	return edge.AskAgents(ctx, edge.Dialer(dial), slug)
}

// edgeAdminPort is 0 for an edge that serves none.
func edgeAdminPort(pod corev1.Pod) int32 {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == naming.EdgeAdminPort {
				return port.ContainerPort
			}
		}
	}
	return 0
}
