// Package controlplanetest lets an integration test ask for a control plane in
// one line, and skips the test where building one was not agreed to.
package controlplanetest

import (
	"os"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
)

// BuildVariable, set to anything, lets a test spend minutes on compiling the
// control plane's programs when the cache has none. "make test" sets it.
const BuildVariable = "SOCTALK_BUILD_CONTROLPLANE"

// Binary returns the programs' file, or skips the test.
func Binary(t testing.TB) string {
	t.Helper()
	binary, cached, err := controlplane.Cached(t.Context(), controlplane.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if cached {
		return binary
	}
	if os.Getenv(BuildVariable) == "" {
		t.Skipf("no control plane built yet: set %s=1 to build it (minutes, once)", BuildVariable)
	}
	reported := time.Now()
	binary, err = controlplane.Build(t.Context(), controlplane.BuildOptions{Progress: func(p controlplane.BuildProgress) {
		if time.Since(reported) > 20*time.Second {
			reported = time.Now()
			t.Logf("building the control plane: %d of at most %d packages after %s, %s", p.Done, p.Total, p.Elapsed.Round(time.Second), p.Package)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Start runs a control plane for the length of the test.
func Start(t testing.TB, options controlplane.Options) *controlplane.ControlPlane {
	t.Helper()
	options.Binary = Binary(t)
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	plane, err := controlplane.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plane.Stop)
	return plane
}
