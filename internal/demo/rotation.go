package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// rotationOverlap is short, so that the story is; a customer gets a day.
const rotationOverlap = "10s"

// rotation: acme's secret is replaced. Both count for a while, then only the new
// one does, and its agents notice nothing.
func (s *story) rotation(ctx context.Context) error {
	s.tell.chapter("A secret is rotated")
	before, err := s.doorOf(ctx, "acme")
	if err != nil {
		return err
	}
	old := before
	old.secretFile += ".before" // doorOf writes the new one over it
	if err := copyFile(before.secretFile, old.secretFile); err != nil {
		return err
	}
	if err := s.tell.step("acme's secret is replaced, with an overlap of "+rotationOverlap, func() (string, error) {
		if err := s.askRotation(ctx, "acme", "demo overlap="+rotationOverlap); err != nil {
			return "", err
		}
		return "the new secret was seen accepted on the wire", s.rotationAt(ctx, "acme", v1alpha1.RotationOverlap)
	}); err != nil {
		return err
	}
	fresh, err := s.doorOf(ctx, "acme")
	if err != nil {
		return err
	}
	if err := s.tell.step("During the overlap the old and the new one let an agent in", func() (string, error) {
		first, err := s.hears(ctx, "acme-late-01", old, "enrolled")
		if err != nil {
			return "", err
		}
		second, err := s.hears(ctx, "acme-new-01", fresh, "enrolled")
		return fmt.Sprintf("id %s with the old one, id %s with the new one", first.ID, second.ID), err
	}); err != nil {
		return err
	}
	if err := s.tell.step("After it the old one is refused, and the rotation proven", func() (string, error) {
		message, err := s.becomes(ctx, "acme", v1alpha1.ConditionSecretRotated)
		if err != nil {
			return "", err
		}
		refused, err := s.hears(ctx, "acme-too-late-01", old, "refused")
		if err == nil && !strings.Contains(refused.Reason, "Invalid password") {
			err = errors.New("refused for another reason: " + refused.Reason)
		}
		return message, err
	}); err != nil {
		return err
	}
	return s.tell.step("The agents that were connected did not notice", func() (string, error) {
		return s.undisturbed("acme-web-01", "acme-db-01")
	})
}

func (s *story) askRotation(ctx context.Context, slug, request string) error {
	var tenant v1alpha1.Tenant
	if err := s.lab.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
		return err
	}
	before := tenant.DeepCopy()
	metav1.SetMetaDataAnnotation(&tenant.ObjectMeta, naming.AnnotationRotate, request)
	return s.lab.Client.Patch(ctx, &tenant, client.MergeFrom(before))
}

func (s *story) rotationAt(ctx context.Context, slug string, step v1alpha1.RotationStep) error {
	return lab.Until(ctx, patience, "the rotation of "+slug+" reaches "+string(step), func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		if err := s.lab.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
			return false, err
		}
		now := tenant.Status.Rotation
		if now == nil {
			return false, errors.New("it has not begun")
		}
		if now.Step != step {
			return false, fmt.Errorf("it is at %s: %s", now.Step, now.Stuck)
		}
		return true, nil
	})
}

// hears starts an agent that enrolls once, and returns what it tells of a step.
func (s *story) hears(ctx context.Context, name string, d door, step string) (agentStep, error) {
	a, err := s.startAgent(ctx, name, d, "--once")
	if err != nil {
		return agentStep{}, err
	}
	defer a.stop()
	return a.reach(ctx, step)
}

// undisturbed says that running agents never lost their connection.
func (s *story) undisturbed(names ...string) (string, error) {
	for _, a := range s.agents {
		for _, name := range names {
			if a.name != name {
				continue
			}
			if a.told("disconnected") {
				return "", fmt.Errorf("agent %s was disconnected", name)
			}
		}
	}
	return strings.Join(names, " and ") + " kept their connections", nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}
