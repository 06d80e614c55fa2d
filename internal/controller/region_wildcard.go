package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// kindCertificate is cert-manager's.
var kindCertificate = schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"}

// keepWildcard asks for a Region's wildcard certificate, once for all its
// tenants, or stops asking when the Region no longer wants it. The Secret stays:
// tenants may be living from it.
func (r *RegionReconciler) keepWildcard(ctx context.Context, region v1alpha1.Region) (*plan.Problem, error) {
	wildcard, wanted := plan.WildcardOf(region)
	if !hasKind(r.kinds, kindCertificate) {
		if wanted {
			return plan.NotInstalled("Certificate "+wildcard.Name, kindCertificate.Kind), nil
		}
		return nil, nil
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(kindCertificate)
	err := r.direct.Get(ctx, types.NamespacedName{Namespace: r.namespace, Name: wildcard.Name}, live)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read Certificate %s/%s: %w", r.namespace, wildcard.Name, err)
	}
	exists := err == nil
	ours := exists && live.GetLabels()[naming.LabelManagedBy] == naming.Product && live.GetLabels()[naming.LabelRegion] == region.Name
	switch {
	case !wanted && ours:
		if err := client.IgnoreNotFound(r.writer.Delete(ctx, live)); err != nil {
			return nil, fmt.Errorf("delete Certificate %s/%s: %w", r.namespace, wildcard.Name, err)
		}
		return nil, nil
	case !wanted:
		return nil, nil
	case exists && !ours:
		return plan.Rejected("Certificate "+wildcard.Name, fmt.Sprintf("one of that name is in namespace %s already, made by somebody else", r.namespace)), nil
	}
	want := wildcardCertificate(r.namespace, region.Name, wildcard)
	if exists && r.applied.unchanged(want, live) {
		return nil, nil
	}
	written := want.DeepCopy()
	err = r.writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(written), client.FieldOwner(naming.Product), client.ForceOwnership)
	if apierrors.IsInvalid(err) {
		return plan.Rejected("Certificate "+wildcard.Name, err.Error()), nil
	}
	if err != nil {
		return nil, fmt.Errorf("apply Certificate %s/%s: %w", r.namespace, wildcard.Name, err)
	}
	r.applied.remember(want, written)
	return nil, nil
}

// wildcardCertificate asks for what the tenant chart's Certificate asks for, with
// another name. It has no owner: a Region restored from a backup has a new UID,
// and must not lose its certificate for that.
func wildcardCertificate(namespace, region string, wildcard plan.Wildcard) *unstructured.Unstructured {
	issuer := map[string]any{"name": wildcard.Issuer.Name}
	if wildcard.Issuer.Kind != "" {
		issuer["kind"] = wildcard.Issuer.Kind
	}
	if wildcard.Issuer.Group != "" {
		issuer["group"] = wildcard.Issuer.Group
	}
	labels := map[string]any{naming.LabelManagedBy: naming.Product, naming.LabelRegion: region}
	object := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": namespace, "name": wildcard.Name, "labels": labels},
		"spec": map[string]any{
			"secretName":  wildcard.Secret,
			"dnsNames":    []any{wildcard.DNSName},
			"duration":    "2160h0m0s",
			"renewBefore": "720h0m0s",
			"privateKey":  map[string]any{"algorithm": "ECDSA", "size": int64(256), "encoding": "PKCS8", "rotationPolicy": "Always"},
			"usages":      []any{"digital signature", "server auth"},
			"issuerRef":   issuer,
		},
	}}
	object.SetGroupVersionKind(kindCertificate)
	return object
}

func hasKind(kinds []schema.GroupVersionKind, want schema.GroupVersionKind) bool {
	for _, gvk := range kinds {
		if gvk == want {
			return true
		}
	}
	return false
}
