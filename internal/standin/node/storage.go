package node

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/soctalk/soctalk-ingress/internal/standin/volumes"
)

// objects reads what volumes name from the informers.
type objects struct{ node *Node }

func (o objects) Secret(namespace, name string) (*corev1.Secret, error) {
	return o.node.Factory.Core().V1().Secrets().Lister().Secrets(namespace).Get(name)
}

func (o objects) ConfigMap(namespace, name string) (*corev1.ConfigMap, error) {
	return o.node.Factory.Core().V1().ConfigMaps().Lister().ConfigMaps(namespace).Get(name)
}

func (o objects) Claim(namespace, name string) (string, error) {
	claim, err := o.node.Factory.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return "", fmt.Errorf("persistentvolumeclaim %q: %w", name, volumes.ErrNotYet)
	}
	if err != nil {
		return "", err
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return "", fmt.Errorf("persistentvolumeclaim %q is not bound: %w", name, volumes.ErrNotYet)
	}
	return o.node.claimFolder(claim.Spec.VolumeName), nil
}

// ReconcileClaim provisions a volume for a claim of the stand-in's class; the
// controller-manager then binds the two.
func (n *Node) ReconcileClaim(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	claim, err := n.Factory.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	class := claim.Spec.StorageClassName
	if class == nil || *class != storageClass || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pvc-" + string(claim.UID),
			// Tells the controller-manager that the folder's deletion is ours.
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              storageClass,
			Capacity:                      claim.Spec.Resources.Requests,
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef: &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: namespace, Name: name, UID: claim.UID},
		},
	}
	folder := n.claimFolder(volume.Name)
	volume.Spec.HostPath = &corev1.HostPathVolumeSource{Path: folder}
	if err := n.provision(volume.Name, folder); err != nil {
		return err
	}
	_, err = n.Client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// provision makes a volume's folder, once: while a pod has it, it is elsewhere.
func (n *Node) provision(volume, folder string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.provisioned[volume] {
		return nil
	}
	n.provisioned[volume] = true
	return os.MkdirAll(folder, 0o755)
}

// ReconcileVolume deletes a volume, and its folder, once its claim has gone.
func (n *Node) ReconcileVolume(ctx context.Context, name string) error {
	volume, err := n.Factory.Core().V1().PersistentVolumes().Lister().Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if volume.Spec.StorageClassName != storageClass || volume.Status.Phase != corev1.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	if err := os.RemoveAll(n.claimFolder(name)); err != nil {
		return err
	}
	err = n.Client.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
