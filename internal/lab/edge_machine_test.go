package lab_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// machine runs an edge as a virtual machine's systemd unit does in the guide: the
// program as a process of its own, with the token of the chart's account, and HAProxy
// started by it.
type machine struct {
	name, dir string
	spec      process.Spec
	edge      *process.Process
}

// edgeMachine begins to run one, with more arguments if there are any; it ends with the test.
func edgeMachine(t *testing.T, l *lab.Lab, name, region string, address netip.Addr, ports v1alpha1.PortRange, more ...string) *machine {
	t.Helper()
	needs(t, "haproxy")
	m := &machine{name: name, dir: shortFolder(t)}
	m.spec = process.Spec{
		Name: name, Path: filepath.Join(folder, naming.Product),
		Args: []string{
			"edge", "run", "--name", name, "--region", region, "--kubeconfig", edgeKubeconfig(t, l), "--dir", m.dir, "--check", "5s",
			"--address", address.String(), "--ports", strconv.Itoa(int(ports.First)) + "-" + strconv.Itoa(int(ports.Last)),
		},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"},
		Dir: m.dir, LogFile: filepath.Join(l.Dir(), name+"."+region+".log"),
	}
	m.spec.Args = append(m.spec.Args, more...)
	t.Cleanup(func() { m.die(t) })
	m.begin(t)
	return m
}

func (m *machine) begin(t *testing.T) {
	t.Helper()
	started, err := process.Start(m.spec)
	if err != nil {
		t.Fatal(err)
	}
	m.edge = started
}

// die is a loss of power: the edge and its HAProxy end at once.
func (m *machine) die(t *testing.T) {
	t.Helper()
	m.killEdge()
	for _, pid := range m.haproxies(t) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err := lab.Until(context.Background(), patience, m.name+"'s haproxy is gone", func(context.Context) (bool, error) {
		return len(m.haproxies(t)) == 0, nil
	}); err != nil {
		t.Error(err)
	}
}

// killEdge kills the program and leaves HAProxy alone.
func (m *machine) killEdge() {
	_ = syscall.Kill(m.edge.PID(), syscall.SIGKILL)
	<-m.edge.Done()
}

// haproxies are the processes that were started with this machine's configuration.
func (m *machine) haproxies(t *testing.T) []int {
	t.Helper()
	var found []int
	for place, text := range arguments(t) {
		words := strings.Split(string(text), "\x00")
		if !strings.HasSuffix(words[0], "haproxy") || !slices.Contains(words, filepath.Join(m.dir, "haproxy.cfg")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(place)))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, pid)
	}
	slices.Sort(found)
	return found
}

// edgeKubeconfig is a file with a token of the account the chart gives edges.
func edgeKubeconfig(t *testing.T, l *lab.Lab) string {
	t.Helper()
	clients, err := kubernetes.NewForConfig(l.Config)
	if err != nil {
		t.Fatal(err)
	}
	given, err := clients.CoreV1().ServiceAccounts(naming.DefaultSystemNamespace).CreateToken(t.Context(), lab.EdgeAccount, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: l.Config.Host, CertificateAuthorityData: l.Config.CAData, CertificateAuthority: l.Config.CAFile}
	config.AuthInfos["edge"] = &clientcmdapi.AuthInfo{Token: given.Status.Token}
	config.Contexts["edge"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: "edge"}
	config.CurrentContext = "edge"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// shortFolder is for sockets, whose paths may not be long.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// needs skips where a program is missing; on CI that is a failure.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing := program + " is not installed; as root: bash hack/install-peers.sh"
			if os.Getenv("CI") != "" {
				t.Fatal(missing)
			}
			t.Skip(missing)
		}
	}
}

// edgeRegion makes a Region of mode edge-haproxy with a test's own addresses and ports.
func edgeRegion(t *testing.T, l *lab.Lab, name string, spec v1alpha1.EdgeSpec, quarantine time.Duration) {
	t.Helper()
	if len(spec.SourceCIDRs) == 0 {
		spec.SourceCIDRs = []string{"127.0.0.0/8"} // HAProxy runs on this machine, outside any pod
	}
	made := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RegionSpec{
		Domain: name + ".example.com", DefaultMode: v1alpha1.ModeEdgeHAProxy, Edge: &spec,
		Quarantine: &metav1.Duration{Duration: quarantine}, DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSNone},
	}}
	if err := l.Client.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), made) })
}
