package edge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// fileLock is held by the edge that runs in the folder.
const fileLock = "lock"

// alone keeps a second edge out of the folder: two of them would undo each other's
// files and commands. The kernel lets go of the lock when the process ends, however
// that comes about; HAProxy, which outlives it, does not inherit it.
func (e *Edge) alone() (release func(), err error) {
	path := filepath.Join(e.config.Dir, fileLock)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make sure that no other edge runs here: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another edge runs with --dir %s; stop that one, or give this one a folder of its own", e.config.Dir)
		} else {
			err = fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}
