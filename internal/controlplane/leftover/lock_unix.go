//go:build unix

package leftover

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lock takes the lock of a file, or says errHeld.
func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errHeld
	}
	return err
}

// ours is true for what belongs to this user: /tmp is everybody's.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
