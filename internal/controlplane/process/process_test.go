//go:build linux

package process_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

func TestEndedProcessQuotesItsLastLines(t *testing.T) {
	log := filepath.Join(t.TempDir(), "logs", "child.log")
	p, err := process.Start(process.Spec{Name: "child", Path: "/bin/sh",
		Args: []string{"-c", "echo one; echo two >&2; printf three; exit 7"}, LogFile: log})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.ExitCode() != 7 {
		t.Errorf("exit code %d, want 7", p.ExitCode())
	}
	for _, want := range []string{"child ended: exit status 7", "one", "two", "three"} {
		if !strings.Contains(p.Err().Error(), want) {
			t.Errorf("error %q does not mention %q", p.Err(), want)
		}
	}
	written, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(written), "two") {
		t.Errorf("log file holds %q (%v), want the output", written, err)
	}
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	// The child ignores the polite signal and has a child of its own.
	pids := filepath.Join(t.TempDir(), "pid")
	p, err := process.Start(process.Spec{Name: "stubborn", Path: "/bin/sh",
		Args: []string{"-c", `trap "" TERM; sleep 1000 & echo $! > ` + pids + `.new; mv ` + pids + `.new ` + pids + `; while :; do sleep 1; done`}})
	if err != nil {
		t.Fatal(err)
	}
	var grandchild int
	waitFor(t, func() bool {
		data, err := os.ReadFile(pids)
		if err != nil {
			return false
		}
		for _, digit := range strings.TrimSpace(string(data)) {
			grandchild = grandchild*10 + int(digit-'0')
		}
		return true
	})
	p.Stop(50 * time.Millisecond)
	if p.Running() || p.ExitCode() != -1 {
		t.Errorf("running %v, exit code %d; want a killed process", p.Running(), p.ExitCode())
	}
	waitFor(t, func() bool { return !alive(grandchild) })
	p.Stop(0) // a second time is harmless
}

func TestEndsThoughAGrandchildHoldsItsOutput(t *testing.T) {
	var out strings.Builder
	p, err := process.Start(process.Spec{Name: "hook", Path: "/bin/sh", Stdout: &out,
		Args: []string{"-c", "echo hello; while :; do sleep 1; done & exit 0"}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.ExitCode() != 0 || out.String() != "hello\n" {
		t.Errorf("exit code %d, output %q", p.ExitCode(), out.String())
	}
}

func TestStartNamesTheProgram(t *testing.T) {
	_, err := process.Start(process.Spec{Name: "etcd", Path: "/nonexistent/etcd"})
	if err == nil || !strings.Contains(err.Error(), "start etcd") {
		t.Errorf("error %v, want it to name etcd", err)
	}
}

// alive is false for a process that has gone or only waits to be reaped.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("the condition did not come true in time")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
