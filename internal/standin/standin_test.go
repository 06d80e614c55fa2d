package standin_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/standin/network"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

var tenant = client.ObjectKey{Namespace: "tenant-acme", Name: "wazuh-manager"}

func TestTenantInACluster(t *testing.T) {
	c := startCluster(t)
	c.apply(t, "testdata/tenant.yaml")
	address := c.becomesReady(t)
	c.agentsGetIn(t, address)
	c.namesAnswer(t, address)
	c.onlyTheOperatorReachesTheAPI(t)
	c.portForwardAndLogs(t)
	c.secretRotates(t, address)
	c.sourceRangesAndPolicies(t, address)
	c.managerRestarts(t)
	c.podComesBackWithItsClaim(t)
	c.otherPods(t)
	c.offboards(t)
	c.stopsClean(t)
}

// becomesReady waits for address and ready pod, and returns the address.
func (c *cluster) becomesReady(t *testing.T) string {
	began := time.Now()
	c.podReady(t, 0)
	t.Logf("pod ready after %s", time.Since(began).Round(time.Millisecond))
	var address string
	eventually(t, "the Service has an address", func() (bool, any) {
		var service corev1.Service
		err := c.client.Get(t.Context(), tenant, &service)
		if err != nil || len(service.Status.LoadBalancer.Ingress) == 0 {
			return false, err
		}
		address = service.Status.LoadBalancer.Ingress[0].IP
		return strings.HasPrefix(address, "127.80."), address
	})
	return address
}

// podReady waits for the manager's pod to be ready, and returns it.
func (c *cluster) podReady(t *testing.T, restarts int32) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	eventually(t, "the manager's pod is ready", func() (bool, any) {
		err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "tenant-acme", Name: "wazuh-manager-0"}, pod)
		if err != nil || pod.DeletionTimestamp != nil {
			return false, err
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
				return pod.Status.ContainerStatuses[0].RestartCount >= restarts, pod.Status
			}
		}
		return false, pod.Status
	})
	if !strings.HasPrefix(pod.Status.PodIP, "10.244.") {
		t.Errorf("pod IP %q, want one of 10.244.0.0/16", pod.Status.PodIP)
	}
	return pod
}

func enroll(t *testing.T, address, secret, name string) error {
	t.Helper()
	_, err := wazuh.Enroll(t.Context(), wazuh.EnrollOptions{
		Address: net.JoinHostPort(address, "1515"), Timeout: 20 * time.Second,
		Request: wazuh.EnrollRequest{Name: name, Password: wazuh.NewSecret(secret)},
	})
	return err
}

func (c *cluster) agentsGetIn(t *testing.T, address string) {
	eventually(t, "an agent enrolls through the load balancer", func() (bool, any) {
		err := enroll(t, address, "first-secret", "agent-1")
		return err == nil, err
	})
	if err := enroll(t, address, "wrong-secret", "agent-2"); err == nil {
		t.Error("a wrong secret was accepted")
	}
	if err := ping(address); err != nil {
		t.Errorf("events port: %v", err)
	}
}

// ping asks remoted through the load balancer.
func ping(address string) error {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, "1514"), 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("\x05\x00\x00\x00#ping")); err != nil {
		return err
	}
	answer := make([]byte, 9)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if string(answer[4:]) != "#pong" {
		return fmt.Errorf("answer %q", answer)
	}
	return nil
}

func (c *cluster) lookup(t *testing.T, network, name string, kind uint16) *dns.Msg {
	t.Helper()
	question := new(dns.Msg)
	question.SetQuestion(name, kind)
	asker := &dns.Client{Net: network, Timeout: 5 * time.Second}
	answer, _, err := asker.ExchangeContext(t.Context(), question, c.DNSAddress())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func (c *cluster) namesAnswer(t *testing.T, address string) {
	for _, network := range []string{"udp", "tcp"} {
		answer := c.lookup(t, network, "Acme.SOC.example.com.", dns.TypeA)
		if len(answer.Answer) != 1 {
			t.Fatalf("%s: %v, want one record", network, answer)
		}
		record, ok := answer.Answer[0].(*dns.A)
		if !ok || record.A.String() != address || record.Hdr.Ttl != 60 {
			t.Errorf("%s: record %v, want %s with TTL 60", network, answer.Answer[0], address)
		}
	}
	if answer := c.lookup(t, "udp", "acme.soc.example.com.", dns.TypeAAAA); answer.Rcode != dns.RcodeSuccess || len(answer.Answer) != 0 {
		t.Errorf("AAAA: %v, want an empty answer", answer)
	}
	if answer := c.lookup(t, "udp", "beta.soc.example.com.", dns.TypeA); answer.Rcode != dns.RcodeNameError {
		t.Errorf("unknown name: %v, want NXDOMAIN", answer)
	}
}

const apiAddress = "wazuh-manager-api.tenant-acme.svc:55000"

func (c *cluster) onlyTheOperatorReachesTheAPI(t *testing.T) {
	transport := &http.Transport{DialContext: c.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+apiAddress+"/security/user/authenticate", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("soctalk", "Example-Pass-1")
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatalf("the operator asks the manager's API: %v", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("login with the Secret's credentials: %s", response.Status)
	}
	var refused *network.RefusedByPolicy
	for name, labels := range map[string]map[string]string{"soctalk-system": {"app": "web"}, "tenant-beta": {"app": "operator"}} {
		_, err := c.DialAs(name, labels)(t.Context(), "tcp", apiAddress)
		if !errors.As(err, &refused) {
			t.Errorf("pod %v of %s: error %v, want a refusal by policy", labels, name, err)
		}
	}
	var nameError *net.DNSError
	if _, err := c.DialContext(t.Context(), "tcp", "nothing.tenant-acme.svc:1"); !errors.As(err, &nameError) || !nameError.IsNotFound {
		t.Errorf("unknown Service: error %v, want no such host", err)
	}
	if _, err := c.DialContext(t.Context(), "tcp", "wazuh-manager-api.tenant-acme.svc.cluster.local:1514"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a port the Service lacks: error %v, want connection refused", err)
	}
}

func (c *cluster) kubectl(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), c.plane.Binary(), append([]string{"kubectl", "--kubeconfig", c.plane.Kubeconfig(), "-n", "tenant-acme"}, arguments...)...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir())
	return command
}

func (c *cluster) portForwardAndLogs(t *testing.T) {
	forward := c.kubectl(t, "port-forward", "pod/wazuh-manager-0", ":1514", "--address", "127.0.0.1")
	output, err := forward.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	forward.Stderr = &complaints
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = forward.Process.Kill()
		_ = forward.Wait()
	}()
	var port int
	if _, err := fmt.Fscanf(output, "Forwarding from 127.0.0.1:%d", &port); err != nil {
		t.Fatalf("port-forward: %v: %s", err, complaints.String())
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	answer := make([]byte, 9)
	if _, err := conn.Write([]byte("\x05\x00\x00\x00#ping")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer[4:]) != "#pong" {
		t.Errorf("through port-forward: %q, %v", answer, err)
	}
	if text, err := c.kubectl(t, "logs", "wazuh-manager-0", "--tail", "5").CombinedOutput(); err != nil {
		t.Errorf("logs: %v: %s", err, text)
	}
}

func (c *cluster) secretRotates(t *testing.T, address string) {
	before, ok := c.Manager("tenant-acme")
	if !ok {
		t.Fatal("no manager in tenant-acme")
	}
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: "tenant-acme", Name: "wazuh-authd-secret"}
	if err := c.client.Get(t.Context(), key, &secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["authd.pass"] = []byte("second-secret")
	if err := c.client.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new secret is asked for", func() (bool, any) {
		err := enroll(t, address, "second-secret", "agent-3")
		return err == nil, err
	})
	if err := enroll(t, address, "first-secret", "agent-4"); err == nil {
		t.Error("the old secret is still accepted")
	}
	if after, _ := c.Manager("tenant-acme"); after.PID != before.PID {
		t.Error("the manager was restarted as a whole; only authd should have been")
	}
}

func (c *cluster) sourceRangesAndPolicies(t *testing.T, address string) {
	var service corev1.Service
	change := func(why string, works bool, edit func(*corev1.Service)) {
		t.Helper()
		if err := c.client.Get(t.Context(), tenant, &service); err != nil {
			t.Fatal(err)
		}
		edit(&service)
		if err := c.client.Update(t.Context(), &service); err != nil {
			t.Fatal(err)
		}
		eventually(t, why, func() (bool, any) {
			err := ping(address)
			return (err == nil) == works, err
		})
	}
	change("a client outside the ranges is refused", false, func(s *corev1.Service) {
		s.Spec.LoadBalancerSourceRanges = []string{"203.0.113.0/24"}
	})
	change("a client inside is let in", true, func(s *corev1.Service) {
		s.Spec.LoadBalancerSourceRanges = []string{"127.0.0.0/8"}
	})
	change("a Service whose selector fits nothing leads nowhere", false, func(s *corev1.Service) {
		s.Spec.Selector = map[string]string{"app": "misspelt"}
	})
	change("with its selector it leads to the pod again", true, func(s *corev1.Service) {
		s.Spec.Selector = map[string]string{"app": "wazuh-manager"}
	})
	var policy networkingv1.NetworkPolicy
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "tenant-acme", Name: "agents"}, &policy); err != nil {
		t.Fatal(err)
	}
	policy.Spec.PodSelector.MatchLabels = map[string]string{"app": "misspelt"}
	if err := c.client.Update(t.Context(), &policy); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a policy that does not match its pods lets nobody in", func() (bool, any) {
		err := ping(address)
		return err != nil, err
	})
}

func (c *cluster) managerRestarts(t *testing.T) {
	before, _ := c.Manager("tenant-acme")
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.podReady(t, 1)
	if after, ok := c.Manager("tenant-acme"); !ok || after.PID == before.PID {
		t.Errorf("manager after the restart: %+v, %v", after, ok)
	}
}

func (c *cluster) podComesBackWithItsClaim(t *testing.T) {
	before := c.podReady(t, 1)
	if err := c.client.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another pod of that name", func() (bool, any) {
		var pod corev1.Pod
		err := c.client.Get(t.Context(), client.ObjectKeyFromObject(before), &pod)
		return err == nil && pod.UID != before.UID, err
	})
	c.podReady(t, 0)
	info, ok := c.Manager("tenant-acme")
	if !ok {
		t.Fatal("no manager after the pod came back")
	}
	keys, err := os.ReadFile(info.Root + "/var/ossec/etc/client.keys")
	if err != nil || !strings.Contains(string(keys), "agent-1") {
		t.Errorf("client.keys after the pod came back: %v; want agent-1 kept on the claim", err)
	}
}

func (c *cluster) otherPods(t *testing.T) {
	for name, state := range map[string]string{"plain": "", "unready": "unready", "done": "succeeded"} {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "soctalk-system", Annotations: map[string]string{"standin.soctalk.io/state": state}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example/" + name}}},
		}
		if err := c.client.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		eventually(t, "pod "+name, func() (bool, any) {
			if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(pod), pod); err != nil {
				return false, err
			}
			phase, ready := pod.Status.Phase, len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].Ready
			switch state {
			case "succeeded":
				return phase == corev1.PodSucceeded, pod.Status
			case "unready":
				return phase == corev1.PodRunning && !ready, pod.Status
			}
			return phase == corev1.PodRunning && ready, pod.Status
		})
	}
}

func (c *cluster) offboards(t *testing.T) {
	info, _ := c.Manager("tenant-acme")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-acme"}}
	if err := c.client.Delete(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace is gone", func() (bool, any) {
		err := c.client.Get(t.Context(), client.ObjectKeyFromObject(namespace), namespace)
		return apierrors.IsNotFound(err), namespace.Status
	})
	if syscall.Kill(info.PID, 0) == nil {
		t.Errorf("the manager's process %d outlived its namespace", info.PID)
	}
	if answer := c.lookup(t, "udp", "acme.soc.example.com.", dns.TypeA); answer.Rcode != dns.RcodeNameError {
		t.Errorf("after offboarding: %v, want NXDOMAIN", answer)
	}
	eventually(t, "the claim's volume is gone", func() (bool, any) {
		var volumes corev1.PersistentVolumeList
		err := c.client.List(t.Context(), &volumes)
		return err == nil && len(volumes.Items) == 0, volumes.Items
	})
}

func (c *cluster) stopsClean(t *testing.T) {
	address := c.DNSAddress()
	c.Stop()
	if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		_ = conn.Close()
		t.Error("the name server answers after Stop")
	}
}
