package manager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Where the manager keeps things, in its home.
const (
	passFile   = "etc/authd.pass"
	keysFile   = "etc/client.keys"
	timesFile  = "queue/agents-timestamp"
	sharedDir  = "etc/shared"
	runDir     = "var/run"
	alertsFile = "logs/alerts/alerts.json"
)

const maxLinks = 40 // as in the Linux kernel

// root is a folder that stands for a container's "/". Symbolic links in it, absolute ones too, lead
// to places in it, as they would for a process inside: a Secret volume is made of such links. A
// path that isn't absolute is one in the manager's home.
type root struct{ dir, home string }

// resolve follows links and returns the path on this machine. The last element need not exist.
func (r root) resolve(inside string) (string, error) {
	if !path.IsAbs(inside) {
		inside = path.Join(r.home, inside)
	}
	todo := strings.Split(path.Clean("/"+inside), "/")
	done, links := "/", 0
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if next == "" {
			continue
		}
		if next == ".." {
			done = path.Dir(done)
			continue
		}
		here := path.Join(done, next)
		target, err := os.Readlink(filepath.Join(r.dir, here))
		if err != nil {
			done = here // not a link, or not there
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("resolve %s: too many symbolic links", inside)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return filepath.Join(r.dir, done), nil
}

func (r root) read(inside string) ([]byte, error) {
	p, err := r.resolve(inside)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(p)
}

// replace writes a file by renaming a new one into its place, as the manager does.
func (r root) replace(inside string, content []byte) error {
	p, err := r.resolve(inside)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
		return err
	}
	tmp := p + ".new"
	if err := os.WriteFile(tmp, content, 0o640); err != nil {
		return err
	}
	return os.Rename(tmp, p)
}

func (r root) appendTo(inside string, content []byte) error {
	p, err := r.resolve(inside)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(p, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func (r root) remove(inside string) {
	if p, err := r.resolve(inside); err == nil {
		_ = os.Remove(p)
	}
}

func (r root) isDir(inside string) bool {
	p, err := r.resolve(inside)
	if err != nil {
		return false
	}
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
