package volumes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataLink is the kubelet's name for the symlink to the current files.
const dataLink = "..data"

// Write makes the folder show exactly these files, and says whether that changed
// anything. The files live in a fresh hidden folder; "..data" points to it, and
// each visible name is a symlink through "..data", so one rename replaces all.
func Write(folder string, files Files) (changed bool, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return false, err
	}
	current := filepath.Join(folder, dataLink)
	if same(current, files) {
		return false, nil
	}
	old, err := os.Readlink(current)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	fresh, err := os.MkdirTemp(folder, "..")
	if err != nil {
		return false, err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return false, err
	}
	if err := writeFiles(fresh, files); err != nil {
		return false, err
	}
	next := filepath.Join(folder, "..data_tmp")
	_ = os.Remove(next)
	if err := os.Symlink(filepath.Base(fresh), next); err != nil {
		return false, err
	}
	if err := os.Rename(next, current); err != nil {
		return false, err
	}
	if err := link(folder, files); err != nil {
		return false, err
	}
	if old != "" {
		return true, os.RemoveAll(filepath.Join(folder, old))
	}
	return true, nil
}

func writeFiles(folder string, files Files) error {
	for name, file := range files {
		target := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, file.Data, 0o600); err != nil {
			return err
		}
		if err := os.Chmod(target, file.Mode); err != nil {
			return err
		}
	}
	return nil
}

// link makes the visible names, the first part of each path, and removes those
// that are no longer wanted. Real folders belong to a mount inside the volume.
func link(folder string, files Files) error {
	wanted := map[string]bool{}
	for name := range files {
		first, _, _ := strings.Cut(name, "/")
		wanted[first] = true
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if wanted[name] {
			delete(wanted, name)
			continue
		}
		if strings.HasPrefix(name, "..") || entry.Type()&fs.ModeSymlink == 0 {
			continue
		}
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	for name := range wanted {
		if err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(folder, name)); err != nil {
			return fmt.Errorf("show %q: %w", name, err)
		}
	}
	return nil
}

// same compares what is on disk with what should be.
func same(folder string, files Files) bool {
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return false
	}
	seen := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		want, ok := files[filepath.ToSlash(name)]
		info, infoErr := entry.Info()
		data, readErr := os.ReadFile(path)
		if !ok || infoErr != nil || readErr != nil || info.Mode().Perm() != want.Mode || !bytes.Equal(data, want.Data) {
			return fs.SkipAll // seen stays too small
		}
		seen++
		return nil
	})
	return err == nil && seen == len(files)
}
