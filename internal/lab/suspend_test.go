package lab_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Suspension closes the way in, sends away who was connected, and keeps the rest. The
// stand-in's network cuts nothing that is open, as a real one does not: an agent
// leaves because the manager asks it to, and a connection that obeys nobody is ended
// by the manager's restart.
func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	l := installation(t)
	const slug = "paused"
	create(t, l, slug, v1alpha1.TenantSpec{})
	becomesReady(t, l, slug)
	key, err := enroll(t, l, slug, "paused-web-01", enrollmentSecret(t, l, slug))
	if err != nil {
		t.Fatal(err)
	}
	session := connect(t, l, slug, key)
	go speak(t.Context(), session)
	before := get(t, l, slug).Status
	silent, err := net.Dial("tcp", before.Address+":1514")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	succeed(t, l, "tenant", "suspend", slug, "--why", "invoice 17 unpaid", "--wait", "--timeout", "90s")
	if err := session.Err(); !errors.Is(err, wazuh.ErrReconnect) {
		t.Errorf("the agent's session ended with %v, want the manager's own request", err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the silent connection is still open: %v", err)
	}
	during := get(t, l, slug).Status
	seen := during.Suspension
	if seen == nil || seen.AskedAt == nil || seen.RestartedAt == nil || seen.EndedAt == nil || seen.Sessions == nil || *seen.Sessions != 0 {
		t.Errorf("the status says %+v", seen)
	}
	if seen != nil && (seen.Why != "invoice 17 unpaid" || seen.By == "") {
		t.Errorf("who and why: %q, %q", seen.By, seen.Why)
	}
	if _, err := wazuh.Dial(t.Context(), before.Address+":1514", wazuh.SessionOptions{Key: key, Handshake: 2 * time.Second}); err == nil {
		t.Error("the agent came back in")
	}
	if _, err := enroll(t, l, slug, "paused-web-02", enrollmentSecret(t, l, slug)); err == nil {
		t.Error("an agent enrolled with a suspended tenant")
	}
	if during.Agents == nil || during.Agents.Total != 1 {
		t.Errorf("the registration was not kept: %+v", during.Agents)
	}
	succeed(t, l, "tenant", "resume", slug, "--wait", "--timeout", "90s")
	after := get(t, l, slug)
	if before.Address != after.Status.Address || before.Hostname != after.Status.Hostname || before.Certificate.Serial != after.Status.Certificate.Serial {
		t.Errorf("address, name or certificate changed: %+v, then %+v", before, after.Status)
	}
	if after.Status.Suspension != nil || len(after.Annotations) != 0 {
		t.Errorf("the suspension left something behind: %+v, %v", after.Status.Suspension, after.Annotations)
	}
	connect(t, l, slug, key) // with the key of before
}

// ended waits until a suspended tenant's manager holds no session any more.
func ended(t *testing.T, l *lab.Lab, slug string) {
	t.Helper()
	becomes(t, l, slug, v1alpha1.ConditionReconciling, metav1.ConditionFalse, v1alpha1.ReasonIdle)
	seen := get(t, l, slug).Status.Suspension
	if seen == nil || seen.EndedAt == nil || seen.Sessions == nil || *seen.Sessions != 0 {
		t.Errorf("%s is suspended, and its sessions are %+v", slug, seen)
	}
}
