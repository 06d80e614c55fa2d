package desk

import (
	"cmp"
	"context"
	"errors"
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

// SheetInput reads what a tenant's sheet is made from, which is what the tenant has, and
// all that is to come.
func (d *Desk) SheetInput(ctx context.Context, slug string, wishes Wishes) (onboard.Input, []plan.Change, error) {
	tenant, err := d.Tenant(ctx, slug)
	if err != nil {
		return onboard.Input{}, nil, err
	}
	regions, err := d.Regions(ctx)
	if err != nil {
		return onboard.Input{}, nil, err
	}
	region, err := regionOf(tenant, regions)
	if err != nil {
		return onboard.Input{}, nil, err
	}
	// A spec that cannot be carried out changes nothing that runs; the sheet's notes have
	// the condition that says so.
	coming, err := plan.Coming(tenant, regions)
	var problem *plan.Problem
	if err != nil && !errors.As(err, &problem) {
		return onboard.Input{}, nil, err
	}
	in := onboard.Input{
		Tenant: tenant, Region: region, Coming: changes(coming),
		AgentVersion: wishes.Version, AgentGroup: wishes.Group, AuthorityPEM: wishes.Authority,
	}
	if wishes.Authority == "" && !wishes.PublicAuthority {
		in.AuthorityPEM, err = d.authority(ctx, tenant, region.Spec.Certificates)
		return in, coming, err
	}
	return in, coming, nil
}

// regionOf is the Region the tenant is in, which need not be the one its spec names by
// now.
func regionOf(tenant v1alpha1.Tenant, regions []v1alpha1.Region) (v1alpha1.Region, error) {
	name := tenant.Status.Region
	if name == "" {
		place, err := plan.Place(tenant, regions)
		if err != nil {
			return v1alpha1.Region{}, fmt.Errorf("tenant %q: %w", tenant.Name, err)
		}
		name = place.Region
	}
	if at := slices.IndexFunc(regions, func(r v1alpha1.Region) bool { return r.Name == name }); at >= 0 {
		return regions[at], nil
	}
	return v1alpha1.Region{}, fault.New(fault.Refused, fmt.Errorf("tenant %q is in Region %q, which is gone", tenant.Name, name), "make the Region again, or name another one in spec.region")
}

// changes are those a customer meets, as the sheet has them.
func changes(coming []plan.Change) []onboard.Change {
	var met []onboard.Change
	for _, change := range coming {
		switch change.What {
		case plan.ChangeHostname, plan.ChangeAddress, plan.ChangePorts, plan.ChangeCertificate:
			met = append(met, onboard.Change(change))
		}
	}
	return met
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
func (d *Desk) authority(ctx context.Context, tenant v1alpha1.Tenant, region v1alpha1.CertificatesSpec) (string, error) {
	strategy := plan.StrategyNow(tenant, region)
	if strategy == v1alpha1.CertificateACME {
		return region.CABundle, nil // of a private ACME server; a public one needs none
	}
	namespace, name := naming.Namespace(tenant.Name), cmp.Or(tenant.Spec.WazuhIngress.TLS.SecretName, naming.SecretTLS)
	held, err := d.Secret(ctx, namespace, name)
	if apierrors.IsForbidden(err) {
		return "", fault.NewShell(fault.Failed, err, "", "use --ca-file with the authority's certificate, or --public-ca")
	}
	if err != nil {
		return "", err
	}
	if authority := held[naming.KeyTLSCA]; len(authority) > 0 {
		return string(authority), nil
	}
	if bundle := region.CABundle; bundle != "" || strategy == v1alpha1.CertificateWildcard {
		return bundle, nil // who brings a certificate of a private authority brings ca.crt too
	}
	return "", fault.NewShell(fault.Refused,
		fmt.Errorf("secret %s/%s has no %s, the authority agents are to trust", namespace, name, naming.KeyTLSCA),
		"wait until CertificateReady is in place",
		"wait until soctalk-ingress tenant describe %s shows CertificateReady, or use --ca-file or --public-ca", tenant.Name)
}
