package standin_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/standin"
)

// cluster is a control plane with a stand-in and an administrator's client.
type cluster struct {
	*standin.StandIn

	plane  *controlplane.ControlPlane
	client client.Client
	log    string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	controlplanetest.Binary(t) // skips before anything is built
	simulator := filepath.Join(t.TempDir(), "wazuhsim")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", simulator, "../../cmd/wazuhsim")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the simulator: %v\n%s", err, output)
	}
	// A unix socket's path must be short, which the test's folder is not.
	sockets, err := os.MkdirTemp("", "si-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	socket := filepath.Join(sockets, "egress.sock")

	c := &cluster{log: filepath.Join(t.TempDir(), "standin.log")}
	c.plane = controlplanetest.Start(t, controlplane.Options{EgressSocket: socket})
	logFile, err := os.Create(c.log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.showLog(t, logFile) })
	began := time.Now()
	c.StandIn, err = standin.Start(t.Context(), standin.Options{
		Config: c.plane.Config(), Dir: t.TempDir(), EgressSocket: socket, SimBinary: simulator,
		OperatorLabels: map[string]string{"app": "operator"},
		Log:            slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	t.Logf("stand-in up after %s", time.Since(began).Round(time.Millisecond))
	if c.client, err = client.New(c.plane.Config(), client.Options{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) showLog(t *testing.T, file *os.File) {
	_ = file.Close()
	if data, err := os.ReadFile(c.log); err == nil && t.Failed() {
		t.Logf("the stand-in's log:\n%s", data)
	}
}

// apply creates every object of a file.
func (c *cluster) apply(t *testing.T, name string) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	documents := yaml.NewYAMLReader(bufio.NewReader(file))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatal(err)
		}
		if err := c.client.Create(t.Context(), object); err != nil {
			t.Fatalf("create %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// eventually waits for a condition; why says what is missing.
func eventually(t *testing.T, what string, condition func() (done bool, why any)) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		done, why := condition()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s: %v", what, why)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
