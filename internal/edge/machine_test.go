package edge

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// booted is a small Debian with systemd, running in namespaces of this machine and
// on its network, with the units of deploy/systemd installed as the guide says.
type booted struct {
	*testing.T
	root string
	pid  string // of its systemd, here
}

// machineDisk is what hack/install-machine.sh puts into the cache.
func machineDisk(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(cache, "soctalk-ingress", "machine")
	if _, err := os.Stat(filepath.Join(disk, "packages.upgrade")); err != nil {
		t.Skip("there is no machine to boot; hack/install-machine.sh makes one of Debian's packages")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may boot a machine in namespaces")
	}
	return disk
}

// boot begins a machine on a copy of the disk, which ends with the test. The files
// are put to where the guide puts them.
func boot(t *testing.T, disk string, files map[string]string) *booted {
	t.Helper()
	dir, err := os.MkdirTemp("", "boot") // a socket's path is short; t.TempDir() is long
	if err != nil {
		t.Fatal(err)
	}
	m := &booted{T: t, root: filepath.Join(dir, "r")}
	for _, name := range []string{m.root, dir + "/upper", dir + "/work"} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", filepath.Join(disk, "root"), dir+"/upper", dir+"/work")
	if err := syscall.Mount("overlay", m.root, "overlay", 0, layers); err != nil {
		_ = os.RemoveAll(dir)
		t.Skipf("no overlay on this machine: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(m.root, syscall.MNT_DETACH); err != nil {
			t.Errorf("the machine's disk stays mounted: %v", err)
			return
		}
		_ = os.RemoveAll(dir)
	})
	for name, content := range files {
		m.write(name, content)
	}
	group := newGroup(t)
	command := exec.Command("unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=KILL", "sh", "testdata/boot.sh", m.root)
	command.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: group}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { _ = command.Process.Kill(); <-ended })
	children := fmt.Sprintf("/proc/%d/task/%d/children", command.Process.Pid, command.Process.Pid)
	(&site{T: t}).eventually("systemd runs", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the machine ended as it began: %v: %s", err, said.String())
		default:
		}
		text, _ := os.ReadFile(children)
		m.pid = strings.TrimSpace(string(text))
		name, _ := os.ReadFile("/proc/" + m.pid + "/comm")
		return m.pid != "" && strings.TrimSpace(string(name)) == "systemd"
	})
	return m
}

// newGroup is a cgroup of the unified hierarchy, for the machine's own.
func newGroup(t *testing.T) int {
	t.Helper()
	var top string
	for line := range strings.Lines(read(t, "/proc/mounts")) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			top = fields[1]
			break
		}
	}
	if top == "" {
		t.Skip("no cgroup2 is mounted on this machine")
	}
	group := filepath.Join(top, fmt.Sprintf("soctalk-machine-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("no cgroup may be made: %v", err)
	}
	fd, err := syscall.Open(group, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Close(fd)
		(&site{T: t}).eventually("the machine's cgroups are gone", func() bool {
			_ = filepath.WalkDir(group, func(path string, entry os.DirEntry, err error) error {
				if err == nil && entry.IsDir() && path != group {
					removeGroups(path)
					return filepath.SkipDir
				}
				return nil
			})
			return os.Remove(group) == nil
		})
	})
	return fd
}

// removeGroups removes a cgroup and those in it, the innermost first.
func removeGroups(path string) {
	entries, _ := os.ReadDir(path)
	for _, entry := range entries {
		if entry.IsDir() {
			removeGroups(filepath.Join(path, entry.Name()))
		}
	}
	_ = os.Remove(path)
}

func (m *booted) write(name, content string) {
	m.Helper()
	file := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(name, "usr/local/bin/") {
		mode = 0o755
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		m.Fatal(err)
	}
}

// try runs a command on the machine.
func (m *booted) try(args ...string) (string, error) {
	in := append([]string{"--target", m.pid, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--"}, args...)
	out, err := exec.CommandContext(m.Context(), "nsenter", in...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *booted) run(args ...string) string {
	m.Helper()
	begin := time.Now()
	out, err := m.try(args...)
	m.Logf("# %s (%.1f s)", strings.Join(args, " "), time.Since(begin).Seconds())
	if err != nil {
		journal, _ := m.try("journalctl", "--no-pager", "-n", "40", "-o", "cat")
		m.Fatalf("%s: %v: %s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

// mainProcess is what systemd calls a unit's.
func (m *booted) mainProcess(unit string) string {
	m.Helper()
	return m.run("systemctl", "show", "--property=MainPID", "--value", unit)
}

// active waits until both units run.
func (m *booted) active() {
	m.Helper()
	m.soon("both units are active", func() bool {
		out, err := m.try("systemctl", "is-active", "soctalk-edge", "soctalk-edge-haproxy")
		return err == nil && out == "active\nactive"
	})
}

// powerless fails unless a unit's process has no rights of root's.
func (m *booted) powerless(unit string) {
	m.Helper()
	status := m.run("cat", "/proc/"+m.mainProcess(unit)+"/status")
	have := map[string]string{}
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		have[name] = strings.TrimSpace(value)
	}
	for name, want := range map[string]string{"CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"} {
		if have[name] != want {
			m.Errorf("%s: %s is %s, want %s", unit, name, have[name], want)
		}
	}
	if uid := strings.Fields(have["Uid"]); len(uid) == 0 || uid[0] == "0" {
		m.Errorf("%s runs as %q", unit, have["Uid"])
	}
}

// worker is the version of HAProxy that serves, and the time it has done so.
func (m *booted) worker() (version, pid string) {
	m.Helper()
	info, err := runtime{socket: filepath.Join(m.root, "var/lib/soctalk-edge/admin.sock")}.info(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	return info["Version"], info["Pid"]
}

// upgrade puts the other release's HAProxy and libraries over the machine's, as
// its package manager would, under new inodes.
func (m *booted) upgrade(disk string) {
	m.Helper()
	out, err := exec.CommandContext(m.Context(), "cp", "-a", "--remove-destination", filepath.Join(disk, "upgrade")+"/usr", m.root+"/").CombinedOutput()
	if err != nil {
		m.Fatalf("upgrade: %v: %s", err, out)
	}
	m.run("ldconfig")
}

// soon waits for something on the machine.
func (m *booted) soon(what string, check func() bool) {
	m.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			journal, _ := m.try("journalctl", "--no-pager", "-n", "60", "-o", "cat")
			m.Fatalf("waited a minute in vain: %s\n%s", what, journal)
		}
	}
}
