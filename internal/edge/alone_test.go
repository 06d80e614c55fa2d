package edge

import (
	"path/filepath"
	"strings"
	"testing"
)

// A second edge in the same folder ends before it has touched a file, HAProxy or
// the first one's socket; once the first has ended, it may.
func TestASecondEdgeStaysOut(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	second, err := New(s.edge.options)
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another edge runs with --dir "+s.edge.config.Dir) {
		t.Fatalf("the second edge said: %v", err)
	}
	if _, err := AskStatus(t.Context(), Beside(s.edge.config.Dir)); err != nil {
		t.Errorf("the first one's socket after that: %v", err)
	}
	if _, answer, err := talk(t, "127.0.0.1", s.port(0, 0), frame("001")); err != nil || !strings.HasPrefix(answer, "m:") {
		t.Errorf("the tenant after that: %q, %v", answer, err)
	}
	s.stop()
	release, err := second.alone()
	if err != nil {
		t.Fatalf("after the first one's end: %v", err)
	}
	release()
	if matches, _ := filepath.Glob(filepath.Join(s.edge.config.Dir, "*.new")); len(matches) > 0 {
		t.Errorf("left behind: %v", matches)
	}
}
