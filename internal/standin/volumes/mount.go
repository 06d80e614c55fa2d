package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Container is one container's volumes, mounted.
type Container struct {
	objects Objects
	pod     *corev1.Pod
	root    string
	volumes map[string]corev1.Volume
	// live maps the folders that follow their objects to the volume's name.
	live map[string]string
	// claims maps folders inside the root to where they belong afterwards.
	claims map[string]string
	// Folders are the mount points, as paths inside the container, that are
	// symlinks to a folder elsewhere because its content outlives the container.
	Folders []string
}

// hidden is the folder, in a root, of volumes that are folders.
const hidden = ".volumes"

// Mount puts every mount of the container below root. An error that wraps
// [ErrNotYet] means: wait, and call again with the same root.
func Mount(objects Objects, pod *corev1.Pod, container *corev1.Container, root string) (*Container, error) {
	c := &Container{objects: objects, pod: pod, root: root, volumes: map[string]corev1.Volume{},
		live: map[string]string{}, claims: map[string]string{}}
	for _, volume := range pod.Spec.Volumes {
		c.volumes[volume.Name] = volume
	}
	mounts := append([]corev1.VolumeMount(nil), container.VolumeMounts...)
	// Outer mount points first, so that inner ones land inside them.
	sort.SliceStable(mounts, func(i, j int) bool { return len(mounts[i].MountPath) < len(mounts[j].MountPath) })
	for _, mount := range mounts {
		if err := c.mount(mount); err != nil {
			return nil, errors.Join(fmt.Errorf("mount %q: %w", mount.MountPath, err), c.Unmount())
		}
	}
	return c, nil
}

func (c *Container) mount(mount corev1.VolumeMount) error {
	volume, ok := c.volumes[mount.Name]
	if !ok {
		return fmt.Errorf("the pod has no volume %q", mount.Name)
	}
	point := filepath.Join(c.root, filepath.FromSlash(path.Clean("/"+mount.MountPath)))
	if err := os.MkdirAll(filepath.Dir(point), 0o755); err != nil {
		return err
	}
	files, projected, err := Project(c.objects, c.pod, volume)
	if err != nil {
		return err
	}
	if !projected {
		return c.mountFolder(volume, mount, point)
	}
	if mount.SubPath != "" {
		return copySubPath(files, mount.SubPath, point)
	}
	c.live[point] = volume.Name
	_, err = Write(point, files)
	return err
}

// mountFolder points to a folder that outlives the container. The folder stands
// inside the root, and the link to it is relative: then it leads to the same
// place for this process and for one that takes the root for its "/".
func (c *Container) mountFolder(volume corev1.Volume, mount corev1.VolumeMount, point string) error {
	folder := filepath.Join(c.root, hidden, volume.Name)
	switch {
	case volume.EmptyDir != nil:
	case volume.PersistentVolumeClaim != nil:
		if err := c.attach(volume.PersistentVolumeClaim.ClaimName, folder); err != nil {
			return err
		}
	default:
		return fmt.Errorf("volume %q: the stand-in does not know this kind of volume", volume.Name)
	}
	sub := path.Clean("/" + mount.SubPath) // never above the volume
	folder = filepath.Join(folder, filepath.FromSlash(sub))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(point), folder)
	if err != nil {
		return err
	}
	c.Folders = append(c.Folders, path.Clean(mount.MountPath))
	// A container that starts again finds the link of its predecessor.
	if existing, err := os.Readlink(point); err == nil && existing == target {
		return nil
	}
	if err := os.RemoveAll(point); err != nil {
		return err
	}
	return os.Symlink(target, point)
}

// attach moves a claim's folder into the root, where it stays until Unmount.
func (c *Container) attach(claim, folder string) error {
	home, err := c.objects.Claim(c.pod.Namespace, claim)
	if err != nil {
		return err
	}
	c.claims[folder] = home
	if _, err := os.Stat(folder); err == nil {
		return nil // attached by an earlier mount, or an earlier container
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	err = os.Rename(home, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("claim %q is in use by another pod: %w", claim, ErrNotYet)
	}
	return err
}

// Unmount gives the claims' folders back. The rest of the root may be removed then.
func (c *Container) Unmount() error {
	var failed []error
	for folder, home := range c.claims {
		if err := os.Rename(folder, home); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// copySubPath copies a file, or a folder of files, once.
func copySubPath(files Files, subPath, point string) error {
	subPath = path.Clean(subPath)
	if file, ok := files[subPath]; ok {
		if err := os.RemoveAll(point); err != nil {
			return err
		}
		return writeFiles(filepath.Dir(point), Files{filepath.Base(point): file})
	}
	below := Files{}
	for name, file := range files {
		if rest, ok := strings.CutPrefix(name, subPath+"/"); ok {
			below[rest] = file
		}
	}
	// A kubelet makes an empty folder for a subPath that is not there.
	if err := os.MkdirAll(point, 0o755); err != nil {
		return err
	}
	return writeFiles(point, below)
}

// Refresh brings the directory mounts up to date and returns the names of the
// volumes that changed.
func (c *Container) Refresh() (changed []string, err error) {
	seen := map[string]bool{}
	for point, name := range c.live {
		files, _, err := Project(c.objects, c.pod, c.volumes[name])
		if err != nil {
			return changed, err
		}
		differs, err := Write(point, files)
		if err != nil {
			return changed, err
		}
		if differs && !seen[name] {
			seen[name] = true
			changed = append(changed, name)
		}
	}
	sort.Strings(changed)
	return changed, nil
}
