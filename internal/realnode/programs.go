//go:build linux

package realnode

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
)

// Programs are the files that a cluster is made of.
type Programs struct {
	Kubernetes, Node, Containerd, Shim, Helm, MetalLB, Speaker, NetworkPolicies string
	// MetalLBKinds is a folder of files.
	MetalLBKinds string
	// Ours: the product, and the simulator of Wazuh.
	Product, Simulator string
}

// Build builds what is not built yet, with progress, and our own into a folder. It
// needs the network where modules are missing.
func Build(ctx context.Context, folder string, progress func(controlplane.Program, controlplane.BuildProgress)) (Programs, error) {
	var built Programs
	for _, build := range []struct {
		program controlplane.Program
		file    *string
	}{
		{controlplane.Kubernetes, &built.Kubernetes}, {controlplane.Node, &built.Node}, {controlplane.Containerd, &built.Containerd},
		{controlplane.Shim, &built.Shim}, {controlplane.Helm, &built.Helm}, {controlplane.MetalLB, &built.MetalLB},
		{controlplane.Speaker, &built.Speaker}, {controlplane.NetworkPolicies, &built.NetworkPolicies},
	} {
		var err error
		*build.file, err = controlplane.Build(ctx, controlplane.BuildOptions{Program: build.program, Progress: func(p controlplane.BuildProgress) { progress(build.program, p) }})
		if err != nil {
			return Programs{}, fmt.Errorf("build %s: %w", build.program.Title, err)
		}
	}
	metallb, err := controlplane.ModuleFolder(ctx, controlplane.MetalLB, metallbModule)
	if err != nil {
		return Programs{}, err
	}
	built.MetalLBKinds = filepath.Join(metallb, "config", "crd", "bases")
	// As the Dockerfile builds it.
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", folder, "../../cmd/soctalk-ingress", "../../cmd/wazuhsim")
	command.Env = append(command.Environ(), "CGO_ENABLED=0")
	if text, err := command.CombinedOutput(); err != nil {
		return Programs{}, fmt.Errorf("build our own programs: %w: %s", err, text)
	}
	built.Product, built.Simulator = filepath.Join(folder, "soctalk-ingress"), filepath.Join(folder, "wazuhsim")
	return built, nil
}

// Text and ReadPrograms carry the names of the files from one process to another.
func (p Programs) Text() (string, error) {
	text, err := json.Marshal(p)
	return string(text), err
}

// ReadPrograms is the inverse of [Programs.Text].
func ReadPrograms(text string) (Programs, error) {
	var p Programs
	err := json.Unmarshal([]byte(text), &p)
	return p, err
}
