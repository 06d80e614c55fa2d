package edge

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// inside is set for a test that runs in a mount namespace of its own.
const inside = "SOCTALK_EDGE_OWN_MOUNTS"

// ownMounts runs the test again, in a namespace whose mounts nobody else sees, and
// is true there. What it mounts ends with it, however it ends.
func ownMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	unshare := []string{"--mount", "--propagation", "private"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(slices.Clone(unshare), "true")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no mount namespace can be made, and so no disk filled: %v: %s", err, out)
		}
		t.Skipf("NO DISK WAS FILLED: no mount namespace can be made here (util-linux's unshare, as root or with user namespaces): %v: %s", err, out)
	}
	command := exec.Command("unshare", append(unshare, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")...)
	command.Env = append(os.Environ(), inside+"=1")
	out, err := command.CombinedOutput()
	t.Logf("in a namespace of its own:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(out), "\n--- PASS") && !strings.Contains(string(out), "--- PASS") {
		t.Errorf("nothing passed inside")
	}
	return false
}

// onSmallDisk puts the edge's folder on a disk of its own. What HAProxy says goes
// elsewhere: with a file open for writing, no disk becomes one to read.
func onSmallDisk(t *testing.T) func(*Options) {
	log := filepath.Join(t.TempDir(), "log")
	return func(o *Options) {
		t.Helper()
		if err := syscall.Mount("tmpfs", o.Config.Dir, "tmpfs", 0, "size=1m"); err != nil {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Cleanup(func() { // after the edge and its HAProxy have ended
			_ = syscall.Unmount(o.Config.Dir, syscall.MNT_DETACH)
			_ = os.Remove(o.Config.Dir)
		})
		if err := os.Symlink(log, filepath.Join(o.Config.Dir, fileLog)); err != nil {
			t.Fatal(err)
		}
	}
}

// disk fills the disk, and makes room.
func (s *site) disk() (fill, free func()) {
	ballast := filepath.Join(s.dir, "ballast")
	fill = func() {
		s.Helper()
		file, err := os.OpenFile(ballast, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			s.Fatal(err)
		}
		defer file.Close()
		for block := make([]byte, 4096); err == nil; {
			_, err = file.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			s.Fatalf("fill the disk: %v", err)
		}
	}
	free = func() {
		s.Helper()
		if err := os.Remove(ballast); err != nil {
			s.Fatal(err)
		}
	}
	return fill, free
}

// unwritable sees to it that the journal has no room left in its last page either.
func (s *site) unwritable() {
	s.Helper()
	s.edge.acting.Lock()
	defer s.edge.acting.Unlock()
	if _, err := s.edge.files.write("probe", make([]byte, 1)); err == nil {
		s.Fatal("the disk is not full")
	}
	s.edge.files.journal = nil // as after a failed writing: the model is to be written anew
}

// hands gives routes to the edge whatever comes of it.
func (s *site) wish(what string, check func(Status) bool) {
	s.Helper()
	s.hand()
	s.eventually(what, func() bool { return check(s.edge.Status()) })
}

func (s *site) word(slug string) string {
	s.edge.mu.RLock()
	defer s.edge.mu.RUnlock()
	return s.edge.unwritten.of()[slug]
}

// served talks to a tenant from an address of this machine.
func (s *site) served(n int, source string) bool {
	s.Helper()
	_, answer, err := talk(s.T, source, s.port(n, 0), frame("001"))
	return err == nil && answer != ""
}

// The disk is full: what is to be closed is closed all the same, nothing is opened,
// everybody is told, and once there is room files and process agree.
func TestClosingWithAFullDisk(t *testing.T) {
	if ownMounts(t) {
		haproxies.Each(t, func(t *testing.T) { testClosingWithAWornDisk(t, false) })
	}
}

// The same with a disk that may only be read, where nothing can be struck out either.
func TestClosingWithAReadOnlyDisk(t *testing.T) {
	if ownMounts(t) {
		haproxies.Each(t, func(t *testing.T) { testClosingWithAWornDisk(t, true) })
	}
}

func testClosingWithAWornDisk(t *testing.T, readOnly bool) {
	s := newSite(t, onSmallDisk(t))
	fill, free := s.disk()
	if readOnly {
		fill, free = s.remount(syscall.MS_RDONLY), s.remount(0)
	}
	manager := newEcho(t, "127.10.0.1", "m")
	everywhere := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for n := range 6 {
		s.tenant(n, manager.address(), manager.address(), func(r *haproxy.Route) {
			if n == 2 {
				r.Allowed = everywhere
			}
		})
	}
	s.apply()
	var conns [6]net.Conn
	for n := range conns {
		conn, answer, err := talk(t, "127.0.0.1", s.port(n, 0), frame("001"))
		if err != nil || answer == "" {
			t.Fatalf("tenant %d is not served: %v", n, err)
		}
		conns[n] = conn
	}
	before := s.worker()
	// HAProxy makes its master's socket a moment after it serves.
	if _, err := s.edge.process.askMaster(t.Context(), "show proc"); err != nil {
		t.Fatal(err)
	}
	fill()
	s.unwritable()

	narrow := []netip.Prefix{netip.MustParsePrefix("127.1.0.0/16")}
	s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Suspended = true })
	delete(s.routes, "t1")
	s.tenant(2, manager.address(), manager.address(), func(r *haproxy.Route) { r.Allowed = narrow })
	s.tenant(3, manager.address(), manager.address(), func(r *haproxy.Route) { r.Allowed = narrow }) // was open to everybody
	s.tenant(6, manager.address(), manager.address())                                                // is new
	s.wish("the edge says what it could not write down", func(status Status) bool { return status.Unwritten == 5 && status.DiskFails })
	closed := func(when string) {
		t.Helper()
		for _, n := range []int{0, 1, 6} {
			if s.served(n, "127.0.0.1") {
				t.Errorf("%s: tenant %d is served", when, n)
			}
		}
		for _, n := range []int{2, 3} {
			if s.served(n, "127.0.0.1") || !s.served(n, "127.1.0.1") {
				t.Errorf("%s: tenant %d is not served as its narrower list says", when, n)
			}
		}
		for _, n := range []int{4, 5} {
			if !s.served(n, "127.0.0.1") {
				t.Errorf("%s: tenant %d, which was left alone, is not served", when, n)
			}
		}
	}
	closed("the disk is full")
	for _, n := range []int{0, 1} {
		if !ended(t, conns[n]) {
			t.Errorf("the session of tenant %d goes on", n)
		}
	}
	for _, n := range []int{4, 5} {
		if !answers(t, conns[n]) {
			t.Errorf("the session of tenant %d, which was left alone, is cut", n)
		}
	}
	s.toldOfTheDisk()
	for _, port := range []string{"15140 ", "15142 ", "15146 "} { // t0, t1 and t3
		struck := !strings.Contains(strings.Join(linesOf([]byte(read(t, s.dir, haproxy.FileRoutes))), "\n"), port)
		if struck == readOnly {
			t.Errorf("the line of port %sis struck out of the map: %v", port, struck)
		}
	}

	// The next comparison opens nothing again.
	if err := s.edge.Check(t.Context()); !isUnwritten(err) {
		t.Errorf("a comparison with a full disk says %v", err)
	}
	closed("compared")

	if !readOnly { // where it could not make its sockets
		// HAProxy is started anew from the files, and is closed again.
		s.killHAProxy()
		s.eventually("another haproxy serves", func() bool { return s.running() != "" && s.running() != before && s.served(4, "127.0.0.1") })
		s.eventually("it is closed again", func() bool { return s.tables().ahead && !s.served(0, "127.0.0.1") && !s.served(3, "127.0.0.1") })
		closed("haproxy was restarted")
		before = s.worker()
	}

	// The edge is started anew. Before its source has told, it opens nothing.
	s.stop()
	s.awaits = func(status Status) bool {
		return strings.Contains(status.Error, "closed more than it could write down")
	}
	s.begin()
	closed("the edge was restarted")
	s.wish("the edge says again what it could not write down", func(status Status) bool { return status.Unwritten == 5 })
	closed("the source has told the new edge")

	// There is room: files and process agree, what was to be opened is open.
	free()
	if err := s.edge.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := s.edge.Status(); !status.InStep || status.Unwritten != 0 || status.DiskFails || status.Error != "" {
		t.Errorf("there is room again, and the edge says %+v", status)
	}
	if !s.served(6, "127.0.0.1") {
		t.Error("who came while the disk was full is not served now")
	}
	s.exact()
	if have := s.tables(); have.ahead {
		t.Error("the mark of a process that is ahead of the disk is still there")
	}
	if s.worker() != before || !slices.Equal(linesOf([]byte(read(t, s.dir, haproxy.FileRoutes))), slices.Sorted(keys(s.wanted().routeLines()))) {
		t.Error("the map is not as the routes say, or haproxy was restarted")
	}
	s.awaits = nil
}

// toldOfTheDisk looks at what the source is told of each tenant.
func (s *site) toldOfTheDisk() {
	s.Helper()
	for slug, want := range map[string]string{
		"t0": "closed in the running haproxy; not on the disk", "t1": "closed in the running haproxy; not on the disk",
		"t2": "closed in the running haproxy; not on the disk", "t3": "closed in the running haproxy; not on the disk",
		"t6": "nothing of the change is done, for it opens something",
	} {
		if word := s.word(slug); !strings.HasPrefix(word, want) {
			s.Errorf("of %s is said: %q", slug, word)
		}
	}
	s.eventually("the source is told, of those it is about and of nobody else", func() bool {
		s.edge.tellAll()
		s.source.mu.Lock()
		defer s.source.mu.Unlock()
		ready := 0
		for slug := range s.routes {
			word, told := s.source.words[slug]
			if word.Ready {
				ready++
			} else if !told || !strings.Contains(word.Message, "disk cannot be written") {
				return false
			}
		}
		return len(s.routes) == 6 && ready == 2
	})
}

// remount makes the edge's disk one that may only be read, or that may be written.
func (s *site) remount(flags uintptr) func() {
	return func() {
		s.Helper()
		if err := syscall.Mount("", s.dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			s.Fatalf("remount: %v", err)
		}
	}
}

func keys(set map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range set {
			if !yield(key) {
				return
			}
		}
	}
}

// running is the worker that answers; empty while none does.
func (s *site) running() string {
	info, err := s.edge.runtime.info(s.Context())
	if err != nil {
		return ""
	}
	return info["Pid"]
}
