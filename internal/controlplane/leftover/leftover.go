// Package leftover makes temporary folders that don't outlive a killed process
// for long: each holds a marker which its owner keeps locked, and which the kernel
// unlocks when the owner dies, however it dies. The next start sweeps the folders
// that carry a marker nobody holds.
//
// A lock and not a process id decides, since ids are used again and mean
// something else in another container that shares the folder. Start with [Make].
package leftover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// marker is the file by which a folder is known to be ours.
const marker = ".soctalk-ingress-owner"

// Folder is a temporary folder of this process.
type Folder struct {
	Path string
	lock *os.File // nil where the system has no such locks
}

// Make makes a folder whose name begins with prefix, where os.MkdirTemp would.
func Make(prefix string) (*Folder, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	lock, err := claim(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mark the folder %s as ours: %w", dir, err), os.RemoveAll(dir))
	}
	return &Folder{Path: dir, lock: lock}, nil
}

// Remove removes the folder and what is in it.
func (f *Folder) Remove() error {
	err := os.RemoveAll(f.Path)
	if f.lock != nil {
		_ = f.lock.Close()
	}
	return err
}

// claim leaves a locked marker in a folder. It gets its name once it is locked, so
// that nobody finds it unlocked while its owner lives.
func claim(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, marker+"-")
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(file, os.Getpid()) // for whoever looks into the folder
	if err == nil {
		err = lock(file)
	}
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, marker))
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// Sweep removes the folders with a prefix that were made by Make, belong to this
// user and whose owner is dead. It returns those it removed.
func Sweep(prefix string) ([]string, error) {
	markers, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", marker))
	if err != nil {
		return nil, err
	}
	var removed []string
	var failed error
	for _, found := range markers {
		dir := filepath.Dir(found)
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !ours(info) {
			continue
		}
		switch err := sweep(dir, found); {
		case err == nil:
			removed = append(removed, dir)
		case !errors.Is(err, errHeld) && !errors.Is(err, fs.ErrNotExist): // somebody else swept it
			failed = errors.Join(failed, fmt.Errorf("sweep %s: %w", dir, err))
		}
	}
	return removed, failed
}

func sweep(dir, marker string) error {
	file, err := os.OpenFile(marker, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := lock(file); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

var errHeld = errors.New("its owner is alive")
