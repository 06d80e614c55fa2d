package desk

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

// ReportName is the name of the report of a tenant's removal.
func ReportName(tenant v1alpha1.Tenant) string {
	return naming.OffboardingReport(tenant.Name, string(tenant.UID))
}

// Report finds a report by its own name, or else the last one of a tenant: a slug may
// have had several lives. It says how many there are of that tenant.
func (d *Desk) Report(ctx context.Context, name string) (held v1alpha1.OffboardingReport, of int, err error) {
	err = d.Get(ctx, client.ObjectKey{Name: name}, &held)
	if err == nil {
		return held, 1, nil
	}
	if !apierrors.IsNotFound(err) {
		return held, 0, fmt.Errorf("get report %q: %w", name, err)
	}
	var all v1alpha1.OffboardingReportList
	if err := d.List(ctx, &all, client.MatchingLabels{naming.LabelTenant: name}); err != nil {
		return held, 0, fmt.Errorf("list the reports of tenant %q: %w", name, err)
	}
	if len(all.Items) == 0 {
		return held, 0, d.noReport(ctx, name)
	}
	return slices.MaxFunc(all.Items, func(a, b v1alpha1.OffboardingReport) int {
		return a.Spec.FinishedAt.Compare(b.Spec.FinishedAt.Time)
	}), len(all.Items), nil
}

// noReport tells a tenant that is still there from one nobody knows.
func (d *Desk) noReport(ctx context.Context, name string) error {
	if tenant, err := d.Tenant(ctx, name); err == nil {
		hint := fmt.Sprintf("soctalk-ingress tenant describe %s shows how it is", name)
		if tenant.DeletionTimestamp != nil {
			return fault.NewShell(fault.NotFound, fmt.Errorf("tenant %q is still being removed; its report is written last", name), shownOnPath, "%s", hint)
		}
		return fault.NewShell(fault.NotFound, fmt.Errorf("tenant %q is there and was not removed; a report is written at the end of a removal", name), shownOnPath, "%s", hint)
	}
	return fault.NewShell(fault.NotFound, fmt.Errorf("no report %q, and none of a tenant %q", name, name), "", "soctalk-ingress report list shows all of them")
}

// VerifiedReport is the payload of a report, and the id of the key that signed it,
// after the signature was checked with the published key.
func (d *Desk) VerifiedReport(ctx context.Context, held v1alpha1.OffboardingReport) (payload []byte, keyID string, err error) {
	key, err := d.ReportKey(ctx)
	if err != nil {
		return nil, "", err
	}
	if payload, err = report.Verify(key, held.Spec.Envelope); err != nil {
		return nil, "", NotVerified(held.Name, err)
	}
	keyID, err = report.KeyID(key)
	return payload, keyID, err
}

// NotVerified is the error of a report whose signature is not good.
func NotVerified(name string, err error) error {
	return fault.NewShell(fault.Refused, fmt.Errorf("%s: %w", name, err), "do not rely on it; if the operator's key was replaced since, the command line verifies it with the public key of then",
		"do not rely on it; if the operator's key was replaced since, pass the public key of then with report verify --key")
}

// ReportKey is the public key the operator publishes: in the namespace it is known or
// expected to be in, or wherever there is exactly one.
func (d *Desk) ReportKey(ctx context.Context) (ed25519.PublicKey, error) {
	var held corev1.ConfigMap
	err := d.Get(ctx, client.ObjectKey{Namespace: cmp.Or(d.System, naming.DefaultSystemNamespace), Name: naming.ReportKey}, &held)
	if apierrors.IsNotFound(err) {
		err = d.findReportKey(ctx, &held)
	}
	if err != nil {
		return nil, fault.NewShell(fault.ClassOf(err), fmt.Errorf("read the key reports are signed with: %w", err), "the command line verifies a report with the key as a file", "pass it as a file: report verify FILE --key report-key.pem")
	}
	return report.ParsePublicKey([]byte(held.Data[naming.KeyReportPublic]))
}

func (d *Desk) findReportKey(ctx context.Context, into *corev1.ConfigMap) error {
	var all corev1.ConfigMapList
	if err := d.List(ctx, &all, client.MatchingLabels{naming.LabelManagedBy: naming.Product}, client.MatchingFields{"metadata.name": naming.ReportKey}); err != nil {
		return err
	}
	if len(all.Items) != 1 {
		return errors.New("there is no ConfigMap " + naming.ReportKey + " yet; the operator publishes it with the first report")
	}
	*into = all.Items[0]
	return nil
}
