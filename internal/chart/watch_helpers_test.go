package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func hasOpenSSL() bool {
	_, err := exec.LookPath("openssl")
	return err == nil
}

// stopLoops ends the background watches whose command line names this test's
// own folder of scripts, and no other process.
func stopLoops(t *testing.T, scripts string) {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), scripts+"/20-authd-watch.sh") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
