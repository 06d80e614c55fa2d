package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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
	// moves are the folders that were moved to their mount points, in order.
	moves []move
	// points are the mount points that hold only what was put there.
	points []string
	// first is the container of the pod that has the shared folders; nil in that one.
	first *Container
	// Folders are the mount points, as paths inside the container, that are
	// symlinks: their folder is mounted at another place as well.
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

// Beside mounts another container of the same pod below a root of its own. The
// folders both mount stay where the first one has them, and are links in the
// second, which must therefore be unmounted first.
func (c *Container) Beside(container *corev1.Container, root string) (*Container, error) {
	second := &Container{objects: c.objects, pod: c.pod, root: root, volumes: c.volumes, live: map[string]string{}, claims: map[string]string{}, first: c}
	for _, mount := range container.VolumeMounts {
		if err := second.mount(mount); err != nil {
			return nil, errors.Join(fmt.Errorf("mount %q: %w", mount.MountPath, err), second.Unmount())
		}
	}
	return second, nil
}

// link shows a folder the first container has, or would have, at a mount point.
func (c *Container) link(volume corev1.Volume, mount corev1.VolumeMount, point string) error {
	folder := filepath.Join(c.first.root, hidden, volume.Name, filepath.FromSlash(path.Clean("/"+mount.SubPath)))
	if moved, ok := c.first.movedTo(folder); ok {
		folder = moved
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	c.points = append(c.points, point)
	return os.Symlink(folder, point)
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
	c.points = append(c.points, point)
	if mount.SubPath != "" {
		return copySubPath(files, mount.SubPath, point)
	}
	c.live[point] = volume.Name
	_, err = Write(point, files)
	return err
}

// mountFolder moves a folder that outlives the container to its mount point. A
// link to it would not do: relative links inside, such as one from the manager's
// configuration to a Secret, would start from the wrong place.
func (c *Container) mountFolder(volume corev1.Volume, mount corev1.VolumeMount, point string) error {
	if c.first != nil {
		return c.link(volume, mount, point)
	}
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
	if elsewhere, ok := c.movedTo(folder); ok {
		return c.mountAgain(mount, elsewhere, point)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.Rename(folder, point); err != nil {
		return err
	}
	c.moves = append(c.moves, move{from: folder, to: point})
	return nil
}

// move is a folder of a volume that stands at its mount point.
type move struct{ from, to string }

// movedTo finds a folder that an earlier mount has moved, with what is in it.
func (c *Container) movedTo(folder string) (string, bool) {
	for _, m := range c.moves {
		if folder == m.from {
			return m.to, true
		}
		if rest, ok := strings.CutPrefix(folder, m.from+string(filepath.Separator)); ok {
			return filepath.Join(m.to, rest), true
		}
	}
	return "", false
}

// mountAgain shows a folder at a second place. That has to be a link, a relative
// one: it leads to the same place for this process and for one that takes the
// root for its "/".
func (c *Container) mountAgain(mount corev1.VolumeMount, folder, point string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(point), folder)
	if err != nil {
		return err
	}
	c.Folders = append(c.Folders, path.Clean(mount.MountPath))
	c.points = append(c.points, point)
	return os.Symlink(target, point)
}

// attach moves a claim's folder into the root, where it stays until Unmount.
func (c *Container) attach(claim, folder string) error {
	home, err := c.objects.Claim(c.pod.Namespace, claim)
	if err != nil {
		return err
	}
	if c.claims[folder] != "" {
		return nil // by an earlier mount
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	err = os.Rename(home, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("claim %q is in use by another pod: %w", claim, ErrNotYet)
	}
	if err == nil {
		c.claims[folder] = home
	}
	return err
}

// Unmount empties the mount points and gives the claims' folders back. The rest of
// the root may be removed then, or serve another container of the pod.
func (c *Container) Unmount() error {
	var failed []error
	for _, point := range c.points {
		failed = append(failed, os.RemoveAll(point))
	}
	for _, m := range slices.Backward(c.moves) {
		failed = append(failed, os.Rename(m.to, m.from))
	}
	for folder, home := range c.claims {
		failed = append(failed, os.Rename(folder, home))
	}
	c.points, c.moves, c.claims, c.live = nil, nil, map[string]string{}, map[string]string{}
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
