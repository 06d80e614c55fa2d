package node

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// report writes the pod's status if it differs from what it should be.
func (n *Node) report(ctx context.Context, pod *corev1.Pod, w *workload) error {
	w.mu.Lock()
	current := w.state
	w.mu.Unlock()
	update := pod.DeepCopy()
	update.Status = w.status(pod, current, metav1.Now())
	if equality.Semantic.DeepEqual(pod.Status, update.Status) {
		return nil
	}
	_, err := n.Client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, update, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// status is what a kubelet would say of the pod.
func (w *workload) status(pod *corev1.Pod, current state, now metav1.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	part := pod.Annotations[AnnotationState]
	gateway := w.node.gatewayOf(pod)
	if gateway != nil && !w.simulates {
		current.containerState = current.gateway // the pod has nothing else
	}
	ready := current.ready && part != "unready" && (gateway == nil || current.gateway.ready)
	status.Phase = corev1.PodPending
	if current.running || current.restarts > 0 {
		status.Phase = corev1.PodRunning
	}
	status.HostIP = w.node.Address.String()
	status.HostIPs = []corev1.HostIP{{IP: status.HostIP}}
	status.PodIP = w.ip.String()
	if pod.Spec.HostNetwork {
		status.PodIP = status.HostIP
	}
	status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	if status.StartTime == nil {
		started := metav1.NewTime(w.started).Rfc3339Copy()
		status.StartTime = &started
	}
	status.InitContainerStatuses = nil
	for _, container := range pod.Spec.InitContainers {
		status.InitContainerStatuses = append(status.InitContainerStatuses, ended(container, 0))
	}
	status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		of, itself := current.containerState, current.ready && part != "unready"
		if gateway != nil && container.Name == gateway.Name {
			of, itself = current.gateway, current.gateway.ready
		}
		status.ContainerStatuses = append(status.ContainerStatuses, containerStatus(container, of, itself))
	}
	switch part {
	case "succeeded", "failed":
		return end(pod, status, part == "succeeded", now)
	}
	for kind, value := range map[corev1.PodConditionType]bool{
		corev1.PodReadyToStartContainers: true,
		corev1.PodInitialized:            true,
		corev1.PodScheduled:              true,
		corev1.ContainersReady:           ready,
		corev1.PodReady:                  ready,
	} {
		setCondition(&status, kind, value, now)
	}
	return status
}

func containerStatus(container corev1.Container, current containerState, ready bool) corev1.ContainerStatus {
	status := corev1.ContainerStatus{
		Name: container.Name, Image: container.Image, ImageID: "stand-in", Ready: ready,
		RestartCount: current.restarts, Started: &current.running,
	}
	if current.running {
		status.ContainerID = "standin://" + container.Name
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(current.since).Rfc3339Copy()}
	} else {
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: current.waiting, Message: current.message}
	}
	if current.lastExit != 0 {
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: current.lastExit, Reason: "Error", Message: current.lastError}
	}
	return status
}

func ended(container corev1.Container, code int32) corev1.ContainerStatus {
	reason := "Completed"
	if code != 0 {
		reason = "Error"
	}
	return corev1.ContainerStatus{Name: container.Name, Image: container.Image, ImageID: "stand-in", Ready: code == 0,
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}}}
}

// end is the status of a pod whose annotation says that its work is over.
func end(pod *corev1.Pod, status corev1.PodStatus, succeeded bool, now metav1.Time) corev1.PodStatus {
	status.Phase = corev1.PodSucceeded
	code := int32(0)
	if !succeeded {
		status.Phase, code = corev1.PodFailed, 1
	}
	status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, ended(container, code))
	}
	for kind, value := range map[corev1.PodConditionType]bool{
		corev1.PodInitialized: true, corev1.PodScheduled: true, corev1.ContainersReady: false, corev1.PodReady: false,
	} {
		setCondition(&status, kind, value, now)
	}
	return status
}

func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, value bool, now metav1.Time) {
	wanted := corev1.ConditionFalse
	if value {
		wanted = corev1.ConditionTrue
	}
	for i := range status.Conditions {
		condition := &status.Conditions[i]
		if condition.Type != kind {
			continue
		}
		if condition.Status != wanted {
			condition.Status, condition.LastTransitionTime = wanted, now
		}
		return
	}
	status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: wanted, LastTransitionTime: now})
}
