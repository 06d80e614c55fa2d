package controlplane_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
)

func TestControlPlane(t *testing.T) {
	var log strings.Builder
	dir := t.TempDir()
	began := time.Now()
	plane := controlplanetest.Start(t, controlplane.Options{Dir: dir, Audit: true, Log: &log})
	t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))

	config := rest.CopyConfig(plane.Config())
	config.UserAgent = "counting-test"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	offboardNamespace(t, client)

	writes, err := plane.Writes("counting-test")
	if err != nil || len(writes) != 3 {
		t.Errorf("audit log has %d writes of ours (%v), want 3: two creations and one deletion", len(writes), err)
	}
	info, err := os.Stat(plane.Kubeconfig())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("kubeconfig: %v, %v; want mode 0600", info, err)
	}
	pids := plane.PIDs()
	if len(pids) != 3 {
		t.Errorf("%d processes, want 3", len(pids))
	}
	plane.Stop()
	plane.Stop()
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d is still there after Stop", pid)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("Stop left %q", left)
	}
}

// offboardNamespace proves that the controllers work: only they finish a
// namespace's deletion.
func offboardNamespace(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	ctx := t.Context()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-acme"}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}}
	if _, err := client.CoreV1().Secrets("tenant-acme").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.CoreV1().Namespaces().Delete(ctx, "tenant-acme", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace is gone", func() bool {
		_, err := client.CoreV1().Namespaces().Get(ctx, "tenant-acme", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func TestDeadProgramIsQuoted(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kubernetes")
	script := "#!/bin/sh\necho \"$1: cannot read the stars\" >&2\nexit 3\n"
	if err := os.WriteFile(binary, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := controlplane.Start(t.Context(), controlplane.Options{Binary: binary})
	if err == nil || !strings.Contains(err.Error(), "etcd: cannot read the stars") {
		t.Errorf("error %v, want it to quote the program's last words", err)
	}
}

func TestStartGivesUp(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kubernetes")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho dreaming\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := controlplane.Start(t.Context(), controlplane.Options{Binary: binary, ReadyTimeout: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "not ready after 300ms") {
		t.Errorf("error %v, want the deadline", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := controlplane.Start(ctx, controlplane.Options{Binary: binary}); err == nil {
		t.Error("a cancelled start succeeded")
	}
}

func TestLongSocketPathIsRefused(t *testing.T) {
	_, err := controlplane.Start(t.Context(), controlplane.Options{Binary: "x", EgressSocket: "/" + strings.Repeat("a", 200)})
	if err == nil || !strings.Contains(err.Error(), "at most 107 bytes") {
		t.Errorf("error %v, want a hint about the socket's path", err)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
