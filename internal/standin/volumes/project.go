package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ErrNotYet marks a volume whose object does not exist yet: the pod waits.
var ErrNotYet = errors.New("not there yet")

// Objects reads what volumes name. Errors of a missing object are the API's.
type Objects interface {
	Secret(namespace, name string) (*corev1.Secret, error)
	ConfigMap(namespace, name string) (*corev1.ConfigMap, error)
	// Claim is the folder of a bound PersistentVolumeClaim; an error that wraps
	// [ErrNotYet] means that it is not bound.
	Claim(namespace, name string) (folder string, err error)
}

// File is one file of a volume.
type File struct {
	Data []byte
	Mode fs.FileMode
}

// Files are a volume's files by slash-separated path within it.
type Files map[string]File

const defaultMode = 0o644

// Project computes a volume's files; ok is false for a kind of volume that is a
// folder of its own (emptyDir, a claim) rather than a projection of objects.
func Project(objects Objects, pod *corev1.Pod, volume corev1.Volume) (files Files, ok bool, err error) {
	files = Files{}
	switch {
	case volume.Secret != nil:
		s := volume.Secret
		err = addSecret(files, objects, pod.Namespace, s.SecretName, s.Items, mode(s.DefaultMode), isTrue(s.Optional))
	case volume.ConfigMap != nil:
		c := volume.ConfigMap
		err = addConfigMap(files, objects, pod.Namespace, c.Name, c.Items, mode(c.DefaultMode), isTrue(c.Optional))
	case volume.Projected != nil:
		for _, source := range volume.Projected.Sources {
			if err = addProjection(files, objects, pod, source, mode(volume.Projected.DefaultMode)); err != nil {
				break
			}
		}
	case volume.DownwardAPI != nil:
		err = addDownward(files, pod, volume.DownwardAPI.Items, mode(volume.DownwardAPI.DefaultMode))
	default:
		return nil, false, nil
	}
	if err != nil {
		return nil, true, fmt.Errorf("volume %q: %w", volume.Name, err)
	}
	return files, true, nil
}

func addProjection(files Files, objects Objects, pod *corev1.Pod, source corev1.VolumeProjection, perm fs.FileMode) error {
	switch {
	case source.Secret != nil:
		return addSecret(files, objects, pod.Namespace, source.Secret.Name, source.Secret.Items, perm, isTrue(source.Secret.Optional))
	case source.ConfigMap != nil:
		return addConfigMap(files, objects, pod.Namespace, source.ConfigMap.Name, source.ConfigMap.Items, perm, isTrue(source.ConfigMap.Optional))
	case source.DownwardAPI != nil:
		return addDownward(files, pod, source.DownwardAPI.Items, perm)
	case source.ServiceAccountToken != nil:
		// Nothing in the stand-in calls the API as a pod: a file that is no token.
		files[source.ServiceAccountToken.Path] = File{Data: []byte("no token in the stand-in\n"), Mode: perm}
		return nil
	}
	return errors.New("the stand-in does not know this kind of projection")
}

func addSecret(files Files, objects Objects, namespace, name string, items []corev1.KeyToPath, perm fs.FileMode, optional bool) error {
	secret, err := objects.Secret(namespace, name)
	if err != nil {
		return missing(err, "secret", name, optional)
	}
	return addItems(files, secret.Data, items, perm, "secret "+name, optional)
}

func addConfigMap(files Files, objects Objects, namespace, name string, items []corev1.KeyToPath, perm fs.FileMode, optional bool) error {
	config, err := objects.ConfigMap(namespace, name)
	if err != nil {
		return missing(err, "configmap", name, optional)
	}
	data := map[string][]byte{}
	for key, value := range config.Data {
		data[key] = []byte(value)
	}
	for key, value := range config.BinaryData {
		data[key] = value
	}
	return addItems(files, data, items, perm, "configmap "+name, optional)
}

func missing(err error, kind, name string, optional bool) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	if optional {
		return nil
	}
	return fmt.Errorf("%s %q: %w", kind, name, ErrNotYet)
}

// addItems takes every key, or the listed ones under the paths they ask for.
func addItems(files Files, data map[string][]byte, items []corev1.KeyToPath, perm fs.FileMode, object string, optional bool) error {
	if len(items) == 0 {
		for key, value := range data {
			files[key] = File{Data: value, Mode: perm}
		}
		return nil
	}
	for _, item := range items {
		value, there := data[item.Key]
		if !there {
			if optional {
				continue
			}
			return fmt.Errorf("key %q of %s: %w", item.Key, object, ErrNotYet)
		}
		clean := path.Clean(item.Path)
		if path.IsAbs(clean) || clean == "." || strings.HasPrefix(clean, "..") {
			return fmt.Errorf("path %q of key %q leaves the volume", item.Path, item.Key)
		}
		file := File{Data: value, Mode: perm}
		if item.Mode != nil {
			file.Mode = fs.FileMode(*item.Mode).Perm()
		}
		files[clean] = file
	}
	return nil
}

func addDownward(files Files, pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, perm fs.FileMode) error {
	for _, item := range items {
		if item.FieldRef == nil {
			return fmt.Errorf("downward file %q: the stand-in knows fields only", item.Path)
		}
		value, err := Field(pod, item.FieldRef.FieldPath)
		if err != nil {
			return err
		}
		files[path.Clean(item.Path)] = File{Data: []byte(value), Mode: perm}
	}
	return nil
}

// Field is the value of one of the pod's fields, as volumes and environment
// variables may ask for it.
func Field(pod *corev1.Pod, fieldPath string) (string, error) {
	for prefix, values := range map[string]map[string]string{
		"metadata.labels['": pod.Labels, "metadata.annotations['": pod.Annotations,
	} {
		if key, found := strings.CutPrefix(fieldPath, prefix); found {
			return values[strings.TrimSuffix(key, "']")], nil
		}
	}
	known := map[string]string{
		"metadata.name":           pod.Name,
		"metadata.namespace":      pod.Namespace,
		"metadata.uid":            string(pod.UID),
		"spec.nodeName":           pod.Spec.NodeName,
		"spec.serviceAccountName": pod.Spec.ServiceAccountName,
		"status.podIP":            pod.Status.PodIP,
		"status.hostIP":           pod.Status.HostIP,
	}
	value, ok := known[fieldPath]
	if !ok {
		return "", fmt.Errorf("field %q: the stand-in does not know it", fieldPath)
	}
	return value, nil
}

func mode(value *int32) fs.FileMode {
	if value == nil {
		return defaultMode
	}
	return fs.FileMode(*value).Perm()
}

func isTrue(value *bool) bool { return value != nil && *value }
