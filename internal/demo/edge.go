package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// sharing: a third customer comes in through the shared address, side by side
// with those that have their own.
func (s *story) sharing(ctx context.Context) error {
	const slug = "gamma"
	s.tell.chapter("A third one shares an address, through HAProxy")
	var region v1alpha1.Region
	if err := s.lab.Client.Get(ctx, types.NamespacedName{Name: "main"}, &region); err != nil {
		return err
	}
	spec := region.Spec.Edge
	edge, err := s.lab.StartEdge(ctx, "edge-1", "main", spec)
	if errors.Is(err, lab.ErrNoHAProxy) {
		s.tell.say("  left out: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	s.edge = edge
	if err := s.tell.step("Tenant gamma: a pair of ports on the edge's address", func() (string, error) {
		err := s.lab.Client.Create(ctx, &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: slug}, Spec: v1alpha1.TenantSpec{
			DisplayName: "Gamma SARL", WazuhIngress: v1alpha1.WazuhIngress{Mode: v1alpha1.ModeEdgeHAProxy},
		}})
		if err != nil {
			return "", err
		}
		return s.becomes(ctx, slug, v1alpha1.ConditionAddressAssigned)
	}); err != nil {
		return err
	}
	if err := s.namedAtTheEdge(ctx, slug, netip.MustParseAddr(spec.Addresses[0])); err != nil {
		return err
	}
	return s.throughTheEdge(ctx, slug)
}

// namedAtTheEdge: a record of its own in BIND's zone; the stand-in gets one that
// serves every tenant at the edge, as a person would make it.
func (s *story) namedAtTheEdge(ctx context.Context, slug string, edge netip.Addr) error {
	title := "Its name leads to the edge"
	if !s.registry.bind {
		title = "A wildcard record, made once, leads every name to the edge"
		s.lab.Standin.CreateRecord("*."+domain, edge)
	}
	return s.tell.step(title, func() (string, error) {
		name, err := s.becomes(ctx, slug, v1alpha1.ConditionDNSPublished)
		if err != nil {
			return "", err
		}
		ready, err := s.becomes(ctx, slug, v1alpha1.ConditionReady)
		return name + "\n" + ready, err
	})
}

func (s *story) throughTheEdge(ctx context.Context, slug string) error {
	d, err := s.doorOf(ctx, slug)
	if err != nil {
		return err
	}
	name := slug + "-web-01"
	if err := s.arrives(ctx, name, d, fmt.Sprintf("Agent %s enrolls and connects", name)); err != nil {
		return err
	}
	if err := s.tell.step("Its event is found at gamma, and at nobody else's", func() (string, error) {
		err := lab.Until(ctx, patience, "the event in gamma's alerts", func(ctx context.Context) (bool, error) {
			hits, err := s.search(ctx, slug, marker(name))
			return len(hits) > 0, err
		})
		if err != nil {
			return "", err
		}
		for _, other := range []string{"acme", "beta"} {
			stray, err := s.search(ctx, other, marker(name))
			if err != nil || len(stray) > 0 {
				return "", fmt.Errorf("found %d times at %s: %w", len(stray), other, err)
			}
		}
		return "acme: 0 hits, beta: 0 hits", nil
	}); err != nil {
		return err
	}
	return s.tell.step("gamma's port with acme's secret is refused", func() (string, error) {
		seen, err := s.wrongSecret(ctx, slug, "acme")
		return strings.TrimSpace(seen), err
	})
}
