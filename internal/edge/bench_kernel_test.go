package edge

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a proxy's connections take in the kernel: the sockets, the files and what
// hangs on them. Two ways to see it, in one run. The kernel can charge it to a
// control group of HAProxy's own. And it tells what all of its objects take: agents
// and managers are on the same machine, so what the same sessions take without a
// proxy in between is subtracted.

// kernelGroup is a control group that only HAProxy is in; the zero value when
// this machine, or this user, has none.
type kernelGroup struct{ dir, counter string }

// newKernelGroup puts a master and its children into a group. What they have
// already is not charged to it.
func newKernelGroup(t *testing.T, master int) kernelGroup {
	t.Helper()
	for _, version := range []struct{ root, counter string }{
		{"/sys/fs/cgroup/memory", "memory.kmem.usage_in_bytes"}, {"/sys/fs/cgroup", "memory.stat"},
	} {
		group := kernelGroup{dir: filepath.Join(version.root, "soctalk-bench-"+strconv.Itoa(os.Getpid())+"-"+strconv.Itoa(master)), counter: version.counter}
		if err := os.Mkdir(group.dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { group.leave(version.root) })
		if _, counted := group.bytes(); !counted || group.enter(master) != nil {
			continue
		}
		return group
	}
	t.Log("no control group counts the kernel's memory here")
	return kernelGroup{}
}

func (g kernelGroup) enter(master int) error {
	for _, pid := range family(master) {
		if err := os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// leave ends the group; who is still in it goes to its parent.
func (g kernelGroup) leave(root string) {
	text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	for pid := range strings.FieldsSeq(string(text)) {
		_ = os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(pid), 0o600)
	}
	_ = os.Remove(g.dir)
}

// bytes are what the kernel holds for the group.
func (g kernelGroup) bytes() (total float64, counted bool) {
	text, err := os.ReadFile(filepath.Join(g.dir, g.counter))
	if g.dir == "" || err != nil {
		return 0, false
	}
	if number, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); err == nil {
		return number, true
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "kernel "); ok {
			total, err = strconv.ParseFloat(strings.TrimSpace(value), 64)
			return total, err == nil
		}
	}
	return 0, false
}

// kernelUse is in bytes for each session; 0 where it cannot be seen.
type kernelUse struct {
	// Charged to HAProxy's control group. Sockets that were accepted are made in an
	// interrupt, and what is theirs may be charged to nobody.
	Charged float64 `json:"charged"`
	// All is what the kernel's objects for sessions take, of agents and managers too.
	All float64 `json:"all"`
}

// during holds that many sessions and tells what each takes.
func (g kernelGroup) during(sessions int, hold func()) (use kernelUse) {
	objects := ofSessions(calmSlabs())
	charged, counted := g.bytes()
	hold()
	use.All = (ofSessions(calmSlabs()) - objects) / float64(sessions)
	if after, _ := g.bytes(); counted {
		use.Charged = (after - charged) / float64(sessions)
	}
	return use
}

// benchDirect is what the same sessions take without a proxy.
func benchDirect(t *testing.T, target string) (use kernelUse) {
	t.Run("direct", func(t *testing.T) {
		agents := startHelper(t, "agents")
		agents.tell("hold %s 200", target)
		use = kernelGroup{}.during(generationHeld, func() {
			for range 50 {
				agents.tell("hold %s %d", target, generationHeld/50)
			}
		})
	})
	return use
}

// slab is a cache of the kernel's: how many objects there are, and their size.
type slab struct{ objects, size float64 }

// slabs are the kernel's caches by name; nil for those who may not look.
func slabs() map[string]slab {
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return nil
	}
	caches := map[string]slab{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "slabinfo") {
			continue
		}
		objects, _ := strconv.ParseFloat(fields[1], 64)
		size, _ := strconv.ParseFloat(fields[3], 64)
		caches[fields[0]] = slab{objects, size}
	}
	return caches
}

// calmSlabs waits until sockets of before have gone.
func calmSlabs() map[string]slab {
	last := slabs()
	for range 100 {
		time.Sleep(500 * time.Millisecond)
		next := slabs()
		if math.Abs(next["TCP"].objects-last["TCP"].objects) < 10 && math.Abs(next["sock_inode_cache"].objects-last["sock_inode_cache"].objects) < 10 {
			return next
		}
		last = next
	}
	return last
}

// ofSessions are the bytes that sessions take in the kernel. Files, inodes and
// names of directories come and go with whatever else the machine does, so of
// these one is counted for each socket, and not what there is.
func ofSessions(caches map[string]slab) float64 {
	sockets := caches["sock_inode_cache"].objects
	each := 0.0
	for _, name := range []string{"sock_inode_cache", "filp", "dentry", "lsm_inode_cache", "lsm_file_cache"} {
		each += caches[name].size
	}
	bytes := sockets * each
	for _, name := range []string{"TCP", "TCPv6", "eventpoll_epi", "ep_head", "tcp_bind_bucket", "tcp_bind2_bucket", "request_sock_TCP", "skbuff_small_head"} {
		bytes += caches[name].objects * caches[name].size
	}
	return bytes
}

// family is a master and its children.
func family(master int) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && (pid == master || fields[1] == strconv.Itoa(master)) {
			pids = append(pids, pid)
		}
	}
	return pids
}
