package controller

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/secret"
)

// rotate writes what the rotation's step needs. Every write may be repeated: the
// rotation's mark on a Secret tells our own work from what was there before.
func (r *Reconciler) rotate(ctx context.Context, place plan.Placement, duty plan.RotationDuty) error {
	switch duty.Work {
	case plan.RotationSwap:
		return r.swapSecret(ctx, place, duty)
	case plan.RotationForget:
		held, err := r.readSecret(ctx, place.Namespace, naming.SecretEnrollmentPrevious)
		if err != nil || held == nil {
			return err
		}
		return r.deleteOurs(ctx, held)
	}
	return nil
}

// swapSecret replaces the secret, unless this rotation has done so already.
func (r *Reconciler) swapSecret(ctx context.Context, place plan.Placement, duty plan.RotationDuty) error {
	held, err := r.readSecret(ctx, place.Namespace, naming.SecretEnrollment)
	if err != nil || held == nil || held.Annotations[naming.AnnotationRotation] == duty.ID {
		return err
	}
	return r.replaceSecret(ctx, place, held, duty.ID, func(held *corev1.Secret) {
		held.Annotations = reveal.Arm(held.Annotations, r.options.Now())
		held.Annotations[naming.AnnotationRotation] = duty.ID
		held.Annotations[naming.AnnotationRotate] = duty.Taken
	})
}

// replaceSecret keeps the old secret aside, under the id of who replaces it, so that
// its refusal can be tried; then it writes a new one. A crash in between finds the
// old one aside and begins anew.
func (r *Reconciler) replaceSecret(ctx context.Context, place plan.Placement, held *corev1.Secret, id string, mark func(*corev1.Secret)) error {
	old := map[string][]byte{naming.KeyEnrollment: held.Data[naming.KeyEnrollment]}
	if err := r.keepAside(ctx, place, id, old); err != nil {
		return err
	}
	file, err := secret.NewEnrollment(rand.Reader)
	if err != nil {
		return err
	}
	held.Data = map[string][]byte{naming.KeyEnrollment: file}
	mark(held)
	return r.updateSecret(ctx, held)
}

// keepAside keeps the secret that is about to be replaced, under the id of the
// rotation, or of the removal, that replaces it.
func (r *Reconciler) keepAside(ctx context.Context, place plan.Placement, id string, data map[string][]byte) error {
	aside, err := r.readSecret(ctx, place.Namespace, naming.SecretEnrollmentPrevious)
	if err != nil {
		return err
	}
	if aside == nil {
		aside = newSecret(place, naming.SecretEnrollmentPrevious, data)
		aside.Annotations = map[string]string{naming.AnnotationRotation: id}
		err := r.writer.Create(ctx, aside)
		if apierrors.IsAlreadyExists(err) {
			return errConflict
		}
		if err != nil {
			return fmt.Errorf("create secret %s/%s: %w", place.Namespace, aside.Name, err)
		}
		return nil
	}
	if aside.Annotations[naming.AnnotationRotation] == id && sameData(aside.Data, data) {
		return nil
	}
	if aside.Annotations == nil {
		aside.Annotations = map[string]string{}
	}
	aside.Data, aside.Annotations[naming.AnnotationRotation] = data, id
	return r.updateSecret(ctx, aside)
}
