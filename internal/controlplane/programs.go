package controlplane

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Addresses nobody ever dials: the API refuses loopback for them.
const (
	defaultServiceRange = "10.96.0.0/16"
	kubernetesServiceIP = "10.96.0.1"
	advertisedAddress   = "192.0.2.1" // TEST-NET-1
)

const adminUser = "soctalk-admin"

// maxSocketPath is what Linux allows for a unix socket, less its final zero.
const maxSocketPath = 107

// etcdArguments: both listeners are unix sockets in a private folder, since this
// etcd asks nobody for a password.
func (l *layout) etcdArguments() []string {
	client, peer := "unix://"+l.etcdSocket(), "unix://"+filepath.Join(l.sockets, "peer.sock")
	return []string{"etcd",
		"--name", "loopback",
		"--data-dir", filepath.Join(l.dir, "etcd"),
		"--unsafe-no-fsync",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", "loopback=" + peer,
		"--log-level", "warn",
	}
}

func (l *layout) apiserverArguments(port uint16, options Options) []string {
	arguments := []string{"kube-apiserver",
		"--etcd-servers", "unix://" + l.etcdSocket(),
		"--bind-address", options.address().String(),
		"--secure-port", fmt.Sprint(port),
		"--service-cluster-ip-range", options.serviceRange().String(),
		"--tls-cert-file", l.pki.path("apiserver.crt"),
		"--tls-private-key-file", l.pki.path("apiserver.key"),
		"--client-ca-file", l.pki.path("ca.crt"),
		"--token-auth-file", l.tokens(),
		"--authorization-mode", "Node,RBAC",
		"--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", l.pki.path("service-account.key"),
		"--service-account-signing-key-file", l.pki.path("service-account.key"),
		"--kubelet-preferred-address-types", "InternalIP",
		"--allow-privileged",
		"--profiling=false",
	}
	if options.Address.IsValid() {
		arguments = append(arguments, "--kubelet-client-certificate", l.pki.path("admin.crt"), "--kubelet-client-key", l.pki.path("admin.key"))
	} else {
		// The Endpoints of the Service "kubernetes" could only be a loopback address.
		arguments = append(arguments, "--advertise-address", advertisedAddress, "--endpoint-reconciler-type", "none")
	}
	if options.EgressSocket != "" {
		arguments = append(arguments, "--egress-selector-config-file", l.egressConfig())
	}
	if options.Audit {
		arguments = append(arguments, "--audit-policy-file", l.auditPolicy(), "--audit-log-path", l.auditLog())
	}
	if options.Authentication != "" {
		arguments = append(arguments, "--authentication-config", l.authentication())
	}
	if len(options.FeatureGates) > 0 {
		arguments = append(arguments, "--feature-gates", strings.Join(options.FeatureGates, ","))
	}
	return arguments
}

// controllersArguments runs every controller with its own identity, as kubeadm
// does, except the one that would declare the stand-in's node dead.
func (l *layout) controllersArguments(options Options) []string {
	controllers := []string{"*", "-node-ipam-controller", "-ttl-controller"}
	if !options.Address.IsValid() {
		controllers = append(controllers, "-node-lifecycle-controller")
	}
	controllers = append(controllers, options.Controllers...)
	arguments := []string{"kube-controller-manager",
		"--kubeconfig", l.controllersKubeconfig(),
		"--controllers", strings.Join(controllers, ","),
		"--use-service-account-credentials",
		"--leader-elect=false",
		"--secure-port=0",
		"--root-ca-file", l.pki.path("ca.crt"),
		"--service-account-private-key-file", l.pki.path("service-account.key"),
		"--cluster-signing-cert-file", l.pki.path("ca.crt"),
		"--cluster-signing-key-file", l.pki.path("ca.key"),
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--concurrent-statefulset-syncs=10",
		"--concurrent-namespace-syncs=20",
		"--profiling=false",
	}
	if len(options.FeatureGates) > 0 {
		arguments = append(arguments, "--feature-gates", strings.Join(options.FeatureGates, ","))
	}
	return arguments
}

// layout knows where each file of one control plane is.
type layout struct {
	dir     string // everything
	sockets string // unix sockets; short, because their paths must be
	pki     *pki
}

func (l *layout) etcdSocket() string   { return filepath.Join(l.sockets, "etcd.sock") }
func (l *layout) tokens() string       { return filepath.Join(l.pki.dir, "tokens.csv") }
func (l *layout) egressConfig() string { return filepath.Join(l.dir, "egress.yaml") }
func (l *layout) auditPolicy() string  { return filepath.Join(l.dir, "audit-policy.yaml") }
func (l *layout) authentication() string {
	return filepath.Join(l.dir, "authentication.yaml")
}
func (l *layout) auditLog() string   { return filepath.Join(l.dir, "audit.log") }
func (l *layout) kubeconfig() string { return filepath.Join(l.dir, "kubeconfig") }
func (l *layout) controllersKubeconfig() string {
	return filepath.Join(l.pki.dir, "controllers.kubeconfig")
}

// egressSelection sends what the API server dials inside the cluster (kubelets,
// webhooks, proxied pods and Services) through the stand-in's socket.
const egressSelection = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: %q
`

// auditRules record who asked for what, without bodies: those hold secrets.
const auditRules = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// writeConfiguration makes the files the programs read at their start.
func (l *layout) writeConfiguration(token string, options Options) error {
	files := map[string]string{
		l.tokens(): fmt.Sprintf("%s,%s,%s,\"system:masters\"\n", token, adminUser, adminUser),
	}
	if options.EgressSocket != "" {
		if len(options.EgressSocket) > maxSocketPath {
			return fmt.Errorf("egress socket %q: a unix socket's path has at most %d bytes, this one has %d; use a shorter folder",
				options.EgressSocket, maxSocketPath, len(options.EgressSocket))
		}
		files[l.egressConfig()] = fmt.Sprintf(egressSelection, options.EgressSocket)
	}
	if options.Audit {
		files[l.auditPolicy()] = auditRules
	}
	if options.Authentication != "" {
		files[l.authentication()] = options.Authentication
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// address is where the API server listens.
func (o Options) address() netip.Addr {
	if o.Address.IsValid() {
		return o.Address
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func (o Options) serviceRange() netip.Prefix {
	if o.ServiceRange.IsValid() {
		return o.ServiceRange
	}
	return netip.MustParsePrefix(defaultServiceRange)
}
