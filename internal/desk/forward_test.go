package desk

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// behind is a desk whose API server answers every request alike.
func behind(t *testing.T, answers http.HandlerFunc) *Desk {
	t.Helper()
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	return &Desk{Config: &rest.Config{Host: server.URL}}
}

// A node that hangs must not hold up who waits for it, however long his own patience is.
func TestAForwardThatHangs(t *testing.T) {
	release := make(chan struct{})
	d := behind(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) }) // before the server is closed, which waits for them
	upgrade, refused, err := d.upgrader("tenant-acme", "manager-0")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = openForward(t.Context(), upgrade, refused, "tenant-acme", "manager-0", 55000, 50*time.Millisecond)
	if fault.ClassOf(err) != fault.Timeout {
		t.Errorf("after its patience: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, _, err = d.forwardTo(ctx, "tenant-acme", "manager-0", 55000); !errors.Is(err, context.Canceled) {
		t.Errorf("after who asked has gone: %v", err)
	}
}

// What is forbidden is known by the API server's status, and not by words that may stand
// in any message.
func TestAForwardThatIsForbidden(t *testing.T) {
	for status, want := range map[int]bool{http.StatusForbidden: true, http.StatusNotFound: false, http.StatusInternalServerError: false} {
		d := behind(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `pods "x" is forbidden`, status) })
		_, _, err := d.forwardTo(t.Context(), "tenant-acme", "manager-0", 55000)
		var forbidden *Forbidden
		if err == nil || errors.As(err, &forbidden) != want {
			t.Errorf("status %d: %v", status, err)
		}
	}
}
