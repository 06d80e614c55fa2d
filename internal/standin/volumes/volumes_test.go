package volumes_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/standin/volumes"
)

// shelf holds the objects of one namespace.
type shelf struct {
	secrets map[string]map[string][]byte
	configs map[string]map[string]string
	claims  map[string]string
}

func (s shelf) Secret(_, name string) (*corev1.Secret, error) {
	data, ok := s.secrets[name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	return &corev1.Secret{Data: data}, nil
}

func (s shelf) ConfigMap(_, name string) (*corev1.ConfigMap, error) {
	data, ok := s.configs[name]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, name)
	}
	return &corev1.ConfigMap{Data: data}, nil
}

func (s shelf) Claim(_, name string) (string, error) {
	folder, ok := s.claims[name]
	if !ok {
		return "", fmt.Errorf("claim %q is not bound: %w", name, volumes.ErrNotYet)
	}
	return folder, nil
}

const podText = `
metadata: {name: wazuh-manager-0, namespace: tenant-acme, labels: {app: manager}}
spec:
  volumes:
  - {name: tls, secret: {secretName: wazuh-tls, defaultMode: 0400}}
  - {name: auth, secret: {secretName: auth, items: [{key: authd.pass, path: authd.pass, mode: 0440}]}}
  - {name: config, configMap: {name: config}}
  - {name: scripts, configMap: {name: scripts, defaultMode: 0555}}
  - {name: mixed, projected: {sources: [{secret: {name: auth}}, {configMap: {name: config}}, {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}]}}
  - {name: scratch, emptyDir: {}}
  - {name: data, persistentVolumeClaim: {claimName: data-0}}
  containers:
  - name: manager
    env:
    - {name: PLAIN, value: x}
    - {name: SECRET, valueFrom: {secretKeyRef: {name: auth, key: authd.pass}}}
    - {name: ABSENT, valueFrom: {secretKeyRef: {name: none, key: k, optional: true}}}
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    volumeMounts:
    - {name: data, mountPath: /var/ossec/etc, subPath: etc}
    - {name: data, mountPath: /var/ossec/queue, subPath: queue}
    - {name: data, mountPath: /var/ossec/queue/again, subPath: etc}
    - {name: tls, mountPath: /certs}
    - {name: auth, mountPath: /secrets}
    - {name: auth, mountPath: /wazuh-config-mount/etc/authd.pass, subPath: authd.pass}
    - {name: config, mountPath: /wazuh-config-mount/etc/ossec.conf, subPath: ossec.conf}
    - {name: scripts, mountPath: /entrypoint-scripts}
    - {name: mixed, mountPath: /mixed}
    - {name: scratch, mountPath: /tmp/scratch}
`

func world(t *testing.T) (shelf, *corev1.Pod) {
	t.Helper()
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(podText), &pod); err != nil {
		t.Fatal(err)
	}
	return shelf{
		secrets: map[string]map[string][]byte{
			"wazuh-tls": {"tls.crt": []byte("cert 1"), "tls.key": []byte("key 1")},
			"auth":      {"authd.pass": []byte("pass 1"), "other": []byte("o")},
		},
		configs: map[string]map[string]string{
			"config":  {"ossec.conf": "<ossec/>"},
			"scripts": {"10-watch.sh": "true"},
		},
		claims: map[string]string{"data-0": t.TempDir()},
	}, &pod
}

func TestMount(t *testing.T) {
	objects, pod := world(t)
	root := t.TempDir()
	mounted, err := volumes.Mount(objects, pod, &pod.Spec.Containers[0], root)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"certs/tls.crt":                     "-r-------- cert 1",
		"certs/tls.key":                     "-r-------- key 1",
		"secrets/authd.pass":                "-r--r----- pass 1",
		"wazuh-config-mount/etc/authd.pass": "-r--r----- pass 1",
		"wazuh-config-mount/etc/ossec.conf": "-rw-r--r-- <ossec/>",
		"entrypoint-scripts/10-watch.sh":    "-r-xr-xr-x true",
		"mixed/authd.pass":                  "-rw-r--r-- pass 1",
		"mixed/other":                       "-rw-r--r-- o",
		"mixed/ossec.conf":                  "-rw-r--r-- <ossec/>",
		"mixed/name":                        "-rw-r--r-- wazuh-manager-0",
	}
	if diff := cmp.Diff(want, visible(t, root)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(root, "secrets", "other")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not listed is there: %v", err)
	}
	// What is written below the claim's mounts is in the claim.
	if err := os.WriteFile(filepath.Join(root, "var/ossec/etc/client.keys"), []byte("k"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/var/ossec/queue/again"}, mounted.Folders); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	// Relative links start from where a process in the container would see them.
	if err := os.Symlink("../../../certs/tls.crt", filepath.Join(root, "var/ossec/etc/link")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(root, "var/ossec/queue/again/link")); err != nil || string(data) != "cert 1" {
		t.Errorf("through a relative link: %q, %v", data, err)
	}
	// Another pod has to wait for the claim until this one has gone.
	if _, err := volumes.Mount(objects, pod, &pod.Spec.Containers[0], t.TempDir()); !errors.Is(err, volumes.ErrNotYet) {
		t.Errorf("claim in use: error %v, want one that means wait", err)
	}
	if err := mounted.Unmount(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(objects.claims["data-0"], "etc", "client.keys")); err != nil {
		t.Errorf("the claim did not keep it: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root, "certs")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a Secret is still there after Unmount: %v", err)
	}
	// Another container of the pod finds things as the first one left them.
	if _, err := volumes.Mount(objects, pod, &pod.Spec.Containers[0], root); err != nil {
		t.Errorf("mount again: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "var/ossec/etc/client.keys")); err != nil {
		t.Errorf("mounted again: %v", err)
	}
}

func TestRefreshFollowsDirectoriesOnly(t *testing.T) {
	objects, pod := world(t)
	root := t.TempDir()
	mounted, err := volumes.Mount(objects, pod, &pod.Spec.Containers[0], root)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := mounted.Refresh(); err != nil || len(changed) > 0 {
		t.Errorf("nothing changed, yet %q, %v", changed, err)
	}
	held, err := os.Open(filepath.Join(root, "certs", "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()

	objects.secrets["wazuh-tls"] = map[string][]byte{"tls.crt": []byte("cert 2"), "ca.crt": []byte("ca")}
	objects.secrets["auth"] = map[string][]byte{"authd.pass": []byte("pass 2")}
	changed, err := mounted.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"auth", "mixed", "tls"}, changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	got := visible(t, root)
	for name, want := range map[string]string{
		"certs/tls.crt":                     "-r-------- cert 2",
		"certs/ca.crt":                      "-r-------- ca",
		"certs/tls.key":                     "",
		"secrets/authd.pass":                "-r--r----- pass 2",
		"wazuh-config-mount/etc/authd.pass": "-r--r----- pass 1", // subPath: as it was
		"mixed/other":                       "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	// One hidden folder, and the symlink to it: old secrets do not linger.
	hidden, _ := filepath.Glob(filepath.Join(root, "certs", "..*"))
	if len(hidden) != 2 {
		t.Errorf("hidden entries %q, want ..data and one folder", hidden)
	}
}

func TestMissingObjectsMeanWait(t *testing.T) {
	for name, break_ := range map[string]func(shelf){
		"secret":    func(s shelf) { delete(s.secrets, "wazuh-tls") },
		"key":       func(s shelf) { delete(s.secrets["auth"], "authd.pass") },
		"configmap": func(s shelf) { delete(s.configs, "config") },
		"claim":     func(s shelf) { delete(s.claims, "data-0") },
	} {
		t.Run(name, func(t *testing.T) {
			objects, pod := world(t)
			break_(objects)
			_, err := volumes.Mount(objects, pod, &pod.Spec.Containers[0], t.TempDir())
			if !errors.Is(err, volumes.ErrNotYet) {
				t.Errorf("error %v, want one that means wait", err)
			}
		})
	}
}

func TestPathsStayInside(t *testing.T) {
	objects, pod := world(t)
	for _, path := range []string{"../x", "/etc/passwd", "a/../../x"} {
		volume := corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: "auth", Items: []corev1.KeyToPath{{Key: "other", Path: path}}}}}
		if _, _, err := volumes.Project(objects, pod, volume); err == nil || !strings.Contains(err.Error(), "leaves the volume") {
			t.Errorf("path %q: error %v", path, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	objects, pod := world(t)
	got, err := volumes.Environment(objects, pod, &pod.Spec.Containers[0])
	want := map[string]string{"PLAIN": "x", "SECRET": "pass 1", "POD": "wazuh-manager-0"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("environment: %v (-want +got):\n%s", err, diff)
	}
	delete(objects.secrets, "auth")
	if _, err := volumes.Environment(objects, pod, &pod.Spec.Containers[0]); !errors.Is(err, volumes.ErrNotYet) {
		t.Errorf("missing secret: error %v, want one that means wait", err)
	}
}

// visible lists the files a program would see, not the hidden folders.
func visible(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), "..") || entry.Name() == ".volumes" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path)
		if err != nil || info.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = info.Mode().String() + " " + string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
