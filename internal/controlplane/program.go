package controlplane

import (
	"context"
	"fmt"
	"strings"
)

// Programs are all there are; "demo --prepare" builds every one of them.
func Programs() []Program { return []Program{Kubernetes, MetalLB, CertManager, ExternalDNS, Envoy} }

// Program is something [Build] can build: a module of its own in the source tree,
// because its pins are not the product's.
type Program struct {
	// Name is how the cache calls the binary, Title how people do.
	Name, Title string
	// Folder of the module in the source tree.
	Folder string
	// Package to build there: one of the module's own, or of a module it requires.
	Package string
	// LinkerFlags drop what only a debugger needs, and set versions.
	LinkerFlags string
}

// Kubernetes is the control plane: etcd, kube-apiserver, kube-controller-manager
// and kubectl in one file. It is told which Kubernetes it is: without, /version
// answers a text that no client can parse as a version.
var Kubernetes = Program{
	Name: "kubernetes", Title: "Kubernetes programs", Folder: "peers/kubernetes", Package: ".",
	LinkerFlags: "-s -w" +
		" -X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
}

// kubernetesVersion is the one required in the source's go.mod; a test compares.
const kubernetesVersion = "v1.37.2"

// MetalLB is MetalLB's controller, which gives addresses to Services.
var MetalLB = Program{
	Name: "metallb-controller", Title: "MetalLB", Folder: "peers/metallb", Package: "go.universe.tf/metallb/controller", LinkerFlags: "-s -w",
}

// CertManager is cert-manager's controllers, and an ACME server, in one file.
var CertManager = Program{Name: "certmanager", Title: "cert-manager and Pebble", Folder: "peers/certmanager", Package: ".", LinkerFlags: "-s -w"}

// ExternalDNS is external-dns as far as it can be built: its plan, its registry and
// its RFC 2136 provider, around its loop; or a provider behind its webhook server.
var ExternalDNS = Program{
	Name: "external-dns", Title: "external-dns", Folder: "peers/externaldns", Package: ".", LinkerFlags: "-s -w",
}

// Envoy judges a bootstrap by the types Envoy publishes; Envoy itself is written in
// C++, and no Go module builds it.
var Envoy = Program{Name: "envoy-judge", Title: "the judge of bootstraps for Envoy", Folder: "peers/envoy", Package: ".", LinkerFlags: "-s -w"}

// OIDC is an OpenID provider people sign in at. The demo needs none, so "demo --prepare"
// does not build it.
var OIDC = Program{Name: "openid-provider", Title: "an OpenID provider", Folder: "peers/oidc", Package: ".", LinkerFlags: "-s -w"}

// What runs on real nodes, and around them. "demo --prepare" builds none of it: only
// tests on real nodes need them.
var (
	// Node is kubelet, kube-proxy and kube-scheduler in one file.
	Node = Program{
		Name: "node", Title: "kubelet and kube-proxy", Folder: "peers/node", Package: ".", LinkerFlags: Kubernetes.LinkerFlags,
	}
	// Containerd is containerd and ctr in one file, Shim what containerd starts for each pod.
	Containerd = Program{Name: "containerd", Title: "containerd", Folder: "peers/containerd", Package: ".", LinkerFlags: "-s -w"}
	Shim       = Program{Name: "containerd-shim", Title: "containerd's shim", Folder: "peers/containerd", Package: "./shim", LinkerFlags: "-s -w"}
	// Speaker is MetalLB's speaker, which announces the addresses that MetalLB gives.
	Speaker = Program{Name: "metallb-speaker", Title: "MetalLB's speaker", Folder: "peers/speaker", Package: "go.universe.tf/metallb/speaker", LinkerFlags: "-s -w"}
	// NetworkPolicies enforces them on a node.
	NetworkPolicies = Program{
		Name: "kube-network-policies", Title: "kube-network-policies", Folder: "peers/netpol", Package: "sigs.k8s.io/kube-network-policies/cmd", LinkerFlags: "-s -w",
	}
	// Helm installs charts.
	Helm = Program{Name: "helm", Title: "Helm", Folder: "peers/helm", Package: "helm.sh/helm/v4/cmd/helm", LinkerFlags: "-s -w"}
)

// recipe is what besides the source decides about the binary.
func (p Program) recipe(goVersion string) string {
	recipe := goVersion + " " + p.LinkerFlags
	if p.Package != "." {
		recipe += " " + p.Package
	}
	return recipe
}

// ModuleFolder is where Go keeps the files of a module that a program requires,
// such as the kinds that belong to it. It is downloaded if need be.
func ModuleFolder(ctx context.Context, program Program, module string) (string, error) {
	source, err := FindSource(program)
	if err != nil {
		return "", err
	}
	tool, _, err := toolchain(ctx, source)
	if err != nil {
		return "", err
	}
	if _, err := run(ctx, source, tool, "mod", "download", module); err != nil {
		return "", err
	}
	folder, err := run(ctx, source, tool, "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", err
	}
	if folder = strings.TrimSpace(folder); folder == "" {
		return "", fmt.Errorf("go has no folder for module %q of %s", module, program.Folder)
	}
	return folder, nil
}
