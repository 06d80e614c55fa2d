package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// ownerID marks the story's records, and keyName is the Secret with the zone's key.
const (
	ownerID = "demo"
	keyName = "dns-key"
)

// registry holds the story's names: a zone of a real BIND 9, which external-dns's
// own code writes to, or the operator where that is not built; without BIND, the
// stand-in answers.
type registry struct {
	bind    bool
	program string // external-dns; empty: the operator writes
	server  *named.Server
	process *process.Process
}

// findRegistry takes what is installed, and what was built before or is to be built
// if the whole of the demo is wanted.
func findRegistry(ctx context.Context, tell *teller, full bool) (*registry, error) {
	if !named.Installed() {
		tell.note("BIND 9 is not installed, a stand-in answers for names (as root: bash hack/install-peers.sh)")
		return &registry{}, nil
	}
	_, cached, err := controlplane.Cached(ctx, controlplane.BuildOptions{Program: controlplane.ExternalDNS})
	if err != nil {
		return nil, err
	}
	if !cached && !full {
		tell.note("external-dns is not built here, the operator writes names itself; DEMO_FULL=1 builds it (a minute or two, once)")
		return &registry{bind: true}, nil
	}
	program, err := build(ctx, tell, controlplane.ExternalDNS)
	return &registry{bind: true, program: program}, err
}

// start runs BIND and, where it is there, external-dns. It comes before the
// operator, which looks for external-dns's kind once.
func (r *registry) start(ctx context.Context, l *lab.Lab) error {
	if !r.bind {
		return nil
	}
	folder := filepath.Join(l.Dir(), "bind")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	var err error
	if r.server, err = named.Open(folder, named.Options{Zones: []named.Zone{{Name: domain}}}); err != nil {
		return err
	}
	if r.program == "" {
		return l.Client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultSystemNamespace, Name: keyName},
			StringData: map[string]string{naming.KeyTSIG: r.server.Secret()},
		})
	}
	if err := installEndpoints(ctx, l); err != nil {
		return err
	}
	r.process, err = process.Start(process.Spec{
		Name: "external-dns", Path: r.program, Dir: l.Dir(), LogFile: filepath.Join(l.Dir(), "external-dns.log"),
		Args: []string{
			"--kubeconfig", l.Plane.Kubeconfig(), "--namespace", naming.DefaultSystemNamespace, "--interval", "500ms", "--txt-owner-id", ownerID,
			"--rfc2136-host", "127.0.0.1", "--rfc2136-port", strconv.Itoa(int(r.server.Port())), "--rfc2136-zone", domain, "--rfc2136-tsig-keyname", named.KeyName,
		},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "EXTERNAL_DNS_RFC2136_TSIG_SECRET=" + r.server.Secret()},
	})
	return err
}

// installEndpoints installs external-dns's kind, as its own repository has it.
func installEndpoints(ctx context.Context, l *lab.Lab) error {
	module, err := controlplane.ModuleFolder(ctx, controlplane.ExternalDNS, "sigs.k8s.io/external-dns")
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(module, "config/crd/standard/dnsendpoints.externaldns.k8s.io.yaml"))
	if err != nil {
		return err
	}
	kind := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &kind.Object); err != nil {
		return fmt.Errorf("external-dns's kind: %w", err)
	}
	if err := l.Client.Create(ctx, kind); err != nil {
		return err
	}
	return lab.Until(ctx, patience, "DNSEndpoints are served", func(ctx context.Context) (bool, error) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "externaldns.k8s.io", Version: "v1alpha1", Kind: "DNSEndpointList"})
		err := l.Client.List(ctx, list)
		return err == nil, err
	})
}

func (r *registry) stop() {
	if r.process != nil {
		r.process.Stop(10 * time.Second)
	}
	if r.server != nil {
		r.server.Down()
	}
}

// who writes names, in words.
func (r *registry) who() string {
	switch {
	case !r.bind:
		return "a stand-in"
	case r.program == "":
		return "the operator, in a zone of the real BIND 9"
	}
	return "external-dns's own code, in a zone of the real BIND 9"
}

// spec is what the Region says.
func (r *registry) spec(standin string) v1alpha1.DNSSpec {
	out := v1alpha1.DNSSpec{Mode: v1alpha1.DNSExternalDNS, Server: standin, TTL: 60}
	if !r.bind {
		return out
	}
	out.Server, out.OwnerID = r.server.Address(), ownerID
	if r.program != "" {
		out.ExternalDNS = &v1alpha1.ExternalDNSSpec{Source: v1alpha1.SourceEndpoint}
		return out
	}
	out.Mode = v1alpha1.DNSDirect
	out.RFC2136 = &v1alpha1.RFC2136Spec{Server: r.server.Address(), Zone: domain, TSIG: v1alpha1.TSIGSpec{
		KeyName: named.KeyName, Algorithm: "hmac-sha256", SecretRef: v1alpha1.SecretKeyRef{Name: keyName, Key: naming.KeyTSIG},
	}}
	return out
}

// resolver that knows the names.
func (r *registry) resolver(standin string) string {
	if r.bind {
		return r.server.Address()
	}
	return standin
}
