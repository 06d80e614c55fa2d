// Package volumes puts a container's volumes onto disk below a root folder, the
// way a kubelet does inside a container, but with plain files instead of mounts.
//
// [Project] is pure: from a volume and the objects it names to file contents.
// [Write] replaces a folder's files in one step through the "..data" symlink, so
// that a reader never sees half an update. [Mount] does both for every mount of a
// container, and [Container.Refresh] brings directory mounts up to date; a
// subPath mount stays as it was, as in a cluster.
package volumes
