// Package disk writes what must survive a crash: all of it or nothing.
package disk

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes a file anew: beside it, synced, then renamed over it, and the
// folder synced, so that after a crash there is either the old content or the new.
func Replace(path string, content []byte) error {
	beside := path + ".new"
	file, err := os.OpenFile(beside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
