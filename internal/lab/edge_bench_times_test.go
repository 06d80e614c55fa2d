package lab_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controller"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// stages of a tenant's way to the wire, in the order in which they come, and what
// has happened by then.
var stages = []struct{ name, what string }{
	{"stored", "kubectl has started, and the Tenant is stored"},
	{"seen", "the operator has written its finalizer"},
	{"claimed", "hostname and ports are claimed"},
	{"namespace", "the namespace is made"},
	{"fenced", "its first NetworkPolicy is applied"},
	{"service", "its Service is applied"},
	{"route", "the Route is written"},
	{"wire", "the edge has heard of it, written its files and told HAProxy: an agent is not reset"},
	{"reported", "the edge has said so in the Route's status"},
}

// clock notes when each stage of each tenant was first seen. It is told by
// watches, which the API server sends at the moment of a write.
type clock struct {
	mu sync.Mutex
	at map[string]map[string]time.Time
}

func (c *clock) note(slug, stage string) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at[slug] == nil {
		c.at[slug] = map[string]time.Time{}
	}
	if _, there := c.at[slug][stage]; there || slug == "" {
		return false
	}
	c.at[slug][stage] = time.Now()
	return true
}

// seen is when a stage was first seen.
func (c *clock) seen(slug, stage string) (at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok = c.at[slug][stage]
	return at, ok
}

// startClock watches until the test ends.
func startClock(t *testing.T, l *lab.Lab, edge string) *clock {
	t.Helper()
	scheme, err := controller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := client.NewWithWatch(l.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{at: map[string]map[string]time.Time{}}
	for _, list := range []client.ObjectList{
		&v1alpha1.TenantList{}, &v1alpha1.ClaimList{}, &v1alpha1.RouteList{}, &corev1.NamespaceList{}, &corev1.ServiceList{}, &networkingv1.NetworkPolicyList{},
	} {
		events, err := watcher.Watch(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(events.Stop)
		go c.follow(t.Context(), events, edge)
	}
	return c
}

func (c *clock) follow(ctx context.Context, events watch.Interface, edge string) {
	for event := range events.ResultChan() {
		object, ok := event.Object.(client.Object)
		if !ok || event.Type == watch.Deleted {
			continue
		}
		slug := object.GetLabels()[naming.LabelTenant]
		switch object := object.(type) {
		case *v1alpha1.Tenant:
			c.note(object.Name, "stored")
			if slices.Contains(object.Finalizers, naming.Finalizer) {
				c.note(object.Name, "seen")
			}
		case *v1alpha1.Claim:
			c.note(slug, "claimed")
		case *corev1.Namespace:
			c.note(slug, "namespace")
		case *networkingv1.NetworkPolicy:
			c.note(slug, "fenced")
		case *corev1.Service:
			if object.Name == naming.ServiceAgents {
				c.note(slug, "service")
			}
		case *v1alpha1.Route:
			if c.note(slug, "route") {
				go c.dial(ctx, slug, net.JoinHostPort(edge, strconv.Itoa(int(object.Spec.Ports[0].Port))))
			}
			if carried, _ := object.CarriedBy(); len(carried) > 0 {
				c.note(slug, "reported")
			}
		}
	}
}

// dial connects until the port leads somewhere: before, what is said is answered
// with a reset; afterwards the edge waits for an agent's first bytes.
func (c *clock) dial(ctx context.Context, slug, address string) {
	for ctx.Err() == nil {
		begin := time.Now()
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
		if failed, ok := err.(net.Error); ok && failed.Timeout() {
			c.mu.Lock()
			c.at[slug]["wire"] = begin // it was so when we asked
			c.mu.Unlock()
			return
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// shares are the medians of the time between stages.
func (c *clock) shares(begins map[string]time.Time) (shares map[string]float64, report string) {
	shares = map[string]float64{}
	var out strings.Builder
	for i, stage := range stages {
		var took []float64
		for slug, begin := range begins {
			at, ok := c.seen(slug, stage.name)
			for before := i - 1; before >= 0; before-- {
				if previous, ok := c.seen(slug, stages[before].name); ok {
					begin = previous
					break
				}
			}
			if ok {
				took = append(took, float64(at.Sub(begin).Microseconds())/1000)
			}
		}
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		shares[stage.name] = took[len(took)/2]
		fmt.Fprintf(&out, "  %7.1f ms until %s\n", took[len(took)/2], stage.what)
	}
	return shares, out.String()
}
