package desk

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// Wishes adjust a tenant's onboarding sheet.
type Wishes struct {
	// Version of the agents; empty means the manager's own. Group they join.
	Version, Group string
	// Authority is the PEM certificate to trust instead of the tenant's own;
	// PublicAuthority says that none is needed.
	Authority       string
	PublicAuthority bool
}

// SheetInput reads what a tenant's sheet is made from.
func (d *Desk) SheetInput(ctx context.Context, slug string, wishes Wishes) (onboard.Input, error) {
	tenant, err := d.Tenant(ctx, slug)
	if err != nil {
		return onboard.Input{}, err
	}
	regions, err := d.Regions(ctx)
	if err != nil {
		return onboard.Input{}, err
	}
	place, err := plan.Place(tenant, regions)
	if err != nil {
		return onboard.Input{}, fmt.Errorf("tenant %q: %w", slug, err)
	}
	in := onboard.Input{Tenant: tenant, AgentVersion: wishes.Version, AgentGroup: wishes.Group, AuthorityPEM: wishes.Authority}
	if at := slices.IndexFunc(regions, func(r v1alpha1.Region) bool { return r.Name == place.Region }); at >= 0 {
		in.Region = regions[at]
	}
	if wishes.Authority == "" && !wishes.PublicAuthority {
		in.AuthorityPEM, err = d.authority(ctx, place)
	}
	return in, err
}

// Sheet makes it, and says where to look when something is missing for it.
func Sheet(in onboard.Input) (onboard.Sheet, error) {
	sheet, err := onboard.NewSheet(in)
	if err != nil {
		return sheet, fault.NewShell(fault.Refused, err, shownOnPath, "see soctalk-ingress tenant describe %s", in.Tenant.Name)
	}
	return sheet, nil
}

// authority is the PEM certificate agents must be told to trust; empty for a
// public authority.
func (d *Desk) authority(ctx context.Context, place plan.Placement) (string, error) {
	if place.Strategy == v1alpha1.CertificateACME {
		return place.RegionSpec.Certificates.CABundle, nil // of a private ACME server; a public one needs none
	}
	held, err := d.Secret(ctx, place.Namespace, place.TLSSecret)
	if apierrors.IsForbidden(err) {
		return "", fault.NewShell(fault.Failed, err, "", "use --ca-file with the authority's certificate, or --public-ca")
	}
	if err != nil {
		return "", err
	}
	if authority := held[naming.KeyTLSCA]; len(authority) > 0 {
		return string(authority), nil
	}
	if bundle := place.RegionSpec.Certificates.CABundle; bundle != "" || place.Strategy == v1alpha1.CertificateWildcard {
		return bundle, nil // who brings a certificate of a private authority brings ca.crt too
	}
	return "", fault.NewShell(fault.Refused,
		fmt.Errorf("secret %s/%s has no %s, the authority agents are to trust", place.Namespace, place.TLSSecret, naming.KeyTLSCA),
		"wait until CertificateReady is in place",
		"wait until soctalk-ingress tenant describe %s shows CertificateReady, or use --ca-file or --public-ca", place.Slug)
}
