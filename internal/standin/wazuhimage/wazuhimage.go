// Package wazuhimage does what the start of the Wazuh manager's container image
// does before the manager runs, in a root folder instead of a container: make the
// persistent folders, copy /wazuh-config-mount over /var/ossec (in Wazuh 5
// /var/wazuh-manager), run the hooks in /entrypoint-scripts.
//
// The order is that of cont-init.d/0-wazuh-init and 2-manager in the image of
// Wazuh 4.14. A configuration and a certificate, which the image provides where
// there are none, are left to the simulated manager; Filebeat, owners and users
// have no part here.
// Start with [Prepare].
package wazuhimage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

// Start is one start of the container.
type Start struct {
	// Root is the folder that stands for the container's "/".
	Root string
	// Folders are the mount points that are links to a folder; see package volumes.
	Folders []string
	// Hostname is the pod's name.
	Hostname string
	// Env is the container's environment, for the hooks.
	Env map[string]string
	// LogFile receives what the hooks print.
	LogFile string
}

// home is the manager's folder: the image of Wazuh 5 has moved it.
func (s *Start) home() string {
	if s.Env["SOCTALK_WAZUH_MAJOR"] == "5" {
		return "var/wazuh-manager"
	}
	return "var/ossec"
}

// persistent lists the folders of permanent_data.env that the simulator uses.
var persistent = []string{"api/configuration", "etc", "logs", "queue"}

// volatile folders come from the image at each start.
var volatile = []string{"bin", "var/run", "tmp"}

// Prepare runs the steps in the image's order. It may take as long as a hook
// likes: one that finds its Secret unusable waits for a better one.
func Prepare(ctx context.Context, start Start) error {
	for _, folder := range slices.Concat(persistent, volatile) {
		if err := os.MkdirAll(filepath.Join(start.Root, start.home(), filepath.FromSlash(folder)), 0o750); err != nil {
			return err
		}
	}
	if err := start.copyConfig("/wazuh-config-mount", "/"+start.home()); err != nil {
		return fmt.Errorf("copy /wazuh-config-mount: %w", err)
	}
	return RunHooks(ctx, start)
}

// copyConfig is "cp -r from/* to/", mount points being folders as they would be
// in a container. Other links are copied as links: a Secret mounted as a folder
// leaves its "..data" behind here too.
func (s *Start) copyConfig(from, to string) error {
	entries, err := os.ReadDir(filepath.Join(s.Root, filepath.FromSlash(from)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := s.copyEntry(path.Join(from, entry.Name()), path.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Start) copyEntry(from, to string) error {
	source, target := filepath.Join(s.Root, filepath.FromSlash(from)), filepath.Join(s.Root, filepath.FromSlash(to))
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	if info.IsDir() || slices.Contains(s.Folders, from) {
		if there, err := os.Lstat(target); err == nil && !there.IsDir() && !slices.Contains(s.Folders, to) {
			return fmt.Errorf("cannot overwrite non-directory %s with directory %s", to, from)
		}
		if err := os.MkdirAll(target, 0o750); err != nil {
			return err
		}
		return s.copyConfig(from, to)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		link, err := os.Readlink(source)
		if err != nil {
			return err
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Symlink(link, target)
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	// As cp does: through a link that is there, keeping the mode of what it finds.
	if target, err = s.follow(to); err != nil {
		return err
	}
	return os.WriteFile(target, data, info.Mode().Perm())
}

// maxLinks is Linux's own limit.
const maxLinks = 40

// follow finds the file that a path inside the container means. An absolute link
// starts at the root folder, not at the machine's "/".
func (s *Start) follow(inside string) (string, error) {
	todo := strings.Split(path.Clean("/"+inside), "/")
	done := "/"
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		done = path.Join(done, next) // ".." stops at "/"
		target, err := os.Readlink(filepath.Join(s.Root, filepath.FromSlash(done)))
		if err != nil {
			continue // no link, or nothing there yet
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("too many links in %s", inside)
		}
		done = path.Dir(done)
		if path.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return filepath.Join(s.Root, filepath.FromSlash(done)), nil
}

// watchSuffix marks a hook that starts a loop for the container's whole life. It is
// left out: the stand-in itself sees changed volumes, runs the other hooks again
// and has authd restarted.
const watchSuffix = "-watch.sh"

// hookGrace is how long a hook may take to end when its pod goes.
const hookGrace = 100 * time.Millisecond

// RunHooks runs each /entrypoint-scripts/*.sh with bash, ROOT being what a script
// has to put in front of its paths. The image ignores how a hook ends, and so does
// this; what a hook leaves in the background ends with it.
func RunHooks(ctx context.Context, start Start) error {
	scripts, err := filepath.Glob(filepath.Join(start.Root, "entrypoint-scripts", "*.sh"))
	if err != nil {
		return err
	}
	sort.Strings(scripts)
	env := []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range start.Env {
		env = append(env, name+"="+value)
	}
	env = append(env, "ROOT="+start.Root, "HOSTNAME="+start.Hostname,
		// There is no user "wazuh" here, and no patience.
		"SOCTALK_WAZUH_USER="+strconv.Itoa(os.Getuid()), "SOCTALK_WAZUH_GROUP="+strconv.Itoa(os.Getgid()),
		"SOCTALK_RETRY_SECONDS=0.2")
	for _, script := range scripts {
		if strings.HasSuffix(script, watchSuffix) {
			continue
		}
		hook, err := process.Start(process.Spec{Name: "/entrypoint-scripts/" + filepath.Base(script), Path: "bash",
			Args: []string{script}, Env: env, Dir: start.Root, LogFile: start.LogFile})
		if err != nil {
			return err
		}
		select {
		case <-hook.Done():
		case <-ctx.Done():
			hook.Stop(hookGrace)
			return context.Cause(ctx)
		}
	}
	return nil
}
