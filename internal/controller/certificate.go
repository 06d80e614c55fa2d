package controller

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/cert"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// issueCertificate signs a certificate for the hostname with the built-in authority.
func (r *Reconciler) issueCertificate(ctx context.Context, place plan.Placement) error {
	held, may, err := r.heldTLS(ctx, place)
	if err != nil || !may {
		return err
	}
	authority, err := r.authority(ctx)
	if err != nil {
		return err
	}
	pair, err := authority.Issue([]string{place.Hostname}, ca.LeafLifetime, r.options.Now())
	if err != nil {
		return err
	}
	return r.writeTLS(ctx, place, held, tlsData(pair, authority.CertPEM))
}

// copyWildcard keeps the tenant's Secret equal to the Region's wildcard
// certificate. A tenant sees its own copy and has no way to another namespace.
func (r *Reconciler) copyWildcard(ctx context.Context, place plan.Placement) error {
	source, err := r.readSecret(ctx, r.options.Operator.Namespace, place.WildcardSecret)
	if err != nil {
		return err
	}
	if source == nil {
		return nil // CertificateReady says that there is none
	}
	data := map[string][]byte{}
	for _, key := range []string{naming.KeyTLSCert, naming.KeyTLSKey, naming.KeyTLSCA} {
		if value, ok := source.Data[key]; ok {
			data[key] = value
		}
	}
	held, may, err := r.heldTLS(ctx, place)
	if err != nil || !may {
		return err
	}
	return r.writeTLS(ctx, place, held, data)
}

// heldTLS reads the tenant's TLS Secret, nil if there is none, and says whether
// the operator may write to it. One that somebody else made is theirs; one that
// cert-manager made for us is free once its Certificate is gone, or cert-manager
// would write it back.
func (r *Reconciler) heldTLS(ctx context.Context, place plan.Placement) (held *corev1.Secret, may bool, err error) {
	held, err = r.readSecret(ctx, place.Namespace, place.TLSSecret)
	if err != nil || held == nil {
		return nil, err == nil, err
	}
	switch certificateSource(held, place.Slug) {
	case cert.SourceOther:
		return held, false, nil
	case cert.SourceCertManager:
		certificate := &unstructured.Unstructured{}
		certificate.SetGroupVersionKind(kindCertificate)
		err := r.direct.Get(ctx, types.NamespacedName{Namespace: place.Namespace, Name: held.Annotations[naming.AnnotationCertManagerName]}, certificate)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, false, fmt.Errorf("read Certificate in %q: %w", place.Namespace, err)
		}
		return held, apierrors.IsNotFound(err), nil
	}
	return held, true, nil
}

// certificateSource reads who wrote a TLS Secret from its marks. cert-manager's
// comes first: it may write over what the operator wrote, and then leaves the
// operator's marks where they are.
func certificateSource(held *corev1.Secret, slug string) cert.Source {
	if held.Labels[naming.LabelTenant] != slug {
		return cert.SourceOther
	}
	if held.Annotations[naming.AnnotationCertManagerName] != "" {
		return cert.SourceCertManager
	}
	if held.Labels[naming.LabelManagedBy] != naming.Product {
		return cert.SourceOther
	}
	if held.Annotations[naming.AnnotationCertificateSource] == string(v1alpha1.CertificateWildcard) {
		return cert.SourceWildcard
	}
	return cert.SourceBuiltInCA
}

// writeTLS writes what heldTLS allowed to write, and takes cert-manager's marks
// off what is cert-manager's no longer.
func (r *Reconciler) writeTLS(ctx context.Context, place plan.Placement, held *corev1.Secret, data map[string][]byte) error {
	fresh := newSecret(place, place.TLSSecret, data)
	fresh.Annotations = map[string]string{naming.AnnotationCertificateSource: string(place.Strategy)}
	if held == nil {
		err := r.writer.Create(ctx, fresh)
		if apierrors.IsAlreadyExists(err) {
			return errConflict
		}
		if err != nil {
			return fmt.Errorf("create secret %s/%s: %w", place.Namespace, place.TLSSecret, err)
		}
		return nil
	}
	before := held.DeepCopy()
	held.Data = data
	for key := range held.Annotations {
		if strings.HasPrefix(key, naming.PrefixCertManagerAnnotation) {
			delete(held.Annotations, key)
		}
	}
	if held.Annotations == nil {
		held.Annotations = map[string]string{}
	}
	if held.Labels == nil {
		held.Labels = map[string]string{}
	}
	for key, value := range fresh.Annotations {
		held.Annotations[key] = value
	}
	for key, value := range fresh.Labels {
		held.Labels[key] = value
	}
	if sameData(before.Data, held.Data) && sameText(before.Annotations, held.Annotations) && sameText(before.Labels, held.Labels) {
		return nil
	}
	return r.updateSecret(ctx, held)
}

func sameText(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			return false
		}
	}
	return true
}

// renewHeld renews a certificate of the built-in authority for the names it has.
// It serves a tenant whose spec is wrong for now: what runs must not expire
// because of a typing error.
func (r *Reconciler) renewHeld(ctx context.Context, slug, name string) error {
	held, err := r.readSecret(ctx, naming.Namespace(slug), name)
	if err != nil || held == nil || certificateSource(held, slug) != cert.SourceBuiltInCA {
		return err
	}
	info := cert.Inspect(held.Data[naming.KeyTLSCert], held.Data[naming.KeyTLSKey])
	if info.Problem != "" || len(info.DNSNames) == 0 || !cert.RenewalDue(info, r.options.Now()) {
		return nil
	}
	authority, err := r.authority(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(held.Data[naming.KeyTLSCA], authority.CertPEM) {
		return nil // signed by somebody else
	}
	pair, err := authority.Issue(info.DNSNames, ca.LeafLifetime, r.options.Now())
	if err != nil {
		return err
	}
	held.Data = tlsData(pair, authority.CertPEM)
	return r.updateSecret(ctx, held)
}
