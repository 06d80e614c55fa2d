package controlplanetest

import (
	"os"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
)

// BuildVariable, set to anything, lets a test spend minutes on compiling programs
// when the cache has none. "make test" sets it.
const BuildVariable = "SOCTALK_BUILD_CONTROLPLANE"

// Binary returns the control plane's file, or skips the test.
func Binary(t testing.TB) string {
	t.Helper()
	return Program(t, controlplane.Kubernetes)
}

// Program returns a program's file, or skips the test.
func Program(t testing.TB, program controlplane.Program) string {
	t.Helper()
	options := controlplane.BuildOptions{Program: program}
	binary, cached, err := controlplane.Cached(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if cached {
		return binary
	}
	if os.Getenv(BuildVariable) == "" {
		t.Skipf("%s is not built yet: set %s=1 to build it (minutes, once)", program.Name, BuildVariable)
	}
	reported := time.Now()
	options.Progress = func(p controlplane.BuildProgress) {
		if time.Since(reported) > 20*time.Second {
			reported = time.Now()
			t.Logf("building %s: %d of at most %d packages after %s, %s", program.Name, p.Done, p.Total, p.Elapsed.Round(time.Second), p.Package)
		}
	}
	binary, err = controlplane.Build(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
