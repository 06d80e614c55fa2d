package controller

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// stuck are the reasons a kubelet gives for a container that will not run without
// somebody's doing, or that keeps ending.
var stuck = []string{
	"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
}

// maxTrouble keeps a kubelet's words readable in a condition.
const maxTrouble = 300

// podTrouble says which container does not run and why; empty when none is stuck.
// A count of attempts is left out, or the message would change with each.
func podTrouble(pods []corev1.Pod) string {
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil {
			continue
		}
		for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			waiting := container.State.Waiting
			if waiting == nil || !slices.Contains(stuck, waiting.Reason) {
				continue
			}
			text := fmt.Sprintf("container %s of pod %s: %s", container.Name, pod.Name, waiting.Reason)
			if waiting.Reason == "CrashLoopBackOff" {
				return text + "; kubectl logs --previous shows its last words"
			}
			return shortened(text+": "+container.Image, maxTrouble)
		}
	}
	return ""
}

// gatewayVersion is the tag of the image that a gateway runs as; its digest where it
// has no tag, and empty where there is no gateway.
func gatewayVersion(pods []corev1.Pod) string {
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			if container.Name != gatewayContainer {
				continue
			}
			name, digest, _ := strings.Cut(container.Image, "@")
			if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
				return name[colon+1:]
			}
			return digest
		}
	}
	return ""
}

// gatewayContainer is the gateway's name in the tenant chart.
const gatewayContainer = "gateway"
