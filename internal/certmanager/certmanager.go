// Package certmanager runs the real cert-manager on this machine, and Pebble, an
// ACME server, beside it. The demo and the integration tests stand on it.
//
// [Install] puts cert-manager's kinds into a cluster, before whoever looks for
// them is started; [Start] runs its control loops and [StartPebble] the ACME
// server, both from the binary that [controlplane.CertManager] names. Nothing here
// knows of tenants: what to ask them for is the caller's.
package certmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

const (
	// Namespace is where cert-manager's own manifests put it, and where ClusterIssuers
	// keep their Secrets.
	Namespace = "cert-manager"

	module = "github.com/cert-manager/cert-manager"
)

// grace is how long a program may take to end.
const grace = 5 * time.Second

// Install creates the namespace and cert-manager's kinds, as they come with its
// module, and returns when the API server serves them.
func Install(ctx context.Context, c client.Client) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
	if err := c.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %q: %w", Namespace, err)
	}
	folder, err := controlplane.ModuleFolder(ctx, controlplane.CertManager, module)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(folder, "deploy", "crds", "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no kinds in %s/deploy/crds", folder)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read cert-manager's kinds: %w", err)
		}
		if err := installKinds(ctx, c, text); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func installKinds(ctx context.Context, c client.Client, text []byte) error {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		kind := &unstructured.Unstructured{}
		err := decoder.Decode(kind)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(kind.Object) == 0 {
			continue
		}
		if err := c.Create(ctx, kind); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install kind %q: %w", kind.GetName(), err)
		}
		if err := untilServed(ctx, c, kind); err != nil {
			return err
		}
	}
}

// untilServed waits for the API server's word that a kind can be used.
func untilServed(ctx context.Context, c client.Client, kind *unstructured.Unstructured) error {
	return until(ctx, "kind "+kind.GetName()+" is served", func() (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(kind), kind); err != nil {
			return false, err
		}
		conditions, _, _ := unstructured.NestedSlice(kind.Object, "status", "conditions")
		for _, item := range conditions {
			if condition, ok := item.(map[string]any); ok && condition["type"] == "Established" && condition["status"] == "True" {
				return true, nil
			}
		}
		return false, nil
	})
}

// Options say how to run cert-manager.
type Options struct {
	// Binary is what [controlplane.Build] made of [controlplane.CertManager].
	Binary string
	// Kubeconfig is the file by which to reach the cluster.
	Kubeconfig string
	// Dir takes the log.
	Dir string
	// NameServer is host:port of the server that is asked whether a DNS-01 record is
	// there. Empty means none will be.
	NameServer string
	// WebProxy, a URL, leads cert-manager's own look for an HTTP-01 proof to where
	// port 80 is; see [StartWeb].
	WebProxy string
	// Pause is how long it waits after a first failure; the zero value is its own hour.
	Pause time.Duration
}

// SolverImage is what its solver pods ask for; SolverCommand is the argument by
// which the binary does what that image does.
const (
	SolverImage   = "quay.io/jetstack/cert-manager-acmesolver:v1.21.2"
	SolverCommand = "acmesolver"
)

// Start runs cert-manager's control loops until the process is stopped.
func Start(options Options) (*process.Process, error) {
	server := options.NameServer
	if server == "" {
		server = "127.0.0.1:9" // nobody: without ACME nobody is asked
	}
	arguments := []string{
		"controller", "--kubeconfig", options.Kubeconfig, "--cluster-resource-namespace", Namespace,
		// The zone's own servers would be asked on port 53, which only root may open.
		"--dns01-recursive-nameservers", server, "--dns01-check-authoritative=false", "--dns01-check-retry-period", "500ms",
		"--acme-http01-solver-image", SolverImage,
	}
	if options.Pause > 0 {
		arguments = append(arguments, "--certificate-request-minimum-backoff-duration", options.Pause.String())
	}
	var more []string
	if options.WebProxy != "" {
		more = append(more, "HTTP_PROXY="+options.WebProxy)
	}
	return process.Start(process.Spec{
		Name: "cert-manager", Path: options.Binary, Args: arguments,
		Env: environment(more...), Dir: options.Dir, LogFile: filepath.Join(options.Dir, "cert-manager.log"),
	})
}

// Stop ends a program of this package.
func Stop(p *process.Process) {
	if p != nil {
		p.Stop(grace)
	}
}

func environment(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}, more...)
}

// patience bounds every wait, pause is between two looks.
const (
	patience = 60 * time.Second
	pause    = 50 * time.Millisecond
)

func until(ctx context.Context, what string, check func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		done, err := check()
		if err == nil && done {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited %s for: %s", patience, what), last)
		case <-time.After(pause):
		}
	}
}
