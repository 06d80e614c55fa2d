package controller

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/secret"
)

// apiCertificateLifetime is long because the manager's API reads its certificate
// only when it starts, and only the operator ever verifies it.
const apiCertificateLifetime = 10 * 365 * 24 * time.Hour

// +kubebuilder:rbac:groups="",resources=secrets,verbs=create;update;delete

// ensureSecrets makes what must exist before the tenant's pods start. A secret
// that exists is never generated again.
func (r *Reconciler) ensureSecrets(ctx context.Context, in *plan.Input, desired plan.Desired) error {
	place := desired.Placement
	if err := r.ensureEnrollment(ctx, in, place); err != nil {
		return err
	}
	if err := r.copyPullSecrets(ctx, place); err != nil {
		return err
	}
	if err := r.rotate(ctx, place, desired.Rotation); err != nil {
		return err
	}
	if place.Gateway {
		if err := r.ensureGatewaySecrets(ctx, place); err != nil {
			return err
		}
		if err := r.applyPolicy(ctx, place, desired.Policy, in.Observed.Gateway); err != nil {
			return err
		}
	}
	if in.Tenant.Spec.Manager.Attach == nil {
		if err := r.ensureAPISecrets(ctx, place, desired.APIUser); err != nil {
			return err
		}
	}
	switch desired.Certificate {
	case plan.CertificateIssue:
		return r.issueCertificate(ctx, place)
	case plan.CertificateCopy:
		return r.copyWildcard(ctx, place)
	}
	return nil
}

// ensureEnrollment makes the enrollment secret. A request to rotate that is there
// already asks for no second one.
func (r *Reconciler) ensureEnrollment(ctx context.Context, in *plan.Input, place plan.Placement) error {
	if in.Observed.Secret.Exists {
		return nil
	}
	file, err := secret.NewEnrollment(rand.Reader)
	if err != nil {
		return err
	}
	fresh := newSecret(place, naming.SecretEnrollment, map[string][]byte{naming.KeyEnrollment: file})
	fresh.Annotations = reveal.Arm(nil, r.options.Now())
	if asked := in.Tenant.Annotations[naming.AnnotationRotate]; asked != "" {
		fresh.Annotations[naming.AnnotationRotate] = asked
	}
	err = r.writer.Create(ctx, fresh)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create secret %s/%s: %w", place.Namespace, fresh.Name, err)
	}
	return nil
}

// ensureGatewaySecrets makes what gateway and authd know of each other, and what
// the operator shows the gateway.
func (r *Reconciler) ensureGatewaySecrets(ctx context.Context, place plan.Placement) error {
	if !place.Alone { // in front of somebody else's manager, theirs
		if err := r.ensureOnce(ctx, place, naming.SecretAuthdInternal, func() (map[string][]byte, error) {
			file, err := secret.NewEnrollment(rand.Reader)
			return map[string][]byte{naming.KeyEnrollment: file}, err
		}); err != nil {
			return err
		}
	}
	return r.ensureOnce(ctx, place, naming.SecretGatewayAdmin, func() (map[string][]byte, error) {
		authority, err := r.authority(ctx)
		if err != nil {
			return nil, err
		}
		pair, err := authority.Issue([]string{naming.GatewayHost(place.Slug)}, apiCertificateLifetime, r.options.Now())
		if err != nil {
			return nil, err
		}
		token, err := secret.NewEnrollment(rand.Reader)
		data := tlsData(pair, authority.CertPEM)
		data[naming.KeyGatewayToken] = bytes.TrimSpace(token)
		return data, err
	})
}

func (r *Reconciler) ensureAPISecrets(ctx context.Context, place plan.Placement, user string) error {
	if err := r.ensureOnce(ctx, place, naming.SecretAPI, func() (map[string][]byte, error) {
		password, err := secret.NewAPIPassword(rand.Reader)
		return map[string][]byte{naming.KeyAPIUsername: []byte(user), naming.KeyAPIPassword: password}, err
	}); err != nil {
		return err
	}
	if err := r.renameAPIUser(ctx, place, user); err != nil {
		return err
	}
	return r.ensureOnce(ctx, place, naming.SecretAPITLS, func() (map[string][]byte, error) {
		authority, err := r.authority(ctx)
		if err != nil {
			return nil, err
		}
		pair, err := authority.Issue([]string{naming.APIHost(place.Slug)}, apiCertificateLifetime, r.options.Now())
		return tlsData(pair, authority.CertPEM), err
	})
}

// renameAPIUser follows a change of Wazuh's major version, which changes the user
// its image knows; the password stays. The pod that the new version starts reads it.
func (r *Reconciler) renameAPIUser(ctx context.Context, place plan.Placement, user string) error {
	held, err := r.readSecret(ctx, place.Namespace, naming.SecretAPI)
	if err != nil || held == nil || string(held.Data[naming.KeyAPIUsername]) == user || held.Labels[naming.LabelManagedBy] != naming.Product {
		return err
	}
	held.Data[naming.KeyAPIUsername] = []byte(user)
	return r.updateSecret(ctx, held)
}

// updateSecret writes what was read and changed. It carries the resourceVersion
// we read, so that two operators never mix halves.
func (r *Reconciler) updateSecret(ctx context.Context, held *corev1.Secret) error {
	err := r.writer.Update(ctx, held)
	if apierrors.IsConflict(err) {
		return errConflict
	}
	if err != nil {
		return fmt.Errorf("write secret %s/%s: %w", held.Namespace, held.Name, err)
	}
	return nil
}

// ensureOnce creates a Secret if there is none. Losing the race to create it is
// fine: the other one's content counts.
func (r *Reconciler) ensureOnce(ctx context.Context, place plan.Placement, name string, make func() (map[string][]byte, error)) error {
	held, err := r.readSecret(ctx, place.Namespace, name)
	if err != nil || held != nil {
		return err
	}
	data, err := make()
	if err != nil {
		return err
	}
	err = r.writer.Create(ctx, newSecret(place, name, data))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create secret %s/%s: %w", place.Namespace, name, err)
	}
	return nil
}

func newSecret(place plan.Placement, name string, data map[string][]byte) *corev1.Secret {
	kind := corev1.SecretTypeOpaque
	if len(data[naming.KeyTLSCert]) > 0 {
		kind = corev1.SecretTypeTLS
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: place.Namespace, Name: name, Labels: map[string]string{
			naming.LabelTenant: place.Slug, naming.LabelManagedBy: naming.Product,
		}},
		Type: kind,
		Data: data,
	}
}

// authority loads the built-in authority, making it on first use.
func (r *Reconciler) authority(ctx context.Context) (*ca.Authority, error) {
	namespace := r.options.Operator.Namespace
	for range 2 {
		held, err := r.readSecret(ctx, namespace, naming.SecretCA)
		if err != nil {
			return nil, err
		}
		if held != nil {
			return ca.Load(ca.Pair{CertPEM: held.Data[naming.KeyTLSCert], KeyPEM: held.Data[naming.KeyTLSKey]})
		}
		fresh, err := ca.New("SocTalk Ingress CA", r.options.Now())
		if err != nil {
			return nil, err
		}
		object := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.SecretCA, Labels: map[string]string{naming.LabelManagedBy: naming.Product}},
			Type:       corev1.SecretTypeTLS,
			Data:       tlsData(fresh.Pair, fresh.CertPEM),
		}
		err = r.writer.Create(ctx, object)
		if err == nil {
			return fresh, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("create secret %s/%s: %w", namespace, naming.SecretCA, err)
		}
	}
	return nil, fmt.Errorf("secret %s/%s comes and goes", namespace, naming.SecretCA)
}

func tlsData(pair ca.Pair, authority []byte) map[string][]byte {
	return map[string][]byte{
		naming.KeyTLSCert: pair.CertPEM,
		naming.KeyTLSKey:  pair.KeyPEM,
		naming.KeyTLSCA:   authority,
	}
}

func sameData(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, ok := b[key]; !ok || !bytes.Equal(value, other) {
			return false
		}
	}
	return true
}

// deleteOurs deletes an object only if it is still the one we looked at.
func (r *Reconciler) deleteOurs(ctx context.Context, object client.Object) error {
	uid := object.GetUID()
	err := r.writer.Delete(ctx, object, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s/%s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetNamespace(), object.GetName(), err)
	}
	return nil
}
