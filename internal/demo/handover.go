package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// handover: acme's administrator gets everything by a link that opens once.
func (s *story) handover(ctx context.Context) error {
	s.tell.chapter("A link hands over the kit, once")
	var link handover.Link
	if err := s.tell.step("A link for acme's administrator, good for a day", func() (seen string, err error) {
		var served corev1.Secret
		if err := s.lab.Client.Get(ctx, client.ObjectKey{Namespace: naming.Namespace("acme"), Name: naming.SecretTLS}, &served); err != nil {
			return "", err
		}
		link, err = s.lab.NewLink(ctx, "acme", string(served.Data[naming.KeyTLSCA]), "first agents", 24*time.Hour)
		return "handover " + link.Name + "; of its token, the cluster keeps a digest", err
	}); err != nil {
		return err
	}
	if err := s.tell.step("The administrator opens it", func() (string, error) {
		kit, err := s.lab.OpenLink(ctx, link, "203.0.113.7")
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, %d KiB, with the secret, which counts as revealed", kit.File, len(kit.Bundle)/1024), nil
	}); err != nil {
		return err
	}
	return s.tell.step("Somebody opens it again", func() (string, error) {
		_, err := s.lab.OpenLink(ctx, link, "198.51.100.66")
		var closed *handover.Closed
		if !errors.As(err, &closed) || closed.Code != handover.CodeUsed {
			return "", fmt.Errorf("it was not refused as used: %w", err)
		}
		return s.warning(ctx, "acme", v1alpha1.EventHandoverOpenedAgain)
	})
}

// warning finds an event on a tenant.
func (s *story) warning(ctx context.Context, slug, reason string) (string, error) {
	var all eventsv1.EventList
	if err := s.lab.Client.List(ctx, &all, client.InNamespace(corev1.NamespaceDefault)); err != nil {
		return "", err
	}
	for _, event := range all.Items {
		if event.Regarding.Name == slug && event.Reason == reason {
			return "already used; " + reason + " on tenant " + slug, nil
		}
	}
	return "", fmt.Errorf("no event %s on tenant %s", reason, slug)
}
