//go:build linux

package leftover_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/leftover"
)

const prefix = "leftover-"

// TestMain is also the process that is killed: it makes a folder, says where, and
// waits.
func TestMain(m *testing.M) {
	if os.Getenv("LEFTOVER_OWNER") == "" {
		os.Exit(m.Run())
	}
	folder, err := leftover.Make(prefix)
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(folder.Path + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func TestSweepTakesWhatAKilledProcessLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "LEFTOVER_OWNER=1")
	if _, err := owner.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the owner did not say where its folder is")
	}
	dir := lines.Text()
	unmarked := filepath.Join(os.TempDir(), prefix+"somebody-elses")
	if err := os.Mkdir(unmarked, 0o700); err != nil {
		t.Fatal(err)
	}
	mine, err := leftover.Make(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := leftover.Sweep(prefix); err != nil || len(removed) > 0 {
		t.Errorf("swept %v (%v) while every owner lives", removed, err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	if removed, err := leftover.Sweep(prefix); err != nil || !slices.Equal(removed, []string{dir}) {
		t.Errorf("swept %v (%v), want %s", removed, err, dir)
	}
	for _, kept := range []string{unmarked, mine.Path} {
		if _, err := os.Stat(kept); err != nil {
			t.Errorf("swept too much: %v", err)
		}
	}
	if err := mine.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mine.Path); err == nil {
		t.Error("Remove left the folder")
	}
}
