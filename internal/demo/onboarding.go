package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// customer is a tenant of the story.
type customer struct{ slug, name string }

// customers in the order in which they come aboard.
func customers() []customer { return []customer{{"acme", "Acme GmbH"}, {"beta", "Beta Ltd"}} }

// onboarding: one Region, two tenants, and what each gets.
func (s *story) onboarding(ctx context.Context) error {
	s.tell.chapter("Two customers come aboard")
	if err := s.tell.step("Region main: where agents come in", func() (string, error) {
		region := s.region()
		return "domain " + domain + ", mode loadbalancer, addresses from " + s.giver.who() + ", certificates from " + s.issuer.who() + ", names by " + s.registry.who(), s.lab.Client.Create(ctx, region)
	}); err != nil {
		return err
	}
	s.tell.note("from here on, each time is since the tenant was created, for its steps overlap")
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	var hops []*hop
	for _, customer := range customers() {
		tenant := &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: customer.slug}, Spec: v1alpha1.TenantSpec{DisplayName: customer.name}}
		if err := s.lab.Client.Create(ctx, tenant); err != nil {
			return err
		}
		own := s.follow(ctx, &following, customer.slug)
		// The next one comes when this one has its address, so that addresses are the same in every run.
		<-own[v1alpha1.ConditionAddressAssigned].done
		for _, condition := range append(v1alpha1.HopConditions(), v1alpha1.ConditionReady) {
			hops = append(hops, own[condition])
		}
	}
	for _, hop := range hops {
		<-hop.done
		if err := s.tell.seen(hop.title, hop.seen, hop.took, hop.err); err != nil {
			return err
		}
	}
	return nil
}

// hop is a condition of a tenant that somebody waits for; the rest is valid once
// done is closed.
type hop struct {
	title string
	done  chan struct{}
	seen  string
	took  time.Duration
	err   error
}

// follow waits for all conditions of a tenant that was just created, side by side.
func (s *story) follow(ctx context.Context, following *sync.WaitGroup, slug string) map[string]*hop {
	created := time.Now()
	hops := map[string]*hop{}
	for _, condition := range append(v1alpha1.HopConditions(), v1alpha1.ConditionReady) {
		h := &hop{title: fmt.Sprintf("Tenant %s: %s", slug, hopTitle(condition)), done: make(chan struct{})}
		if condition == v1alpha1.ConditionReady {
			h.title = "Tenant " + slug + " is ready"
		}
		hops[condition] = h
		following.Go(func() {
			defer close(h.done)
			h.seen, h.err = s.becomes(ctx, slug, condition)
			h.took = time.Since(created)
		})
	}
	return hops
}

func (s *story) region() *v1alpha1.Region {
	return &v1alpha1.Region{
		ObjectMeta: metav1.ObjectMeta{Name: "main"},
		Spec: v1alpha1.RegionSpec{
			Domain:       domain,
			Default:      true,
			DefaultMode:  v1alpha1.ModeLoadBalancer,
			LoadBalancer: s.giver.spec(),
			Edge:         s.lab.EdgeSpec(),
			Certificates: s.issuer.certificates(),
			DNS:          s.registry.spec(s.lab.Standin.DNSAddress()),
		},
	}
}

func hopTitle(condition string) string {
	return map[string]string{
		v1alpha1.ConditionClaimsHeld:        "the hostname is its own",
		v1alpha1.ConditionSecretReady:       "an enrollment secret",
		v1alpha1.ConditionCertificateReady:  "a certificate for the enrollment port",
		v1alpha1.ConditionAddressAssigned:   "an address of its own",
		v1alpha1.ConditionManagerReachable:  "a manager",
		v1alpha1.ConditionEnrollmentGuarded: "a gateway in front of it",
		v1alpha1.ConditionDNSPublished:      "a name that leads there",
	}[condition]
}
