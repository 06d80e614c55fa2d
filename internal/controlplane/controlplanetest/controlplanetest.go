// Package controlplanetest lets an integration test ask for a control plane in
// one line, and skips the test where building one was not agreed to.
package controlplanetest

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
)

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
