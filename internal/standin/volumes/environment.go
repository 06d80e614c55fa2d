package volumes

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Environment is the container's variables, those from Secrets, ConfigMaps and
// fields resolved.
func Environment(objects Objects, pod *corev1.Pod, container *corev1.Container) (map[string]string, error) {
	values := map[string]string{}
	for _, from := range container.EnvFrom {
		files, err := envFrom(objects, pod.Namespace, from)
		if err != nil {
			return nil, err
		}
		for key, file := range files {
			values[from.Prefix+key] = string(file.Data)
		}
	}
	for _, variable := range container.Env {
		value, ok, err := envValue(objects, pod, variable)
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", variable.Name, err)
		}
		if ok {
			values[variable.Name] = value
		}
	}
	return values, nil
}

func envFrom(objects Objects, namespace string, from corev1.EnvFromSource) (Files, error) {
	files := Files{}
	if from.SecretRef != nil {
		return files, addSecret(files, objects, namespace, from.SecretRef.Name, nil, 0, isTrue(from.SecretRef.Optional))
	}
	if from.ConfigMapRef != nil {
		return files, addConfigMap(files, objects, namespace, from.ConfigMapRef.Name, nil, 0, isTrue(from.ConfigMapRef.Optional))
	}
	return files, nil
}

func envValue(objects Objects, pod *corev1.Pod, variable corev1.EnvVar) (value string, ok bool, err error) {
	from := variable.ValueFrom
	if from == nil {
		return variable.Value, true, nil
	}
	files := Files{}
	switch {
	case from.SecretKeyRef != nil:
		r := from.SecretKeyRef
		err = addSecret(files, objects, pod.Namespace, r.Name, oneItem(r.Key), 0, isTrue(r.Optional))
	case from.ConfigMapKeyRef != nil:
		r := from.ConfigMapKeyRef
		err = addConfigMap(files, objects, pod.Namespace, r.Name, oneItem(r.Key), 0, isTrue(r.Optional))
	case from.FieldRef != nil:
		value, err = Field(pod, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		return "0", true, nil
	}
	file, ok := files["value"]
	return string(file.Data), ok, err
}

func oneItem(key string) []corev1.KeyToPath { return []corev1.KeyToPath{{Key: key, Path: "value"}} }
