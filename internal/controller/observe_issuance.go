package controller

import (
	"context"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/issuance"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// +kubebuilder:rbac:groups=cert-manager.io,resources=certificaterequests,verbs=list
// +kubebuilder:rbac:groups=cert-manager.io,resources=issuers;clusterissuers,verbs=get
// +kubebuilder:rbac:groups=acme.cert-manager.io,resources=orders;challenges,verbs=list

const acmeGroup = "acme.cert-manager.io"

// revisionAnnotation numbers the requests for one Certificate.
const revisionAnnotation = naming.PrefixCertManagerAnnotation + "certificate-revision"

// observeIssuance reads how far cert-manager has come, while it has not issued:
// Certificate, CertificateRequest, Order and Challenges, each found by its owner,
// and the issuer. A certificate that is there and not being renewed costs nothing
// beyond the cache.
func (r *Reconciler) observeIssuance(ctx context.Context, place plan.Placement) (issuance.State, error) {
	// The tenant's own Certificate is watched; the Region's is not.
	read, namespace, name := r.cached, place.Namespace, place.TLSSecret
	switch place.Strategy {
	case v1alpha1.CertificateBuiltInCA:
		return issuance.State{}, nil
	case v1alpha1.CertificateWildcard:
		read, namespace, name = r.direct, r.options.Operator.Namespace, naming.WildcardSecret(place.Region)
	}
	if place.Issuer == nil || !hasKind(r.kinds, kindCertificate) {
		return issuance.State{}, nil
	}
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(kindCertificate)
	err := read.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, certificate)
	if apierrors.IsNotFound(err) {
		return issuance.State{}, nil // asked for in this very turn
	}
	if err != nil {
		return issuance.State{}, fmt.Errorf("read Certificate %s/%s: %w", namespace, name, err)
	}
	step, busy := certificateStep(certificate)
	if !busy {
		return issuance.State{}, nil
	}
	state := issuance.State{Certificate: step}
	state.Failures, state.LastFailed = failures(certificate)
	if state.Issuer, err = r.observeIssuer(ctx, namespace, *place.Issuer); err != nil {
		return state, err
	}
	request, err := r.owned(ctx, kindCertificate.Group, "CertificateRequest", certificate)
	if err != nil || len(request) == 0 {
		return state, err
	}
	state.Request = conditionStep(&request[0], "Ready")
	if denied := conditionStep(&request[0], "Denied"); denied.State != "" {
		state.Request = issuance.Step{Name: denied.Name, State: "Denied", Message: denied.Message}
	}
	orders, err := r.owned(ctx, acmeGroup, "Order", &request[0])
	if err != nil || len(orders) == 0 {
		return state, err
	}
	state.Order = statusStep(&orders[0])
	challenges, err := r.owned(ctx, acmeGroup, "Challenge", &orders[0])
	for i := range challenges {
		step := statusStep(&challenges[i])
		if step.State == "valid" {
			continue
		}
		step.Name, _, _ = unstructured.NestedString(challenges[i].Object, "spec", "dnsName")
		step.Type, _, _ = unstructured.NestedString(challenges[i].Object, "spec", "type")
		state.Challenges = append(state.Challenges, step)
	}
	if err == nil && len(challenges) == 0 && state.Order.Message == "" {
		// That none of the issuer's solvers fits is told by an event alone.
		state.Order.Message, err = r.lastComplaint(ctx, &orders[0])
	}
	return state, err
}

// certificateStep is Issuing where cert-manager is at it or has given up, Ready
// where that is not so; busy is false for a certificate all is well with.
func certificateStep(certificate *unstructured.Unstructured) (step issuance.Step, busy bool) {
	issuing := conditionStep(certificate, "Issuing")
	attempts, _, _ := unstructured.NestedInt64(certificate.Object, "status", "failedIssuanceAttempts")
	if conditionTrue(certificate, "Issuing") || attempts > 0 && issuing.State != "" {
		return issuing, true
	}
	return conditionStep(certificate, "Ready"), !conditionTrue(certificate, "Ready")
}

// failures are those in a row, and when the latest one was; cert-manager forgets
// them once it has issued.
func failures(certificate *unstructured.Unstructured) (int64, time.Time) {
	attempts, _, _ := unstructured.NestedInt64(certificate.Object, "status", "failedIssuanceAttempts")
	text, _, _ := unstructured.NestedString(certificate.Object, "status", "lastFailureTime")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, time.Time{}
	}
	return attempts, at
}

func (r *Reconciler) observeIssuer(ctx context.Context, namespace string, ref v1alpha1.IssuerRef) (issuance.Issuer, error) {
	seen := issuance.Issuer{Kind: ref.Kind, Name: ref.Name}
	if seen.Kind == "" {
		seen.Kind = "ClusterIssuer"
	}
	if ref.Group != "" && ref.Group != kindCertificate.Group {
		return seen, nil // an external issuer tells through the request
	}
	key := types.NamespacedName{Name: ref.Name}
	if seen.Kind == "Issuer" {
		key.Namespace = namespace
	}
	issuer := &unstructured.Unstructured{}
	issuer.SetGroupVersionKind(kindCertificate.GroupVersion().WithKind(seen.Kind))
	err := r.direct.Get(ctx, key, issuer)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		seen.Missing = true
		return seen, nil
	}
	if err != nil {
		return seen, fmt.Errorf("read %s %q: %w", seen.Kind, ref.Name, err)
	}
	if step := conditionStep(issuer, "Ready"); step.State != "" && !conditionTrue(issuer, "Ready") {
		seen.NotReady = step.Message
	}
	return seen, nil
}

// owned lists the objects of a kind that belong to another one, the latest first.
func (r *Reconciler) owned(ctx context.Context, group, kind string, owner *unstructured.Unstructured) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	err := r.direct.List(ctx, list, client.InNamespace(owner.GetNamespace()))
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s in %q: %w", kind, owner.GetNamespace(), err)
	}
	var found []unstructured.Unstructured
	for _, item := range list.Items {
		for _, reference := range item.GetOwnerReferences() {
			if reference.UID != owner.GetUID() {
				continue
			}
			if len(found) > 0 && newer(item, found[0]) {
				found = append([]unstructured.Unstructured{item}, found...)
				continue
			}
			found = append(found, item)
		}
	}
	return found, nil
}

func newer(a, b unstructured.Unstructured) bool {
	first, errA := strconv.Atoi(a.GetAnnotations()[revisionAnnotation])
	second, errB := strconv.Atoi(b.GetAnnotations()[revisionAnnotation])
	if errA == nil && errB == nil && first != second {
		return first > second
	}
	return a.GetCreationTimestamp().After(b.GetCreationTimestamp().Time)
}

// statusStep is for ACME's objects, which have a state instead of conditions.
func statusStep(object *unstructured.Unstructured) issuance.Step {
	state, _, _ := unstructured.NestedString(object.Object, "status", "state")
	reason, _, _ := unstructured.NestedString(object.Object, "status", "reason")
	return issuance.Step{Name: object.GetName(), State: state, Message: reason}
}

func conditionStep(object *unstructured.Unstructured, kind string) issuance.Step {
	condition := conditionOf(object, kind)
	reason, _ := condition["reason"].(string)
	message, _ := condition["message"].(string)
	return issuance.Step{Name: object.GetName(), State: reason, Message: message}
}

func conditionTrue(object *unstructured.Unstructured, kind string) bool {
	return conditionOf(object, kind)["status"] == "True"
}

func conditionOf(object *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, ok := item.(map[string]any); ok && condition["type"] == kind {
			return condition
		}
	}
	return nil
}
