package controller

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=offboardingreports,verbs=get;create

// writeReport writes down, signed, what was done. The same records give the same
// report: after a crash it is found and not written twice.
func (r *Reconciler) writeReport(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	key, err := r.reportKey(ctx)
	if err != nil {
		return sight{}, err
	}
	ended := *tenant.DeepCopy()
	ended.Status.Offboarding = progress
	given := clip(wordOf(tenant))
	abandoned := false
	for _, record := range progress.Done {
		abandoned = abandoned || record.Abandoned
	}
	if !abandoned {
		given = "" // the word was given and not needed
	}
	statement, err := report.Of(ended, given)
	if err != nil {
		return sight{}, err
	}
	payload, err := statement.Bytes()
	if err != nil {
		return sight{}, err
	}
	envelope, err := report.Sign(key, report.Type, payload)
	if err != nil {
		return sight{}, err
	}
	object := &v1alpha1.OffboardingReport{
		ObjectMeta: metav1.ObjectMeta{
			Name:   naming.OffboardingReport(tenant.Name, string(tenant.UID)),
			Labels: map[string]string{naming.LabelTenant: tenant.Name, naming.LabelManagedBy: naming.Product},
		},
		Spec: v1alpha1.OffboardingReportSpec{
			Tenant: tenant.Name, TenantUID: string(tenant.UID), FinishedAt: progress.Done[len(progress.Done)-1].At,
			Registrations: progress.Registrations, Abandoned: abandoned, By: progress.By, Why: progress.Why,
			Envelope: envelope,
		},
	}
	if err := r.storeReport(ctx, key, object); err != nil {
		return sight{}, err
	}
	return finished(fmt.Sprintf("OffboardingReport %s, signed with key %.16s", object.Name, envelope.Signatures[0].KeyID))
}

// storeReport creates the report, or makes sure that the one that is there is by us.
func (r *Reconciler) storeReport(ctx context.Context, key ed25519.PrivateKey, object *v1alpha1.OffboardingReport) error {
	err := r.writer.Create(ctx, object)
	if err == nil {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("write offboarding report %q: %w", object.Name, err)
	}
	var held v1alpha1.OffboardingReport
	if err := r.direct.Get(ctx, client.ObjectKeyFromObject(object), &held); err != nil {
		return fmt.Errorf("read offboarding report %q: %w", object.Name, err)
	}
	if _, err := report.Verify(key.Public().(ed25519.PublicKey), held.Spec.Envelope); err != nil || held.Spec.TenantUID != object.Spec.TenantUID {
		return fmt.Errorf("offboarding report %q exists and was not signed here; delete it: kubectl delete offboardingreport %s", object.Name, object.Name)
	}
	return nil
}

// reportKey loads the key that signs reports, making it on first use, and keeps its
// public half published.
func (r *Reconciler) reportKey(ctx context.Context) (ed25519.PrivateKey, error) {
	namespace := r.options.Operator.Namespace
	held, err := r.readSecret(ctx, namespace, naming.ReportKey)
	if err != nil {
		return nil, err
	}
	if held == nil {
		return nil, r.makeReportKey(ctx, namespace)
	}
	key, err := report.ParsePrivateKey(held.Data[naming.KeyReportPrivate])
	if err != nil {
		return nil, fmt.Errorf("secret %s/%s, key %s: %w; put the key back from a backup, or delete the Secret and publish the new one", namespace, naming.ReportKey, naming.KeyReportPrivate, err)
	}
	return key, r.publishReportKey(ctx, namespace, key)
}

// makeReportKey always ends with errConflict: the next turn reads what is there now,
// ours or that of who was faster.
func (r *Reconciler) makeReportKey(ctx context.Context, namespace string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key for reports: %w", err)
	}
	private, _, err := report.EncodeKey(key)
	if err != nil {
		return err
	}
	err = r.writer.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.ReportKey, Labels: map[string]string{naming.LabelManagedBy: naming.Product}},
		Data:       map[string][]byte{naming.KeyReportPrivate: private},
	})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create secret %s/%s: %w", namespace, naming.ReportKey, err)
	}
	return errConflict
}

func (r *Reconciler) publishReportKey(ctx context.Context, namespace string, key ed25519.PrivateKey) error {
	_, public, err := report.EncodeKey(key)
	if err != nil {
		return err
	}
	var held corev1.ConfigMap
	err = r.direct.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.ReportKey}, &held)
	if apierrors.IsNotFound(err) {
		err = r.writer.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.ReportKey, Labels: map[string]string{naming.LabelManagedBy: naming.Product}},
			Data:       map[string]string{naming.KeyReportPublic: string(public)},
		})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("publish the key for reports: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read configmap %s/%s: %w", namespace, naming.ReportKey, err)
	}
	if bytes.Equal([]byte(held.Data[naming.KeyReportPublic]), public) {
		return nil
	}
	before := held.DeepCopy()
	held.Data = map[string]string{naming.KeyReportPublic: string(public)}
	if err := r.writer.Patch(ctx, &held, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("publish the key for reports: %w", err)
	}
	return nil
}
