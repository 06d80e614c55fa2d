// Package haproxies finds the HAProxys tests run with: the machine's own, and one
// of each Debian release that hack/install-haproxies.sh has put into the cache.
//
// A test whose subject is HAProxy's behaviour runs once with each, by [Each]; one
// that only needs some HAProxy calls [Need]. Where a release is missing its turn
// is skipped, and the test says how to get it.
package haproxies

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Branches are the releases of HAProxy the edge is for: those Debian has, from the
// oldest that can do what the edge needs to the newest.
func Branches() []string { return []string{"2.6", "3.0", "3.2", "3.4"} }

// Program is one HAProxy.
type Program struct {
	Path string
	// Version as it names itself, such as 3.0.11-1+deb13u5.
	Version string
}

// Branch is the part of the version that names its release, such as 3.0.
func (p Program) Branch() string {
	parts := strings.SplitN(p.Version, ".", 3)
	if len(parts) < 2 {
		return p.Version
	}
	return parts[0] + "." + parts[1]
}

var versionLine = regexp.MustCompile(`^HA-?Proxy version (\S+)`)

// ask has a program say which one it is.
func ask(path string) (Program, error) {
	out, err := exec.Command(path, "-v").Output()
	if err != nil {
		return Program{}, fmt.Errorf("%s -v: %w", path, err)
	}
	found := versionLine.FindSubmatch(out)
	if found == nil {
		return Program{}, fmt.Errorf("%s -v: no version in %q", path, out)
	}
	return Program{Path: path, Version: string(found[1])}, nil
}

// own is the machine's; Debian keeps it where a user's PATH need not lead.
func own() (Program, error) {
	for _, candidate := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(candidate); err == nil {
			return ask(path)
		}
	}
	return Program{}, fmt.Errorf("haproxy is not installed; hack/install-peers.sh installs it")
}

// find looks once for a run of the tests.
var find = sync.OnceValues(func() ([]Program, error) {
	var all []Program
	if program, err := own(); err == nil {
		all = append(all, program)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cached, err := filepath.Glob(filepath.Join(cache, "soctalk-ingress", "haproxy-*", "haproxy"))
	if err != nil {
		return nil, err
	}
	var fetched []Program
	for _, path := range cached {
		program, err := ask(path)
		if err != nil {
			return nil, fmt.Errorf("%w; remove its folder, and run hack/install-haproxies.sh", err)
		}
		fetched = append(fetched, program)
	}
	slices.SortFunc(fetched, func(a, b Program) int { return -compare(a.Version, b.Version) })
	for _, program := range fetched { // the newest of each, where the machine has none
		if !slices.ContainsFunc(all, func(other Program) bool { return other.Branch() == program.Branch() }) {
			all = append(all, program)
		}
	}
	slices.SortFunc(all, func(a, b Program) int { return compare(a.Version, b.Version) })
	return all, nil
})

// All are the HAProxys of this machine, one of each branch, the oldest first.
func All(t testing.TB) []Program {
	t.Helper()
	all, err := find()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// chosen is the HAProxy of a test, by the test's name.
var chosen sync.Map

// Need is the HAProxy for this test: the one [Each] runs it with, or else the
// machine's own. Without any the test is skipped; in continuous integration it
// must be there.
func Need(t testing.TB) string {
	t.Helper()
	for name := t.Name(); name != ""; name = name[:max(strings.LastIndexByte(name, '/'), 0)] {
		if program, ok := chosen.Load(name); ok {
			return program.(Program).Path
		}
	}
	program, err := own()
	switch all := All(t); {
	case err == nil:
		return program.Path
	case len(all) > 0:
		return all[0].Path
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// Each runs a test once with each HAProxy. A quick run (SOCTALK_TEST_QUICK) takes
// the one [Need] would.
func Each(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Getenv("SOCTALK_TEST_QUICK") != "" {
		test(t)
		return
	}
	all := All(t)
	for _, program := range all {
		t.Run("haproxy-"+program.Branch(), func(t *testing.T) {
			chosen.Store(t.Name(), program)
			t.Cleanup(func() { chosen.Delete(t.Name()) })
			test(t)
		})
	}
	for _, branch := range Branches() {
		if !slices.ContainsFunc(all, func(program Program) bool { return program.Branch() == branch }) {
			t.Run("haproxy-"+branch, func(t *testing.T) {
				t.Skipf("HAProxy %s is not on this machine; hack/install-haproxies.sh fetches it from Debian, without root", branch)
			})
		}
	}
}

var number = regexp.MustCompile(`[0-9]+`)

// compare orders versions by their numbers.
func compare(a, b string) int {
	return slices.CompareFunc(number.FindAllString(a, -1), number.FindAllString(b, -1), func(a, b string) int {
		left, _ := strconv.Atoi(a)
		right, _ := strconv.Atoi(b)
		return cmp.Compare(left, right)
	})
}
