//go:build linux

// Package sandbox runs a test program in namespaces of its own: processes, mounts,
// network, host name. Whatever the tests start there, daemons that detach and
// mounts that pile up included, ends with them, however they end: the kernel kills
// all processes of a process namespace with its first one, and takes network and
// mounts away when nobody is left in them.
//
// Only control groups outlive that. They are made in a folder named after a
// temporary one, by which the next run knows whose they were and removes them.
// Start with [Run], from TestMain.
package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/leftover"
)

// The same program runs three times: outside, as the first process inside, and as
// the tests. It is told by variables which one it is, and where its folder is.
const (
	stageVariable  = "SOCTALK_SANDBOX_STAGE"
	folderVariable = "SOCTALK_SANDBOX_FOLDER"
	stageFirst     = "first"
	stageTests     = "tests"
)

const prefix = "soctalk-nodes-"

// Run runs the tests inside, and returns their exit code. What needs the network
// must be done before, outside: prepare does it, and may leave files in the folder.
// If it fails, the tests are run outside, where [Folder] is empty.
func Run(tests func() int, prepare func(folder string) error) int {
	switch os.Getenv(stageVariable) {
	case stageFirst:
		return first()
	case stageTests:
		return tests()
	}
	_, _ = leftover.Sweep(prefix) // what stays behind harms nobody
	sweepControlGroups()
	folder, err := leftover.Make(prefix)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	defer sweepControlGroups()
	defer func() { _ = folder.Remove() }()
	if err := prepare(folder.Path); err != nil {
		return tests()
	}
	code, err := enter(folder.Path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return code
}

// Folder is a temporary folder, which is removed when the tests have ended; empty
// outside.
func Folder() string { return os.Getenv(folderVariable) }

// enter starts the first process of new namespaces and waits for it.
func enter(folder string) (int, error) {
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Args[0] = os.Args[0]
	command.Env = append(os.Environ(), stageVariable+"="+stageFirst, folderVariable+"="+folder)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	// The death signal belongs to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("make namespaces for the tests: %w", err)
	}
	go func() {
		for caught := range signals {
			_ = command.Process.Signal(caught)
		}
	}()
	if err := command.Wait(); err != nil && command.ProcessState == nil {
		return 0, err
	}
	if code := command.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 1, nil // killed
}

// first is process 1 inside: it prepares the mounts, starts the tests and collects
// the processes whose parents have ended.
func first() int {
	if err := prepareMounts(); err != nil {
		fmt.Fprintln(os.Stderr, "error: prepare the namespaces:", err)
		return 1
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := os.Setenv(stageVariable, stageTests); err != nil { // in the list, the first one would count
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: start the tests:", err)
		return 1
	}
	go func() {
		for caught := range signals {
			_ = syscall.Kill(child.Pid, caught.(syscall.Signal))
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1
		case pid == child.Pid && status.Exited():
			return status.ExitStatus()
		case pid == child.Pid:
			return 1
		}
	}
}

// prepareMounts hides from the machine what is mounted here, and shows here the
// processes of this namespace.
func prepareMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	return exec.Command("ip", "link", "set", "lo", "up").Run()
}

// controllers is where version 1 of control groups keeps its hierarchies.
const controllers = "/sys/fs/cgroup"

// ControlGroup makes a control group of this sandbox in every hierarchy, and
// returns its path in them.
func ControlGroup(name string) (string, error) {
	group := "/" + filepath.Base(Folder()) + "/" + name
	hierarchies, err := filepath.Glob(filepath.Join(controllers, "*"))
	if err != nil {
		return "", err
	}
	for _, hierarchy := range hierarchies {
		info, err := os.Lstat(hierarchy)
		if err != nil || !info.IsDir() {
			continue // a link from one name to another
		}
		if err := os.MkdirAll(hierarchy+group, 0o755); err != nil {
			return "", fmt.Errorf("make a control group: %w", err)
		}
		if err := inheritCPUs(hierarchy, group); err != nil {
			return "", err
		}
	}
	return group, nil
}

// inheritCPUs: in a new group of the hierarchy cpuset no process may run yet.
func inheritCPUs(hierarchy, group string) error {
	for folder := filepath.Dir(group); ; folder = group {
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			above, err := os.ReadFile(filepath.Join(hierarchy, filepath.Dir(folder), file))
			if errors.Is(err, fs.ErrNotExist) {
				return nil // another hierarchy
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(hierarchy, folder, file), above, 0o644)
			}
			if err != nil {
				return fmt.Errorf("control group %s: %w", folder, err)
			}
		}
		if folder == group {
			return nil
		}
	}
}

// sweepControlGroups removes the groups whose sandbox has no folder any more.
func sweepControlGroups() {
	groups, _ := filepath.Glob(filepath.Join(controllers, "*", prefix+"*"))
	for _, group := range groups {
		if _, err := os.Stat(filepath.Join(os.TempDir(), filepath.Base(group))); err == nil {
			continue
		}
		var folders []string
		_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
		for i := len(folders) - 1; i >= 0; i-- { // the innermost first
			_ = os.Remove(folders[i])
		}
	}
}

// Missing names what this machine lacks for real nodes, or is empty.
func Missing(programs ...string) string {
	if os.Getuid() != 0 {
		return "this user is not root"
	}
	var missing []string
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return "not installed: " + strings.Join(missing, ", ") + " (as root: bash hack/install-peers.sh --node)"
	}
	if _, err := os.Stat(filepath.Join(controllers, "memory")); err != nil {
		return "control groups of version 1 are not mounted at " + controllers
	}
	if said, err := exec.Command("unshare", "--net", "sh", "-c", queues).CombinedOutput(); err != nil {
		return fmt.Sprintf("packets cannot be queued for a program to judge, neither by nftables nor by iptables, in a network of its own: %s (%v)", strings.TrimSpace(string(said)), err)
	}
	return ""
}

// queues tries both ways to hand packets to the enforcer of NetworkPolicies.
const queues = `nft 'add table inet t; add chain inet t c; add rule inet t c queue num 98' 2>/dev/null ||
iptables -w -t mangle -A POSTROUTING -m owner --uid-owner 0 -m conntrack --ctstate NEW -j NFQUEUE --queue-num 98`
