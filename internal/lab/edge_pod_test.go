package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/chart"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// edgePod is the pod of the operator's chart that is an edge. The stand-in's node has
// no images, so the containers' commands are run as processes; where the pod has its
// folder and its loopback, they have the test's.
type edgePod struct {
	pod   corev1.Pod
	parts map[string]process.Spec
	runs  map[string]*process.Process
}

func startEdgePod(t *testing.T, l *lab.Lab, region string, address netip.Addr, ports string) *edgePod {
	t.Helper()
	needs(t, "haproxy")
	set := edgeDaemonSet(t, map[string]any{
		"region": region, "addresses": []any{address.String()}, "ports": ports, "metricsAddress": "127.0.0.1:8090", "haproxyImage": "haproxy:3.2",
	})
	if err := l.Client.Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Client.Delete(context.Background(), set) })
	p := &edgePod{parts: map[string]process.Spec{}, runs: map[string]*process.Process{}}
	eventually(t, "the edge's pod runs", func(ctx context.Context) (bool, error) {
		var pods corev1.PodList
		err := l.Client.List(ctx, &pods, client.InNamespace(set.Namespace), client.MatchingLabels(set.Spec.Selector.MatchLabels))
		if err != nil || len(pods.Items) != 1 || pods.Items[0].Status.Phase != corev1.PodRunning {
			return false, err
		}
		p.pod = pods.Items[0]
		return true, nil
	})
	loopback, ok := l.Standin.PodAddress(p.pod.Namespace, p.pod.Name)
	if !ok {
		t.Fatal("the pod has no address")
	}
	dir, kubeconfig := shortFolder(t), edgeKubeconfig(t, l)
	here := strings.NewReplacer("/var/lib/soctalk-edge", dir, "127.0.0.1:", loopback.String()+":")
	for _, container := range p.pod.Spec.Containers {
		command := container.Command
		if container.Name == "edge" { // the image's entry point is the program
			command = []string{filepath.Join(folder, naming.Product)}
		}
		var words []string
		for _, word := range slices.Concat(command, container.Args) {
			words = append(words, here.Replace(word))
		}
		path := words[0]
		if path == "sh" {
			path = "/bin/sh"
		}
		p.parts[container.Name] = process.Spec{
			Name: container.Name, Path: path, Args: words[1:], Dir: dir, LogFile: filepath.Join(l.Dir(), region+"."+container.Name+".log"),
			Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "KUBECONFIG=" + kubeconfig, "NODE_NAME=" + p.pod.Spec.NodeName},
		}
		p.start(t, container.Name)
		t.Cleanup(func() { p.runs[container.Name].Stop(0) })
	}
	return p
}

func (p *edgePod) start(t *testing.T, container string) {
	t.Helper()
	started, err := process.Start(p.parts[container])
	if err != nil {
		t.Fatal(err)
	}
	p.runs[container] = started
}

// edgeDaemonSet is what `helm install` makes of one entry of the chart's edges.
func edgeDaemonSet(t *testing.T, edge map[string]any) *appsv1.DaemonSet {
	t.Helper()
	rendered, err := chart.RenderOperator(map[string]any{"edges": []any{edge}})
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(rendered["soctalk-ingress/templates/edges.yaml"], "\n---\n") {
		var set appsv1.DaemonSet
		if err := yaml.UnmarshalStrict([]byte(document), &set); err == nil && set.Kind == "DaemonSet" {
			return &set
		}
	}
	t.Fatal("the chart has no DaemonSet for an edge")
	return nil
}

// dialFrom connects to an address of the test's choice from another one.
func dialFrom(source, at string) wazuh.DialFunc {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return dialer.DialContext(ctx, network, net.JoinHostPort(at, port))
	}
}

// enrollFrom asks for a key at an edge's address, from an address of the agent's own.
func enrollFrom(t *testing.T, l *lab.Lab, slug, at, source, name string, secret wazuh.Secret) (wazuh.Key, error) {
	t.Helper()
	status := get(t, l, slug).Status
	return enrollPatiently(t, wazuh.EnrollOptions{
		Address: fmt.Sprintf("%s:%d", status.Hostname, status.EdgePorts.Enrollment),
		Request: wazuh.EnrollRequest{Password: secret, Name: name}, Timeout: 30 * time.Second, Dial: dialFrom(source, at),
	})
}

// connectFrom opens a session at an edge's address, from an address of the agent's own.
func connectFrom(t *testing.T, l *lab.Lab, slug, at, source string, key wazuh.Key) *wazuh.Session {
	t.Helper()
	status := get(t, l, slug).Status
	var session *wazuh.Session
	eventually(t, "agent "+key.Name+" connects at "+at, func(ctx context.Context) (bool, error) {
		var err error
		session, err = wazuh.Dial(ctx, fmt.Sprintf("%s:%d", status.Hostname, status.EdgePorts.Events),
			wazuh.SessionOptions{Key: key, Handshake: 5 * time.Second, Silence: time.Hour, Dial: dialFrom(source, at)})
		return err == nil, err
	})
	t.Cleanup(func() { _ = session.Shutdown(context.Background()) })
	return session
}

// enrolledFrom waits until the gateway, by the list of agents, says from where one
// enrolled, and that a proxy said so.
func enrolledFrom(t *testing.T, l *lab.Lab, slug, name, enrolled string) {
	t.Helper()
	whereFrom(t, l, slug, name, enrolled, "")
}

// whereFrom also waits until the edge says from where it was seen last.
func whereFrom(t *testing.T, l *lab.Lab, slug, name, enrolled, seen string) {
	t.Helper()
	asked := time.Time{}
	last := errors.New("not asked yet")
	eventually(t, fmt.Sprintf("%s is listed as enrolled from %s and seen from %q", name, enrolled, seen), func(context.Context) (bool, error) {
		// A manager takes some requests a minute and no more.
		if time.Since(asked) < 2*time.Second {
			return false, last
		}
		asked = time.Now()
		code, out, talk := run(t, l, "agents", "list", slug, "-o", "json")
		if code != 0 {
			last = fmt.Errorf("exit %d: %s", code, talk)
			return false, last
		}
		last = fmt.Errorf("the list says %s %s", out, talk)
		var agents []struct {
			Name, SeenFrom string
			Enrollment     *struct{ Source, Via string }
		}
		if err := json.Unmarshal([]byte(out), &agents); err != nil {
			return false, err
		}
		for _, agent := range agents {
			if how := agent.Enrollment; agent.Name == name && how != nil {
				done := agent.SeenFrom == seen && how.Source == enrolled && how.Via != "" && how.Via != enrolled
				if done {
					return true, nil
				}
			}
		}
		return false, last
	})
}

// An edge as the chart runs it, and the operator's side of it: the condition names the
// node, the gateway behind it writes down each agent's own address, told in a PROXY
// header, and the list of agents asks the edge's pod from where they were seen. The
// edge's container ends and starts again, and nobody notices.
func TestTheEdgeOfTheChart(t *testing.T) {
	t.Parallel()
	l := installation(t)
	address := l.EdgeAddress()
	edgeRegion(t, l, "road", v1alpha1.EdgeSpec{Addresses: []string{address.String()}, Ports: v1alpha1.PortRange{First: 15140, Last: 15149}}, 0)
	pod := startEdgePod(t, l, "road", address, "15140-15149")
	create(t, l, "road-a", v1alpha1.TenantSpec{Region: "road"})
	leaves(t, l, "road-a")
	becomesReady(t, l, "road-a")
	says(t, becomes(t, l, "road-a", v1alpha1.ConditionAddressAssigned, metav1.ConditionTrue, v1alpha1.ReasonOK).Message, "carried by "+pod.pod.Spec.NodeName)

	const branch, roaming = "127.3.7.11", "127.3.8.12"
	key, err := enrollFrom(t, l, "road-a", address.String(), branch, "road-web-01", enrollmentSecret(t, l, "road-a"))
	if err != nil {
		t.Fatal(err)
	}
	session := connectFrom(t, l, "road-a", address.String(), roaming, key)
	sends(t, l, "road-a", session, "road-first")
	whereFrom(t, l, "road-a", "road-web-01", branch, roaming)
	if table := succeed(t, l, "agents", "list", "road-a", "-o", "wide"); !strings.Contains(table, "SEEN FROM") || !strings.Contains(table, branch) || !strings.Contains(table, roaming) {
		t.Errorf("the list of agents:\n%s", table)
	}

	pod.runs["edge"].Stop(0)
	_, out, talk := run(t, l, "agents", "list", "road-a")
	if !strings.Contains(out, "road-web-01") || !strings.Contains(talk, "where agents come from is not shown") {
		t.Errorf("while the edge is away the list says:\n%s%s", out, talk)
	}
	if err := session.KeepAlive(t.Context()); err != nil {
		t.Errorf("the agent noticed: %v", err)
	}
	pod.start(t, "edge")
	whereFrom(t, l, "road-a", "road-web-01", branch, roaming)
	sends(t, l, "road-a", session, "road-last")
}
