// Package mount follows files in a mounted Secret, which a kubelet replaces as a
// whole while we run: certificate, policy and passwords change without a restart.
//
// A kubelet writes a new folder and swings the symlink ..data to it. [Read]
// resolves that link once, so that what it returns belongs together; [Follow]
// looks every few seconds, because a watch on a symlink's target is easily lost.
package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// dataLink is where a kubelet keeps the current version of all files.
const dataLink = "..data"

// maxFile is more than a Secret can hold.
const maxFile = 4 << 20

// Read reads the named files of dir, all of the same version.
func Read(dir string, names ...string) (map[string][]byte, error) {
	real, err := current(dir)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	for _, name := range names {
		if files[name], err = read(filepath.Join(real, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// ReadFile reads one file of a mount by its path.
func ReadFile(path string) ([]byte, error) {
	dir, name := filepath.Split(path)
	files, err := Read(dir, name)
	return files[name], err
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("read %q: it has more than %d bytes", path, maxFile)
	}
	return content, err
}

func current(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(filepath.Join(dir, dataLink))
	if errors.Is(err, fs.ErrNotExist) { // not a kubelet's folder
		return dir, nil
	}
	return real, err
}

// stamp changes when one of the files does. A folder that cannot be read has a
// stamp too, so that its return is a change.
func stamp(dir string, names []string) string {
	real, err := current(dir)
	text := fmt.Sprint(real, err)
	for _, name := range names {
		info, err := os.Stat(filepath.Join(real, name))
		if err != nil {
			text += fmt.Sprint("|", err)
			continue
		}
		text += fmt.Sprint("|", info.Size(), info.ModTime().UnixNano())
	}
	return text
}

// Follow calls load at once and then whenever one of the files has changed since
// its last success, until ctx ends. A load that fails is tried again at every
// look, since a half-written change is soon whole; complain hears of it once per
// change.
func Follow(ctx context.Context, every time.Duration, dir string, names []string, load func(map[string][]byte) error, complain func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	loaded, complained := "", ""
	for {
		if now := stamp(dir, names); now != loaded {
			files, err := Read(dir, names...)
			if err == nil {
				err = load(files)
			}
			switch {
			case err == nil:
				loaded, complained = now, ""
			case complained != now:
				complain(err)
				complained = now
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
